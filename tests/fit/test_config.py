"""config.json to Architecture: kinds of layers, and what hostile values do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import HeaderError
from explorer.fit.architecture import Mixer
from explorer.fit.config import from_config
from tests.fit.test_llama_cpp_cache import DEEPSEEK_V3, GEMMA_3_27B, GPT_OSS_20B, LLAMA_3_1_8B

TINY: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
    "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100,
}  # fmt: skip


def test_llama_3_1_states_a_context_that_is_scaled_already() -> None:
    """131,072, not 131,072 x 8."""
    assert from_config(LLAMA_3_1_8B).context_tokens == 131_072


def test_a_context_that_is_not_stated_is_unknown() -> None:
    assert from_config(TINY).context_tokens is None


def test_deepseek_v3_is_latent_attention_over_dense_and_expert_blocks() -> None:
    found = from_config(DEEPSEEK_V3)
    assert found.attention == {"mla": 61}
    assert found.mtp_layers == 1
    assert [(layer.experts, layer.feed_forward, count) for layer, count in found.groups] == [
        (0, 18432, 3), (256, 0, 58),
    ]  # fmt: skip
    assert found.layers[-1].shared_feed_forward == 2048


def test_gemma_3_takes_the_pattern_and_the_context_of_its_family() -> None:
    found = from_config(GEMMA_3_27B)
    assert found.attention == {"sliding": 52, "full": 10}
    assert found.context_tokens == 131_072
    assert found.tied_embeddings


def test_gpt_oss_experts_have_the_intermediate_size() -> None:
    found = from_config(GPT_OSS_20B)
    assert found.attention == {"sliding": 12, "full": 12}
    layer = found.layers[0]
    assert (layer.experts, layer.experts_used, layer.expert_feed_forward) == (32, 4, 2880)


@pytest.mark.parametrize(("changes", "kv_heads"), [
    ({}, 4),
    ({"num_key_value_heads": 2}, 2),
    ({"model_type": "falcon", "multi_query": True, "num_kv_heads": 4}, 1),
    ({"model_type": "falcon", "new_decoder_architecture": True, "num_kv_heads": 2}, 2),
    ({"model_type": "gpt_bigcode", "multi_query": True}, 1),
    ({"model_type": "chatglm", "multi_query_attention": True, "multi_query_group_num": 2}, 2),
])  # fmt: skip
def test_kv_heads_by_every_name(changes: dict[str, Any], kv_heads: int) -> None:
    assert from_config(TINY | changes).layers[0].kv_heads == kv_heads


@pytest.mark.parametrize("names", [
    {"n_layer": 4, "n_embd": 64, "n_head": 4, "n_positions": 512},
    {"n_layers": 4, "d_model": 64, "n_heads": 4, "max_seq_len": 512},
    {"num_layers": 4, "hidden_size": 64, "num_attention_heads": 4, "seq_length": 512},
    {"layers": 4, "embed_dim": 64, "attention_heads": 4, "max_position_embeddings": 512},
])  # fmt: skip
def test_older_names_say_the_same(names: dict[str, Any]) -> None:
    found = from_config({"model_type": "gpt2", "vocab_size": 100, **names})
    assert len(found.layers) == 4
    assert found.hidden == 64
    assert found.context_tokens == 512
    assert (found.layers[0].heads, found.layers[0].head_dim_k) == (4, 16)
    assert found.layers[0].feed_forward == 256


@pytest.mark.parametrize(("changes", "kinds"), [
    ({"model_type": "qwen2", "sliding_window": 32, "use_sliding_window": False}, {"full": 4}),
    ({"model_type": "qwen2", "sliding_window": 32, "use_sliding_window": True,
      "max_window_layers": 3}, {"full": 3, "sliding": 1}),
    ({"model_type": "mistral", "sliding_window": 32}, {"sliding": 4}),
    ({"model_type": "gemma2", "sliding_window": 32}, {"sliding": 2, "full": 2}),
    ({"model_type": "cohere2", "sliding_window": 32, "sliding_window_pattern": 2},
     {"sliding": 2, "full": 2}),
    ({"model_type": "exaone4", "sliding_window": 32, "sliding_window_pattern": "LLLG"},
     {"sliding": 3, "full": 1}),
    ({"model_type": "llama4_text", "attention_chunk_size": 32}, {"chunked": 3, "full": 1}),
    ({"model_type": "jamba", "attn_layer_period": 4, "attn_layer_offset": 2},
     {"mamba1": 3, "full": 1}),
    ({"model_type": "bamba", "attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": "auto"},
     {"mamba2": 3, "full": 1}),
    ({"model_type": "granitemoehybrid", "layer_types": ["mamba", "mamba", "attention", "mamba"]},
     {"mamba2": 3, "full": 1}),
    ({"model_type": "nemotron_h", "hybrid_override_pattern": "M-*E"},
     {"mamba2": 1, "none": 2, "full": 1}),
    ({"model_type": "lfm2", "full_attn_idxs": [2], "conv_L_cache": 3}, {"short_conv": 3, "full": 1}),
    ({"model_type": "kimi_linear", "kv_lora_rank": 32, "qk_rope_head_dim": 8,
      "linear_attn_config": {"full_attn_layers": [4], "num_heads": 4, "head_dim": 16}},
     {"kimi_delta": 3, "mla": 1}),
    ({"model_type": "falcon_h1", "mamba_n_heads": 8, "mamba_d_head": 16}, {"full": 4}),
    ({"model_type": "mamba2", "state_size": 128}, {"mamba2": 4}),
    ({"model_type": "rwkv6", "head_size": 16}, {"rwkv": 4}),
    ({"model_type": "bert"}, {"none": 4}),
    ({"model_type": "gemma3n_text", "sliding_window": 32, "num_kv_shared_layers": 2},
     {"sliding": 2, "shared": 2}),
])  # fmt: skip
def test_kinds_of_layers(changes: dict[str, Any], kinds: dict[str, int]) -> None:
    assert from_config(TINY | changes).attention == kinds


def test_falcon_h1_has_attention_and_a_state_in_every_layer() -> None:
    changes = {"model_type": "falcon_h1", "mamba_n_heads": 8, "mamba_d_head": 16,
               "mamba_d_state": 32, "mamba_d_conv": 4, "mamba_n_groups": 1}  # fmt: skip
    layer = from_config(TINY | changes).layers[0]
    assert layer.kv_heads == 4
    assert layer.state_elements == 32 * 8 * 16
    assert layer.conv_elements == 3 * (8 * 16 + 2 * 32)


def test_gemma_4_has_wider_heads_where_nothing_slides() -> None:
    found = from_config({
        "model_type": "gemma4_text", "hidden_size": 64, "num_hidden_layers": 6, "head_dim": 16,
        "num_attention_heads": 4, "num_key_value_heads": 4, "global_head_dim": 32, "vocab_size": 100,
        "num_global_key_value_heads": 1, "sliding_window": 32, "intermediate_size": 128,
    })  # fmt: skip
    last = found.layers[5]
    assert (last.mixer, last.kv_heads, last.head_dim_k) == (Mixer.FULL, 1, 32)
    assert (found.layers[0].kv_heads, found.layers[0].head_dim_k) == (4, 16)


def test_an_encoder_decoder_lists_its_encoder_first() -> None:
    found = from_config({
        "model_type": "whisper", "is_encoder_decoder": True, "d_model": 64, "encoder_layers": 2,
        "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "decoder_ffn_dim": 256, "encoder_ffn_dim": 256, "max_source_positions": 1500,
        "max_target_positions": 448, "vocab_size": 100,
    })  # fmt: skip
    assert found.kind == "encoder-decoder"
    assert found.encoder_layers == 2
    assert found.attention == {"none": 2, "cross": 3}
    assert found.layers[-1].window_tokens == 1500
    assert found.context_tokens == 448


def test_an_unknown_model_type_says_what_was_assumed() -> None:
    found = from_config(TINY | {"model_type": "brand_new"})
    assert not found.known
    assert "brand_new" in found.assumptions[0]
    assert found.attention == {"full": 4}


@pytest.mark.parametrize(("changes", "named"), [
    ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
    ({"num_hidden_layers": -1}, "num_hidden_layers"),
    ({"num_hidden_layers": "many"}, "num_hidden_layers"),
    ({"hidden_size": 1.5}, "hidden_size"),
    ({"hidden_size": float("inf")}, "hidden_size"),
    ({"layer_types": ["full_attention"]}, "layer_types"),
    ({"layer_types": 7}, "layer_types"),
    ({"text_config": []}, "text_config"),
    ({"architectures": "Llama"}, "architectures"),
    ({"num_key_value_heads": {"a": 1}}, "num_key_value_heads"),
])  # fmt: skip
def test_values_no_model_has_name_the_key(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(HeaderError, match=named):
        from_config(TINY | changes)


def test_a_config_without_layers_is_no_language_model() -> None:
    with pytest.raises(HeaderError, match="number of layers"):
        from_config({"model_type": "vit"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=6,
)
KEYS = sorted({
    *TINY, *DEEPSEEK_V3, *GPT_OSS_20B, "text_config", "attn_config", "linear_attn_config",
    "block_configs", "hybrid_override_pattern", "attn_layer_period", "full_attn_idxs", "moe_layers",
    "mlp_only_layers", "decoder_sparse_step", "sliding_window_pattern", "is_encoder_decoder",
    "ffn_multipliers", "mamba_d_head", "conv_L_cache", "ffn_config", "use_sliding_window",
})  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
def test_any_config_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        found = from_config(TINY | changes)
    except HeaderError:
        return
    assert sum(count for _, count in found.groups) == len(found.layers)
