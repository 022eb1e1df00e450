"""The weights a block must have by its shape: each matrix with its role, its columns and its rows.

Widths that no cache depends on (low ranks of MLA, biases) are taken as the family has them.
"""

from typing import NamedTuple

from explorer.fit.architecture import Layer, Mixer


class Matrix(NamedTuple):
    """One weight of a block, all experts together."""

    role: str
    columns: int
    rows: int
    stacked: bool = False
    """Has a third dimension."""


_UNGATED = {
    "bert", "roberta", "xlm-roberta", "gpt2", "gptj", "gpt_neo", "gpt_neox", "gpt_bigcode", "bloom",
    "falcon", "phi", "opt", "mpt", "starcoder2", "nemotron", "nemotron_h", "clip", "blip", "t5",
    "mpnet", "distilbert", "electra", "codegen", "whisper", "deberta-v2", "albert", "clip_text_model",
    "blip_text_model", "kosmos_2_5_text_model",
}  # fmt: skip
_FUSED_QUERIES = {
    "gpt2", "gpt_neox", "falcon", "bloom", "mpt", "phi3", "modernbert", "nomic_bert", "baichuan",
    "gpt_bigcode", "codegen", "chatglm", "dbrx", "internlm2", "qwen",
}  # fmt: skip
_GATED_QUERIES = {"qwen3_next", "qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_moe_text"}


class _Latent(NamedTuple):
    """MLA's widths that no cache depends on."""

    query_rank: int = 1536
    nope: int = 128
    value: int = 128


_LATENTS = {"glm_moe_dsa": _Latent(2048, 192, 256), "minicpm3": _Latent(768, 64, 64)}


def matrices(layer: Layer, hidden: int, model_type: str) -> tuple[Matrix, ...]:
    """The weights of one block with two dimensions or more, by its shape."""
    return (*_mixer(layer, hidden, model_type), *_feed_forward(layer, hidden, model_type))


def _mixer(layer: Layer, hidden: int, model_type: str) -> tuple[Matrix, ...]:
    rows: list[Matrix] = []
    if layer.mixer is Mixer.MLA:
        rows += _latent_attention(layer, hidden, model_type)
    elif layer.heads and layer.head_dim_k:
        rows += _attention(layer, hidden, model_type)
    if layer.recurrent or layer.mixer in (Mixer.MAMBA1, Mixer.MAMBA2, Mixer.SHORT_CONV):
        rows += _recurrent(layer, hidden)
    if layer.mixer is Mixer.CROSS:
        rows += _attention(layer, hidden, model_type)
    return tuple(rows)


def _attention(layer: Layer, hidden: int, model_type: str) -> list[Matrix]:
    query = layer.heads * layer.head_dim_k * (2 if model_type in _GATED_QUERIES else 1)
    keys = layer.kv_heads * layer.head_dim_k
    values = layer.kv_heads * (layer.head_dim_v or layer.head_dim_k)
    output = layer.heads * (layer.head_dim_v or layer.head_dim_k)
    if model_type in _FUSED_QUERIES:
        return [
            Matrix("attn_qkv", hidden, query + keys + values),
            Matrix("attn_output", output, hidden),
        ]
    return [
        Matrix("attn_q", hidden, query),
        Matrix("attn_k", hidden, keys),
        Matrix("attn_v", hidden, values),
        Matrix("attn_output", output, hidden),
    ]


def _latent_attention(layer: Layer, hidden: int, model_type: str) -> list[Matrix]:
    ranks = _LATENTS.get(model_type, _Latent())
    latent = layer.head_dim_v if 0 < layer.head_dim_v < layer.head_dim_k else 512
    query = layer.heads * (ranks.nope + layer.head_dim_k - latent)
    rows = [Matrix("attn_q", hidden, query)]
    if model_type != "deepseek_v2" or hidden > 2048:  # the Lite model has no query rank
        rows = [Matrix("attn_q_a", hidden, ranks.query_rank)]
        rows.append(Matrix("attn_q_b", ranks.query_rank, query))
    if layer.indexer_dim:
        rows.append(Matrix("indexer.attn_q_b", ranks.query_rank, 64 * layer.indexer_dim))
        rows.append(Matrix("indexer.attn_k", hidden, layer.indexer_dim))
    return [
        *rows,
        Matrix("attn_kv_a_mqa", hidden, layer.head_dim_k),
        Matrix("attn_k_b", ranks.nope, layer.heads * latent, stacked=True),
        Matrix("attn_v_b", latent, layer.heads * ranks.value, stacked=True),
        Matrix("attn_output", layer.heads * ranks.value, hidden),
    ]


def _recurrent(layer: Layer, hidden: int) -> list[Matrix]:
    """Projections in and out of a recurrent state, from the state's size."""
    conv, state = layer.conv_elements, layer.state_elements
    if layer.mixer is Mixer.SHORT_CONV:
        return [
            Matrix("shortconv.in_proj", hidden, 3 * hidden),
            Matrix("shortconv.out_proj", hidden, hidden),
        ]
    if layer.mixer in (Mixer.GATED_DELTA, Mixer.KIMI_DELTA):
        values = state // 128  # heads of 128 keys
        channels = conv // 3  # a kernel of 4 remembers 3
        return [
            Matrix("attn_qkv", hidden, max(channels, values)),
            Matrix("attn_gate", hidden, values),
            Matrix("ssm_out", values, hidden),
        ]
    if layer.mixer is Mixer.MAMBA1:
        inner = state // 16
        rank = -(-hidden // 16)
        return [
            Matrix("ssm_in", hidden, 2 * inner),
            Matrix("ssm_x", inner, rank + 32),
            Matrix("ssm_dt", rank, inner),
            Matrix("ssm_out", inner, hidden),
        ]
    if layer.mixer is Mixer.RWKV:
        return [Matrix("time_mix_key", hidden, 5 * hidden)]
    inner = _inner_width(conv, state)
    return [
        Matrix("ssm_in", hidden, inner + max(conv // 3, inner) + inner // 64),
        Matrix("ssm_out", inner, hidden),
    ]


def _inner_width(conv: int, state: int) -> int:
    """Mamba 2's inner width, where a kernel of 4 over it and its groups fits both sizes."""
    for width in (128, 64, 256, 16, 32):
        inner = state // width
        groups, remainder = divmod(conv // 3 - inner, 2 * width)
        if remainder == 0 and groups in (1, 2, 4, 8):
            return inner
    return max(state // 128, 1)


def _feed_forward(layer: Layer, hidden: int, model_type: str) -> tuple[Matrix, ...]:
    gated = model_type not in _UNGATED
    rows: list[Matrix] = []
    widths = (
        ("", layer.feed_forward, 1),
        ("_shexp", layer.shared_feed_forward, 1),
        ("_exps", layer.expert_feed_forward if layer.experts else 0, layer.experts),
    )
    for suffix, width, experts in widths:
        if width:
            rows.append(Matrix(f"ffn_up{suffix}", hidden, width * experts, experts > 1))
            rows.append(Matrix(f"ffn_down{suffix}", width, hidden * experts, experts > 1))
            if gated:
                rows.append(Matrix(f"ffn_gate{suffix}", hidden, width * experts, experts > 1))
    return tuple(rows)
