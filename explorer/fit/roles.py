"""Which part of a model a tensor is, from its name: Hugging Face modules and GGUF names alike.

Roles are GGUF's own names (``attn_q``, ``ffn_down_exps``), so that llama.cpp's rules can be asked
about either format. The correspondence follows ``gguf-py/gguf/tensor_mapping.py`` of llama.cpp.
A name is cut at its layer number; what stands around the number is looked up once and remembered,
so that a model of 90,000 tensors costs a search and a look-up each.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

_LAYER = re.compile(r"(?:^|\.)(\d{1,6})\.")
_DIGITS = re.compile(r"\d+")


class Section(StrEnum):
    """The part of a model a tensor belongs to."""

    TEXT = "text"
    """The language model, or the only model there is."""
    ENCODER = "encoder"
    """The encoder's stack, where names speak of one; a lone encoder is the model itself."""
    VISION = "vision"
    """Vision towers and their projectors."""
    AUDIO = "audio"
    MTP = "mtp"
    """Multi-token prediction."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a tensor is, whatever its layer."""

    role: str
    """GGUF's name without block and suffix: ``attn_q``, ``ffn_down_exps``; ``buffer`` for what is
    stored without being a weight (causal masks, rotary frequencies); empty when unknown."""
    section: Section = Section.TEXT
    kind: str = "weight"
    """What it is to its module: ``weight``, ``bias``, ``scales``, ``qzeros``..."""
    expert: int | None = None
    """Its number, where each routed expert has a tensor of its own."""

    routed: bool = False
    """One of the routed experts, of which a token reads a few."""


class Place(NamedTuple):
    """Where a tensor stands: its part and its layer, None for what belongs to no layer."""

    part: Part
    layer: int | None


def place(name: str) -> Place:
    """Where the tensor of this name stands; ``part.role`` is empty for a name nobody knows."""
    head, found, rest = name.partition(".layers.")
    if found:  # what nearly all names have, found three times as fast as by the pattern
        number, _, tail = rest.partition(".")
        if tail and len(number) < 7 and number.isdecimal():
            return Place(_part(head, tail), int(number))
    match = _LAYER.search(name)
    if match is None:
        return Place(_end(name), None)
    return Place(_part(name[: match.start()], name[match.end() :]), int(match[1]))


_KINDS = {
    "weight", "bias", "qweight", "qzeros", "scales", "biases", "g_idx", "weight_packed",
    "weight_scale", "weight_scale_inv", "weight_scale_2", "weight_global_scale", "weight_shape",
    "weight_zero_point", "input_scale", "input_global_scale", "k_scale", "v_scale",
    "absmax", "quant_map", "nested_absmax", "nested_quant_map", "bitsandbytes__nf4",
}  # fmt: skip
_FUSED_KINDS = ("_blocks", "_scales", "_bias")

_VISION = re.compile(
    r"(^|[._])(vision|visual|image|img|mm_projector|multi_modal_projector|vit|sam_model|"
    r"vpm|resampler|aligner)([._]|$)|^(v|mm)\.|embed_vision"
)
_AUDIO = re.compile(r"(^|[._])(audio|speech|sound)([._]|$)|^a\.|embed_audio")
_MTP = re.compile(r"(^|\.)(mtp|nextn|mtp_layers|mtp_block)(\.|$)")
_ENCODER = re.compile(r"(^|\.)(encoder|enc)(\.|$)")

