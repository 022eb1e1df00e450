"""KV cache sizes that other tools get wrong, with the right numbers worked out by hand."""

from collections.abc import Mapping
from typing import Any

import pytest

from explorer.errors import UsageError
from explorer.fit.config import from_config
from explorer.fit.llama_cpp.cache import kv_bytes, state_bytes
from explorer.fit.llama_cpp.settings import Settings
from explorer.units import GIB

DEEPSEEK_V3 = {
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "hidden_size": 7168,
    "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128,
    "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
    "intermediate_size": 18432, "moe_intermediate_size": 2048, "n_routed_experts": 256,
    "num_experts_per_tok": 8, "n_shared_experts": 1, "first_k_dense_replace": 3,
    "num_nextn_predict_layers": 1, "max_position_embeddings": 163840, "vocab_size": 129280,
}  # fmt: skip
GEMMA_3_27B = {
    "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504, "head_dim": 128,
        "num_attention_heads": 32, "num_hidden_layers": 62, "num_key_value_heads": 16,
        "sliding_window": 1024,
    },
}  # fmt: skip
GPT_OSS_20B = {
    "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "hidden_size": 2880,
    "intermediate_size": 2880, "head_dim": 64, "num_attention_heads": 64, "num_key_value_heads": 8,
    "num_hidden_layers": 24, "num_local_experts": 32, "num_experts_per_tok": 4,
    "sliding_window": 128, "max_position_embeddings": 131072, "vocab_size": 201088,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
}  # fmt: skip
LLAMA_3_1_8B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_hidden_layers": 32, "max_position_embeddings": 131072, "vocab_size": 128256,
    "rope_scaling": {"factor": 8.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
}  # fmt: skip


def kv(config: Mapping[str, Any], settings: Settings) -> int:
    return sum(kv_bytes(layer, settings) * count for layer, count in from_config(config).groups)


def test_deepseek_v3_at_8k_keeps_latents_only() -> None:
    """0.54 GiB, not 13.3: 61 layers x 8192 cells x (512 + 64) x 2 bytes."""
    size = kv(DEEPSEEK_V3, Settings(n_ctx=8192))
    assert size == 61 * 8192 * 576 * 2
    assert round(size / GIB, 2) == 0.54


def test_gemma_3_27b_at_32k_slides_in_five_layers_of_six() -> None:
    """2.9 GiB with exact windows, 3.1 as llama.cpp pads them; not 15.5.

    10 layers keep 32768 cells and 52 keep 1024 + 512 of a micro-batch, of 2 x 16 x 128 x 2 bytes.
    """
    size = kv(GEMMA_3_27B, Settings(n_ctx=32768))
    assert size == (10 * 32768 + 52 * 1536) * 2 * 16 * 128 * 2
    exact_windows = (10 * 32768 + 52 * 1024) * 2 * 16 * 128 * 2
    assert round(exact_windows / GIB, 1) == 2.9


def test_gpt_oss_slides_in_every_other_layer() -> None:
    """Half the layers keep a window of 128 (768 cells with a micro-batch), of 2 x 8 x 64 x 2 bytes."""
    size = kv(GPT_OSS_20B, Settings(n_ctx=131072))
    assert size == (12 * 131072 + 12 * 768) * 2 * 8 * 64 * 2


def test_llama_3_1_8b_counts_layers_and_kv_heads() -> None:
    """1 GiB at 8K: 32 layers x 8192 x 2 x 8 x 128 x 2 bytes."""
    assert kv(LLAMA_3_1_8B, Settings(n_ctx=8192)) == GIB


def test_sequences_share_a_unified_cache_and_multiply_windows() -> None:
    split = kv(GPT_OSS_20B, Settings(n_ctx=32768, sequences=4))
    unified = kv(GPT_OSS_20B, Settings(n_ctx=32768, sequences=4, unified=True))
    row = 2 * 8 * 64 * 2
    assert split == (12 * 32768 + 12 * 4 * 768) * row
    assert unified == (12 * 32768 + 12 * 1024) * row


def test_a_context_is_padded_to_256_cells() -> None:
    assert kv(LLAMA_3_1_8B, Settings(n_ctx=1000)) == kv(LLAMA_3_1_8B, Settings(n_ctx=1024))


@pytest.mark.parametrize(("type_name", "bytes_in_32"), [
    ("f32", 128), ("f16", 64), ("q8_0", 34), ("q5_1", 24), ("q4_0", 18),
])  # fmt: skip
def test_quantized_caches_take_their_blocks(type_name: str, bytes_in_32: int) -> None:
    size = kv(LLAMA_3_1_8B, Settings(n_ctx=8192, type_k=type_name, type_v=type_name))
    assert size == 32 * 8192 * 2 * 1024 // 32 * bytes_in_32


def test_an_unknown_cache_type_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="q3_x"):
        kv(LLAMA_3_1_8B, Settings(n_ctx=8192, type_k="q3_x"))


def test_draft_tokens_keep_copies_of_the_recurrent_state() -> None:
    """Qwen3-Next: 36 layers of a gated delta net, 32 value heads of 128 x 128 and a convolution of 3."""
    config = {
        "model_type": "qwen3_next", "hidden_size": 2048, "num_hidden_layers": 48,
        "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "vocab_size": 151936,
        "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
        "linear_num_value_heads": 32, "linear_value_head_dim": 128, "intermediate_size": 5120,
    }  # fmt: skip
    groups = from_config(config).groups

    def state(settings: Settings) -> int:
        return sum(state_bytes(layer, settings) * count for layer, count in groups)

    once = 36 * 4 * (32 * 128 * 128 + 3 * (32 * 128 + 2 * 16 * 128))
    assert state(Settings(n_ctx=8192)) == once
    assert state(Settings(n_ctx=8192, sequences=4, drafts=12)) == once * 4 * 13
