"""What a layer caches under transformers, worked out by hand from its cache classes."""

from dataclasses import replace

from explorer.fit.architecture import Layer, Mixer
from explorer.fit.config import from_config
from explorer.fit.transformers.cache import kv_bytes, state_bytes
from explorer.units import GIB, MIB
from tests.fit_vllm.models import GPT_OSS_20B, LLAMA_8B, published_shape


def cache(config_layers: tuple[Layer, ...], tokens: int) -> int:
    return sum(kv_bytes(layer, tokens) for layer in config_layers)


def test_full_attention_keeps_every_token() -> None:
    layers = from_config(LLAMA_8B).layers
    assert cache(layers, 8192) == GIB
    assert cache(layers, 1) == 128 * 1024


def test_a_window_keeps_one_token_fewer_than_it_sees() -> None:
    sliding, full = from_config(GPT_OSS_20B).layers[:2]
    a_token = 8 * (64 + 64) * 2
    assert kv_bytes(sliding, 8192) == 127 * a_token
    assert kv_bytes(sliding, 100) == 100 * a_token
    assert kv_bytes(full, 8192) == 8192 * a_token


def test_latent_attention_is_cached_before_it_is_spread() -> None:
    layers = published_shape("deepseek-ai/DeepSeek-R1").layers
    assert cache(layers, 8192) == 61 * 8192 * 576 * 2
    assert round(cache(layers, 8192) / GIB, 2) == 0.54


def test_an_indexer_keeps_its_keys_as_well() -> None:
    layers = published_shape("deepseek-ai/DeepSeek-V3.2").layers
    assert cache(layers, 8192) == 61 * 8192 * (576 + 128) * 2


def test_layers_that_share_a_cache_own_none() -> None:
    layer = from_config(LLAMA_8B).layers[0]
    assert kv_bytes(replace(layer, mixer=Mixer.SHARED), 8192) == 0


def test_encoders_cache_nothing() -> None:
    assert cache(published_shape("BAAI/bge-base-en-v1.5").layers, 512) == 0


def test_cross_attention_keeps_the_encoders_output_too() -> None:
    layer = Layer(Mixer.CROSS, 20, 20, 64, 64, window_tokens=1500)
    assert kv_bytes(layer, 448) == (448 + 1500) * 20 * 128 * 2


def test_delta_nets_keep_a_square_a_head_in_thirty_two_bits() -> None:
    found = published_shape("Qwen/Qwen3.5-35B-A3B").layers[0]
    convolution = 4 * (2 * 16 * 128 + 32 * 128) * 2
    assert state_bytes(found) == convolution + 32 * 128 * 128 * 4
    assert state_bytes(found) // MIB == 2


def test_short_convolutions_keep_as_many_columns_as_they_are_wide() -> None:
    layer = Layer(Mixer.SHORT_CONV, conv_elements=2 * 2048, conv_channels=2048)
    assert state_bytes(layer) == 3 * 2048 * 2