# Roles by the module's path under its layer. Digits are written N.
_BLOCK_ROLES: dict[str, str] = {
    "attn_q": "self_attn.q_proj attn.q_proj attention.q_proj attention.self.query attention.query "
    "attention.wq linear_attn.q_proj mixer.q_proj self_attn.q self_attention.q layer.N.SelfAttention.q "
    "attention.attn.q_proj attn.attention.q_proj attention.q_lin temporal_block.q_proj self_attn.q_lin",
    "attn_k": "self_attn.k_proj attn.k_proj attention.k_proj attention.self.key attention.key "
    "attention.wk linear_attn.k_proj mixer.k_proj layer.N.SelfAttention.k attn.attention.k_proj "
    "attention.k_lin temporal_block.k_proj",
    "attn_v": "self_attn.v_proj attn.v_proj attention.v_proj attention.self.value attention.value "
    "attention.wv linear_attn.v_proj mixer.v_proj layer.N.SelfAttention.v attn.attention.v_proj "
    "attention.v_lin temporal_block.v_proj",
    "attn_qkv": "self_attn.qkv_proj attention.query_key_value self_attention.query_key_value "
    "attn.c_attn attn.Wqkv attn.qkv self_attn.qkv self_attn.W_pack attention.wqkv wqkv "
    "norm_attn_norm.attn.Wqkv mixer.Wqkv self_attn.query_key_value linear_attn.in_proj_qkv",
    "attn_output": "self_attn.o_proj self_attn.out_proj self_attn.dense attention.o_proj "
    "attention.output.dense attention.dense attn.c_proj attn.out_proj attn.Wo attn.proj "
    "self_attention.dense attention.wo mixer.o_proj linear_attn.o_proj attention.output wo "
    "self_attn.projection layer.N.SelfAttention.o attn.attention.out_proj attention.out_lin "
    "norm_attn_norm.attn.out_proj attention.out_proj",
    "attn_q_a": "self_attn.q_a_proj",
    "attn_q_b": "self_attn.q_b_proj",
    "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa",
    "attn_kv_b": "self_attn.kv_b_proj",
    "attn_q_a_norm": "self_attn.q_a_layernorm",
    "attn_kv_a_norm": "self_attn.kv_a_layernorm",
    "attn_q_norm": "self_attn.q_norm self_attn.q_layernorm self_attn.query_layernorm",
    "attn_k_norm": "self_attn.k_norm self_attn.k_layernorm self_attn.key_layernorm",
    "attn_sinks": "self_attn.sinks",
    "attn_gate": "linear_attn.in_proj_z linear_attn.g_proj self_attn.g_proj self_attn.gate_proj",
    "attn_norm": "input_layernorm ln_N attention_norm attn_norm norm self_attn_layer_norm "
    "pre_attention_layer_norm attention_layer_norm layer_normN normN norm_N operator_norm "
    "temporal_pre_norm layer.N.layer_norm sa_layer_norm norm_attn_norm.norm_N",
    "attn_output_norm": "attention.output.LayerNorm",
    "layer_output_norm": "output.LayerNorm final_layer_norm output_layer_norm",
    "post_attention_norm": "post_self_attn_layernorm post_attention_layernorm temporal_post_norm",
    "ffn_norm": "pre_feedforward_layernorm ffn_norm mlp_norm feedforward_layer_norm "
    "pre_mlp_layer_norm channel_pre_norm pre_mlp_layernorm pre_ff_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm post_mlp_layernorm",
    "ffn_up": "mlp.up_proj mlp.gate_up_proj mlp.c_fc mlp.fcN mlp.fc_in mlp.dense_h_to_Nh "
    "intermediate.dense mlp.Wi mixer.up_proj feed_forward.up_proj feed_forward.wN ffn.fcN ffn.up_proj "
    "mlp.w_in mlp.linN mlp.linear_fcN fcN layer.N.DenseReluDense.wi layer.N.DenseReluDense.wi_N "
    "ffn.linN mlp.wi_N mlp.wN mlp_block.up_proj ffn.gate_up_proj block_sparse_moe.up_proj",
    "ffn_gate": "mlp.gate_proj feed_forward.gate_proj ffn.gate_proj mlp_block.gate_proj",
    "ffn_down": "mlp.down_proj mlp.c_proj mlp.fc_out mlp.dense_Nh_to_h output.dense mlp.Wo mlp.wo "
    "mixer.down_proj feed_forward.down_proj ffn.down_proj layer.N.DenseReluDense.wo mlp.w_out "
    "mlp_block.down_proj",
    "ffn_gate_inp": "mlp.gate mlp.router block_sparse_moe.gate feed_forward.gate moe.gate "
    "feed_forward.router block_sparse_moe.router.layer mixer.gate ffn.router.layer mlp.gate.wg "
    "mlp.router.gate moe.router.proj router.proj",
    "exp_probs_b": "mlp.gate.e_score_correction_bias mlp.expert_bias mixer.gate.e_score_correction_bias "
    "block_sparse_moe.e_score_correction_bias mlp.moe_statics.e_score_correction_bias "
    "feed_forward.expert_bias",
    "ffn_up_exps": "mlp.experts.N.up_proj block_sparse_moe.experts.N.wN mlp.experts.gate_up_proj "
    "feed_forward.experts.gate_up_proj feed_forward.experts.N.wN block_sparse_moe.input_linear "
    "mixer.experts.N.up_proj mlp.experts.up_proj mlp.experts.N.gate_up_proj moe.experts.N.up_proj "
    "mlp.switch_mlp.up_proj moe.experts.gate_up_proj experts.gate_up_proj",
    "ffn_gate_exps": "mlp.experts.N.gate_proj mlp.experts.gate_proj moe.experts.N.gate_proj "
    "mlp.switch_mlp.gate_proj",
    "ffn_down_exps": "mlp.experts.N.down_proj mlp.experts.down_proj feed_forward.experts.down_proj "
    "block_sparse_moe.output_linear mixer.experts.N.down_proj moe.experts.N.down_proj "
    "mlp.switch_mlp.down_proj moe.experts.down_proj experts.down_proj",
    "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
    "ffn_up_shexp": "mlp.shared_expert.up_proj mlp.shared_experts.up_proj shared_mlp.input_linear "
    "feed_forward.shared_expert.up_proj mixer.shared_experts.up_proj mlp.shared_mlp.up_proj",
    "ffn_gate_shexp": "mlp.shared_expert.gate_proj mlp.shared_experts.gate_proj "
    "feed_forward.shared_expert.gate_proj mlp.shared_mlp.gate_proj",
    "ffn_down_shexp": "mlp.shared_expert.down_proj mlp.shared_experts.down_proj "
    "shared_mlp.output_linear feed_forward.shared_expert.down_proj mixer.shared_experts.down_proj "
    "mlp.shared_mlp.down_proj",
    "ssm_in": "mixer.in_proj linear_attn.in_proj_qkvz mamba.in_proj",
    "ssm_ba": "linear_attn.in_proj_ba",
    "ssm_alpha": "linear_attn.in_proj_a linear_attn.a_proj",
    "ssm_beta": "linear_attn.in_proj_b linear_attn.b_proj self_attn.b_proj",
    "ssm_conv1d": "linear_attn.convNd mixer.convNd mamba.convNd linear_attn.q_convNd "
    "linear_attn.k_convNd linear_attn.v_convNd self_attn.q_convNd self_attn.k_convNd "
    "self_attn.v_convNd",
    "ssm_x": "mixer.x_proj mamba.x_proj",
    "ssm_dt": "mixer.dt_proj mixer.dt_bias mamba.dt_proj mamba.dt_bias linear_attn.dt_bias "
    "self_attn.dt_bias",
    "ssm_a": "mixer.A_log mamba.A_log linear_attn.A_log self_attn.A_log",
    "ssm_d": "mixer.D mamba.D",
    "ssm_norm": "mixer.norm mamba.norm linear_attn.norm linear_attn.o_norm self_attn.o_norm",
    "ssm_out": "mixer.out_proj linear_attn.out_proj mamba.out_proj",
    "shortconv.in_proj": "conv.in_proj",
    "shortconv.conv": "conv.conv",
    "shortconv.out_proj": "conv.out_proj",
    "indexer.attn_k": "self_attn.indexer.wk",
    "indexer.attn_q_b": "self_attn.indexer.wq_b",
    "indexer.k_norm": "self_attn.indexer.k_norm",
    "indexer.proj": "self_attn.indexer.weights_proj",
    "nextn.eh_proj": "eh_proj",
    "nextn.enorm": "enorm",
    "nextn.hnorm": "hnorm",
    "nextn.embed_tokens": "embed_tokens",
    "nextn.shared_head_head": "shared_head.head",
    "nextn.shared_head_norm": "shared_head.norm",
    "buffer": "self_attn.rotary_emb.inv_freq attention.rotary_emb.inv_freq attention attn "
    "attention.masked attn.masked",
}
# The one name in which digits matter: Mixtral's experts and the plain Llama layout.
_NUMBERED = {
    "block_sparse_moe.experts.#.w1": "ffn_gate_exps",
    "block_sparse_moe.experts.#.w2": "ffn_down_exps",
    "block_sparse_moe.experts.#.w3": "ffn_up_exps",
    "feed_forward.experts.#.w1": "ffn_gate_exps",
    "feed_forward.experts.#.w2": "ffn_down_exps",
    "feed_forward.experts.#.w3": "ffn_up_exps",
    "feed_forward.w1": "ffn_gate",
    "feed_forward.w2": "ffn_down",
    "feed_forward.w3": "ffn_up",
    "mlp.w1": "ffn_up",
    "mlp.w2": "ffn_gate",
    "mlp.fc2": "ffn_down",
    "ffn.fc2": "ffn_down",
    "fc2": "ffn_down",
    "mlp.fc11": "ffn_up",
    "mlp.fc12": "ffn_gate",
    "mlp.lin2": "ffn_down",
    "ffn.lin2": "ffn_down",
    "mlp.linear_fc2": "ffn_down",
    "layer.#.DenseReluDense.wi_0": "ffn_gate",
    "mlp.wi_0": "ffn_gate",
    "ln_2": "ffn_norm",
    "layer_norm2": "ffn_norm",
    "norm2": "ffn_norm",
}
_BY_PATH = {path: role for role, paths in _BLOCK_ROLES.items() for path in paths.split()}

