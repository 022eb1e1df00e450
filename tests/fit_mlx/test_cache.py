"""What a layer caches under mlx-lm, worked out by hand from its cache classes."""

from dataclasses import replace

from explorer.fit.architecture import Layer, Mixer
from explorer.fit.config import from_config
from explorer.fit.mlx.cache import Settings, cached_tokens, kv_bytes, rotates, state_bytes
from explorer.units import GIB, MIB
from tests.accuracy.vllm_logs import GEMMA_3_27B
from tests.fit_vllm.models import GPT_OSS_20B, LLAMA_8B, published_shape

LLAMA = from_config(LLAMA_8B).layers[0]


def size(layer: Layer, settings: Settings, kind: str = "llama", *, rotating: bool = False) -> int:
    return kv_bytes(layer, settings, kind, rotating=rotating)


def test_caches_grow_in_steps_of_256_tokens() -> None:
    a_token = 8 * (128 + 128) * 2
    assert [size(LLAMA, Settings(tokens)) // a_token for tokens in (1, 256, 257, 8192)] == [
        256, 256, 512, 8192,
    ]  # fmt: skip


def test_a_quantized_cache_has_a_scale_and_a_bias_for_each_64() -> None:
    whole = size(LLAMA, Settings(8192))
    assert size(LLAMA, Settings(8192, kv_bits=8)) == whole * (8 + 0.5) / 16
    assert size(LLAMA, Settings(8192, kv_bits=4)) == whole * (4 + 0.5) / 16


def test_a_rotating_cache_holds_its_window_and_a_step_of_the_prompt() -> None:
    shape = from_config(GEMMA_3_27B)
    sliding, full = shape.layers[0], shape.layers[5]
    assert rotates(shape)
    assert cached_tokens(sliding, Settings(32_768), rotating=True) == 1023 + 2048
    assert cached_tokens(sliding, Settings(512), rotating=True) == 512
    assert cached_tokens(full, Settings(32_768), rotating=True) == 32_768
    total = sum(size(layer, Settings(32_768), rotating=True) for layer in shape.layers)
    assert 2.9 < total / GIB < 3.9  # 15.5 if every layer kept the whole context


def test_windows_of_models_without_a_rotating_cache_keep_every_token() -> None:
    shape = from_config({**LLAMA_8B, "model_type": "mistral", "sliding_window": 4096})
    assert not rotates(shape)


def test_latent_attention_is_cached_before_it_is_spread_but_in_two_families() -> None:
    latent = published_shape("deepseek-ai/DeepSeek-R1").layers[0]
    assert size(latent, Settings(8192), "deepseek_v3") == 8192 * 576 * 2
    spread = 128 * (128 + 64) + 128 * 128
    assert size(latent, Settings(8192), "deepseek_v2") == 8192 * spread * 2


def test_an_indexer_keeps_its_keys_as_well() -> None:
    layer = published_shape("deepseek-ai/DeepSeek-V3.2").layers[0]
    assert size(layer, Settings(8192), "deepseek_v32") == 8192 * (576 + 128) * 2


def test_layers_that_share_a_cache_own_none() -> None:
    assert size(replace(LLAMA, mixer=Mixer.SHARED), Settings(8192)) == 0


def test_states_are_kept_in_thirty_two_bits() -> None:
    layer = published_shape("Qwen/Qwen3.5-35B-A3B").layers[0]
    assert state_bytes(layer) == 3 * 8192 * 2 + 32 * 128 * 128 * 4
    assert state_bytes(layer) // MIB == 2


def test_gpt_oss_rotates_every_other_layer() -> None:
    shape = from_config(GPT_OSS_20B)
    tokens = [cached_tokens(layer, Settings(16_384), rotating=True) for layer in shape.layers[:2]]
    assert tokens == [127 + 2048, 16_384]
