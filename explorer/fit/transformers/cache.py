"""What ``DynamicCache`` holds of a layer, in the model's 16 bits.

Source: transformers 5.23.0, ``cache_utils.py`` (``DynamicLayer``, ``DynamicSlidingWindowLayer``,
``DynamicIndexedLayer``, ``LinearAttentionLayer``, ``EncoderDecoderCache``) and the models' own files: all
models with latent attention cache the latent and the rotary part, before they are spread over the heads.
"""

from explorer.fit.architecture import Layer, Mixer

ELEMENT_BYTES = 2
STATE_BYTES = 4
"""States of delta nets are computed and kept in 32 bits."""
ENCODER_TOKENS = 1500
"""Of an encoder whose length is not stated: Whisper's."""

_NARROW = (Mixer.MAMBA1, Mixer.MAMBA2, Mixer.SHORT_CONV, Mixer.RWKV)
"""Kinds whose state has the model's own type."""


def cached_tokens(layer: Layer, context_tokens: int) -> int:
    """Tokens a layer keeps: a window keeps one fewer than it sees, since the newest comes beside it."""
    if layer.mixer in (Mixer.SLIDING, Mixer.CHUNKED) and layer.window_tokens:
        return min(context_tokens, layer.window_tokens - 1)
    return context_tokens


def kv_bytes(layer: Layer, context_tokens: int) -> int:
    """Bytes of one sequence's keys and values in a layer; 0 for a layer that owns none."""
    if not layer.caches:
        return 0
    tokens = cached_tokens(layer, context_tokens)
    if layer.mixer is Mixer.MLA:
        return tokens * (layer.head_dim_k + layer.indexer_dim) * ELEMENT_BYTES
    size = layer.kv_heads * (layer.head_dim_k + layer.head_dim_v) * ELEMENT_BYTES
    if layer.mixer is Mixer.CROSS:  # the encoder's output is projected once and kept
        tokens += layer.window_tokens or ENCODER_TOKENS
    return tokens * size


def state_bytes(layer: Layer) -> int:
    """Bytes of one sequence's convolution and state: the convolution keeps as many columns as it is wide."""
    if not layer.recurrent:
        return 0
    wide = ELEMENT_BYTES if layer.mixer in _NARROW else STATE_BYTES
    columns = layer.conv_elements + layer.conv_channels  # one more than it looks back
    conv = columns if layer.conv_elements else 0
    return conv * ELEMENT_BYTES + layer.state_elements * wide