# Roles of what stands outside the layers, by the end of the module's path.
_ENDS = {
    "embed_tokens": "token_embd", "wte": "token_embd", "word_embeddings": "token_embd",
    "embed_in": "token_embd", "tok_embeddings": "token_embd", "token_embedding": "token_embd",
    "shared": "token_embd", "token_embd": "token_embd", "embeddings": "token_embd",
    "embed_tokens_per_layer": "per_layer_token_embd", "per_layer_token_embd": "per_layer_token_embd",
    "embedding": "token_embd",
    "lm_head": "output", "embed_out": "output", "output": "output", "proj_out": "output",
    "norm": "output_norm", "norm_f": "output_norm", "ln_f": "output_norm",
    "final_layer_norm": "output_norm", "final_layernorm": "output_norm", "final_norm": "output_norm",
    "output_norm": "output_norm", "embedding_norm": "token_embd_norm", "layer_norm": "output_norm",
    "LayerNorm": "token_embd_norm", "emb_ln": "token_embd_norm", "token_embd_norm": "token_embd_norm",
    "wpe": "position_embd", "position_embeddings": "position_embd", "embed_positions": "position_embd",
    "position_embd": "position_embd", "position_embedding": "position_embd",
    "token_type_embeddings": "token_types", "token_types": "token_types",
    "rope_freqs": "rope_freqs", "position_ids": "buffer",
}  # fmt: skip


