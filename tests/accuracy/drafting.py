"""Qwen3.6-27B with its block of multi-token prediction, as its GGUF file describes it.

64 blocks, every fourth with attention, and one that drafts. Widths are those of its published config.json,
names those that llama.cpp's converter gives; weights are F16, norms and what recurs F32.
"""

from typing import Any

HIDDEN, WIDE, VOCABULARY = 5120, 17408, 248_320
BLOCKS, EVERY = 64, 4
_QUERIES, _KEYS = 24 * 256, 4 * 256
_INNER, _CONVOLVED = 48 * 128, 2 * 16 * 128 + 48 * 128

ATTENTION = {
    "attn_q.weight": (HIDDEN, 2 * _QUERIES), "attn_k.weight": (HIDDEN, _KEYS),
    "attn_v.weight": (HIDDEN, _KEYS), "attn_output.weight": (_QUERIES, HIDDEN),
    "attn_q_norm.weight": (256,), "attn_k_norm.weight": (256,),
}  # fmt: skip
DELTA_NET = {
    "attn_qkv.weight": (HIDDEN, _CONVOLVED), "attn_gate.weight": (HIDDEN, _INNER),
    "ssm_conv1d.weight": (4, _CONVOLVED), "ssm_a": (48,), "ssm_dt.bias": (48,),
    "ssm_alpha.weight": (HIDDEN, 48), "ssm_beta.weight": (HIDDEN, 48), "ssm_norm.weight": (128,),
    "ssm_out.weight": (_INNER, HIDDEN),
}  # fmt: skip
EVERYWHERE = {
    "attn_norm.weight": (HIDDEN,), "post_attention_norm.weight": (HIDDEN,),
    "ffn_gate.weight": (HIDDEN, WIDE), "ffn_up.weight": (HIDDEN, WIDE),
    "ffn_down.weight": (WIDE, HIDDEN),
}  # fmt: skip
DRAFTING = {
    "nextn.eh_proj.weight": (2 * HIDDEN, HIDDEN), "nextn.enorm.weight": (HIDDEN,),
    "nextn.hnorm.weight": (HIDDEN,), "nextn.shared_head_norm.weight": (HIDDEN,),
}  # fmt: skip
ENDS = {
    "token_embd.weight": (HIDDEN, VOCABULARY), "output.weight": (HIDDEN, VOCABULARY),
    "output_norm.weight": (HIDDEN,),
}  # fmt: skip


def qwen_27b() -> dict[str, Any]:
    """``metadata`` and ``tensors``, as the descriptions of ``plans`` have them."""
    own = {
        "block_count": BLOCKS + 1, "nextn_predict_layers": 1, "context_length": 262_144,
        "embedding_length": HIDDEN, "feed_forward_length": WIDE, "vocab_size": VOCABULARY,
        "attention.head_count": 24, "attention.head_count_kv": 4, "attention.key_length": 256,
        "attention.value_length": 256, "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 1e7, "rope.dimension_count": 64, "rope.dimension_sections": [11, 11, 10, 0],
        "ssm.conv_kernel": 4, "ssm.state_size": 128, "ssm.group_count": 16, "ssm.time_step_rank": 48,
        "ssm.inner_size": _INNER, "full_attention_interval": EVERY,
    }  # fmt: skip
    metadata = {f"qwen35.{key}": value for key, value in own.items()}
    metadata |= {"general.architecture": "qwen35", "tokenizer.ggml.model": "no_vocab"}
    tensors = [_tensor(name, shape) for name, shape in ENDS.items()]
    for block in range(BLOCKS + 1):
        attends = block == BLOCKS or (block + 1) % EVERY == 0
        parts = EVERYWHERE | (ATTENTION if attends else DELTA_NET)
        parts |= DRAFTING if block == BLOCKS else {}
        tensors += [_tensor(f"blk.{block}.{name}", shape) for name, shape in parts.items()]
    return {"metadata": metadata, "tensors": tensors}


def _tensor(name: str, shape: tuple[int, ...]) -> tuple[str, str, list[int]]:
    wide = len(shape) > 1 and "conv1d" not in name
    return name, "F16" if wide else "F32", list(shape)
