"""GGUF key-values to Architecture, and its agreement with config.json of the same model."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import HeaderError
from explorer.fit.architecture import Architecture, Layer
from explorer.fit.config import from_config
from explorer.fit.gguf_metadata import from_gguf
from explorer.weights.tensors import LongArray, MetadataValue
from tests.accuracy.plans import architecture
from tests.fit.test_llama_cpp_cache import DEEPSEEK_V3, GEMMA_3_27B, GPT_OSS_20B, LLAMA_3_1_8B

QWEN3_8B = {
    "model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
    "max_position_embeddings": 40960,
}  # fmt: skip
QWEN3_30B_A3B = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "head_dim": 128,
    "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
    "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
    "decoder_sparse_step": 1, "mlp_only_layers": [], "vocab_size": 151936,
    "max_position_embeddings": 40960,
}  # fmt: skip
QWEN3_NEXT = {
    "model_type": "qwen3_next", "hidden_size": 2048, "intermediate_size": 5120, "head_dim": 256,
    "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2,
    "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
    "linear_num_value_heads": 32, "linear_value_head_dim": 128, "full_attention_interval": 4,
    "num_experts": 512, "num_experts_per_tok": 10, "moe_intermediate_size": 512,
    "shared_expert_intermediate_size": 512, "vocab_size": 151936,
    "max_position_embeddings": 262144,
}  # fmt: skip
GRANITE_4_H_TINY = {
    "model_type": "granitemoehybrid", "hidden_size": 1536, "intermediate_size": 512,
    "num_hidden_layers": 40, "num_attention_heads": 12, "num_key_value_heads": 4,
    "layer_types": [
        "attention" if index in {5, 15, 25, 35} else "mamba" for index in range(40)
    ],
    "mamba_d_conv": 4, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_n_groups": 1,
    "mamba_n_heads": 48, "num_local_experts": 64, "num_experts_per_tok": 6,
    "shared_intermediate_size": 1024, "vocab_size": 100352, "max_position_embeddings": 131072,
}  # fmt: skip
LFM2_1B = {
    "model_type": "lfm2", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
    "num_key_value_heads": 8, "full_attn_idxs": [2, 5, 8, 10, 12, 14], "conv_L_cache": 3,
    "block_ff_dim": 12288, "block_auto_adjust_ff_dim": True, "block_ffn_dim_multiplier": 1.0,
    "block_multiple_of": 256, "vocab_size": 65536, "max_position_embeddings": 128000,
}  # fmt: skip
GLM_4_5_AIR = {
    "model_type": "glm4_moe", "hidden_size": 4096, "intermediate_size": 10944,
    "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8, "head_dim": 128,
    "n_routed_experts": 128, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "moe_intermediate_size": 1408, "first_k_dense_replace": 1, "num_nextn_predict_layers": 1,
    "vocab_size": 151552, "max_position_embeddings": 131072,
}  # fmt: skip
MIXTRAL = {
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 32000,
    "max_position_embeddings": 32768,
}  # fmt: skip
MAMBA_2 = {
    "model_type": "mamba2", "hidden_size": 2560, "num_hidden_layers": 64, "num_heads": 80,
    "head_dim": 64, "state_size": 128, "n_groups": 1, "conv_kernel": 4, "expand": 2,
    "vocab_size": 50288,
}  # fmt: skip


def memory_shape(layer: Layer) -> tuple[Any, ...]:
    """What a layer remembers, whichever file said so."""
    return (
        layer.mixer, layer.kv_heads, layer.head_dim_k, layer.head_dim_v, layer.window_tokens,
        layer.conv_elements, layer.state_elements, layer.inner, layer.conv_channels,
        layer.nope_dim, layer.value_dim, layer.heads,
    )  # fmt: skip


def fed_shape(layer: Layer) -> tuple[int, ...]:
    return (layer.feed_forward, layer.experts, layer.experts_used, layer.expert_feed_forward,
            layer.shared_feed_forward)  # fmt: skip


@pytest.mark.parametrize(("model", "config"), [
    ("DeepSeek-V3", DEEPSEEK_V3), ("Gemma-3-27B", GEMMA_3_27B), ("gpt-oss-20b", GPT_OSS_20B),
    ("Llama-3.1-8B", LLAMA_3_1_8B), ("Qwen3-8B", QWEN3_8B), ("Qwen3-30B-A3B", QWEN3_30B_A3B),
    ("Qwen3-Next-80B-A3B", QWEN3_NEXT), ("Granite-4.0-H-Tiny", GRANITE_4_H_TINY),
    ("LFM2-1.2B", LFM2_1B), ("GLM-4.5-Air", GLM_4_5_AIR), ("Mixtral-8x7B", MIXTRAL),
    ("Mamba2-2.7B", MAMBA_2),
])  # fmt: skip
def test_both_files_of_a_model_agree(model: str, config: dict[str, Any]) -> None:
    from_file, from_header = from_config(config), architecture(model)
    assert from_file.hidden == from_header.hidden
    assert from_file.mtp_layers in (0, 1)
    for ours, theirs in zip(from_file.layers, from_header.layers, strict=True):
        assert memory_shape(ours) == memory_shape(theirs)
        assert fed_shape(ours) == fed_shape(theirs)


def read(**values: MetadataValue) -> Architecture:
    base: dict[str, MetadataValue] = {
        "general.architecture": "llama", "llama.block_count": 4, "llama.embedding_length": 64,
        "llama.attention.head_count": 4,
    }  # fmt: skip
    return from_gguf(base | {f"llama.{name}": value for name, value in values.items()})


def test_heads_may_be_listed_a_layer() -> None:
    found = read(**{"attention.head_count_kv": (4, 2, 0, 4)})
    assert [layer.kv_heads for layer in found.layers] == [4, 2, 0, 4]


def test_the_vocabulary_is_counted_when_it_was_skipped() -> None:
    found = from_gguf({
        "general.architecture": "llama", "llama.block_count": 1, "llama.embedding_length": 64,
        "llama.attention.head_count": 4, "tokenizer.ggml.tokens": LongArray("string", 32000),
    })  # fmt: skip
    assert found.vocabulary == 32000


def test_a_window_counts_only_where_llama_cpp_uses_it() -> None:
    """llama and phi3 files may state a window, which llama.cpp does not apply."""
    assert read(**{"attention.sliding_window": 4096}).attention == {"full": 4}


def test_older_deepseek_files_without_mla_keep_expanded_keys_and_values() -> None:
    found = from_gguf({
        "general.architecture": "deepseek2", "deepseek2.block_count": 2,
        "deepseek2.embedding_length": 64, "deepseek2.attention.head_count": 16,
        "deepseek2.attention.head_count_kv": 16, "deepseek2.attention.key_length": 192,
        "deepseek2.attention.value_length": 128, "deepseek2.attention.kv_lora_rank": 512,
    })  # fmt: skip
    layer = found.layers[0]
    assert (layer.mixer, layer.kv_heads, layer.head_dim_k, layer.head_dim_v) == (
        "full", 16, 192, 128,
    )  # fmt: skip


def test_an_unknown_architecture_says_what_was_assumed() -> None:
    found = from_gguf({
        "general.architecture": "newest", "newest.block_count": 2, "newest.embedding_length": 64,
        "newest.attention.head_count": 4,
    })  # fmt: skip
    assert not found.known
    assert "newest" in found.assumptions[0]


@pytest.mark.parametrize(("values", "named"), [
    ({"block_count": 10**9}, "block_count"),
    ({"attention.head_count_kv": (1, 2)}, "head_count_kv"),
    ({"attention.head_count": "four"}, "head_count"),
    ({"embedding_length": 0}, "embedding_length"),
])  # fmt: skip
def test_values_no_model_has_name_the_key(values: dict[str, MetadataValue], named: str) -> None:
    with pytest.raises(HeaderError, match=named):
        read(**values)


def test_a_file_without_an_architecture_is_refused() -> None:
    with pytest.raises(HeaderError, match=r"general\.architecture"):
        from_gguf({})


VALUES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(max_size=5),
    st.lists(st.integers(-4, 1 << 40), max_size=6).map(tuple),
    st.builds(LongArray, st.just("string"), st.integers(0, 10)),
)  # fmt: skip
ARCHITECTURES = (
    "llama",
    "gemma3",
    "deepseek2",
    "qwen3next",
    "mamba2",
    "lfm2",
    "t5",
    "granitehybrid",
)
KEYS = (
    "block_count", "embedding_length", "attention.head_count", "attention.head_count_kv",
    "attention.key_length", "attention.key_length_mla", "attention.sliding_window",
    "attention.sliding_window_pattern", "feed_forward_length", "expert_count",
    "leading_dense_block_count", "nextn_predict_layers", "ssm.inner_size", "ssm.state_size",
    "full_attention_interval", "attention.shared_kv_layers", "decoder_block_count",
)  # fmt: skip


@given(st.sampled_from(ARCHITECTURES), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_metadata_is_read_or_refused(arch: str, values: dict[str, MetadataValue]) -> None:
    base: dict[str, MetadataValue] = {
        "block_count": 4, "embedding_length": 64, "attention.head_count": 4,
    }  # fmt: skip
    keys = {f"{arch}.{name}": value for name, value in (base | values).items()}
    try:
        found = from_gguf({"general.architecture": arch} | keys)
    except HeaderError:
        return
    assert sum(count for _, count in found.groups) == len(found.layers)