@lru_cache(maxsize=4096)
def _end(name: str) -> Part:
    """The part of a name without a layer number."""
    path, kind = _split(name)
    section = _section(path)
    return Part(_ENDS.get(path.rpartition(".")[2], ""), section, kind)


@lru_cache(maxsize=65536)
def _part(head: str, tail: str) -> Part:
    """The part of ``head.<layer>.tail``."""
    path, kind = _split(tail)
    section = _section(f"{head}.{path}")
    if section in (Section.VISION, Section.AUDIO):
        return Part("", section, kind)
    role = path if head.endswith("blk") else _role(path)  # GGUF's name is the role
    if role.startswith("nextn"):
        section = Section.MTP
    routed = role.endswith("_exps")
    return Part(role, section, kind, _expert(path) if routed else None, routed)


def _role(path: str) -> str:
    numbered = re.sub(r"\.\d+\.", ".#.", path)
    return _NUMBERED.get(numbered) or _BY_PATH.get(_DIGITS.sub("N", path), "")


def _expert(path: str) -> int | None:
    match = re.search(r"\.(\d{1,6})\.", path)
    return int(match[1]) if match else None


def _split(path: str) -> tuple[str, str]:
    """A module's path and what the tensor is to it."""
    module, _, last = path.rpartition(".")
    if last in _KINDS and module:
        # bitsandbytes hangs its state under the weight: fc.weight.absmax
        return module.removesuffix(".weight") if last != "weight" else module, last
    if last in _KINDS:
        return "", last
    for suffix in _FUSED_KINDS:
        if last.endswith(suffix) and not last.endswith(
            ("correction_bias", "dt_bias", "expert_bias")
        ):
            return path.removesuffix(suffix), suffix[1:]
    return path, "weight"


def _section(path: str) -> Section:
    if _VISION.search(path):
        return Section.VISION
    if _AUDIO.search(path):
        return Section.AUDIO
    if _MTP.search(path):
        return Section.MTP
    return Section.ENCODER if _ENCODER.search(path) else Section.TEXT
