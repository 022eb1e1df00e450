"""What mlx-lm's caches hold of a layer.

Source: mlx-lm 0.32.2, ``models/cache.py`` (``KVCache``, ``RotatingKVCache``, ``ChunkedKVCache``,
``QuantizedKVCache``, ``ArraysCache``) and the models' own ``make_cache``.
"""

from dataclasses import dataclass

from explorer.fit.architecture import Architecture, Layer, Mixer

STEP_TOKENS = 256
"""Caches grow by this many tokens."""
GROUP = 64
"""Elements of a quantized cache that share a scale and a bias of 16 bits."""
ELEMENT_BYTES = 2
STATE_BYTES = 4
"""Recurrent states are kept in 32 bits, convolutions in 16."""

ROTATING = frozenset({
    "afmoe", "baichuan_m1", "cohere2", "exaone4", "exaone_moe", "gemma3", "gemma3_text", "gemma3n",
    "gemma3n_text", "gemma4", "gemma4_text", "gpt_oss", "llama4", "llama4_text", "mimo_v2_flash",
    "ministral3", "olmo3", "recurrent_gemma", "step3p5",
})  # fmt: skip
"""Model types whose windowed layers keep their window alone; others keep every token."""
SPREAD = frozenset({"deepseek_v2", "minicpm3"})
"""Model types whose latent attention is cached spread over the heads."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How mlx-lm is run."""

    context_tokens: int
    sequences: int = 1
    kv_bits: int | None = None
    """Of a quantized cache; None keeps 16 bits."""
    step_tokens: int = 2048
    """``prefill_step_size``: tokens of a prompt that are processed at once."""


def rotates(architecture: Architecture) -> bool:
    """Whether windowed layers of this model keep their window alone."""
    windowed = any(layer.mixer in _WINDOWED for layer, _ in architecture.groups)
    return windowed and architecture.model_type in ROTATING


_WINDOWED = (Mixer.SLIDING, Mixer.CHUNKED)


def cached_tokens(layer: Layer, settings: Settings, *, rotating: bool) -> int:
    """Tokens a layer has room for: whole steps, or its window and what a step of the prompt adds to it."""
    whole = -(-settings.context_tokens // STEP_TOKENS) * STEP_TOKENS
    if not rotating or layer.mixer not in _WINDOWED or not layer.window_tokens:
        return whole
    step = min(settings.step_tokens, settings.context_tokens)
    return min(whole, layer.window_tokens - 1 + step)


def kv_bytes(layer: Layer, settings: Settings, model_type: str, *, rotating: bool) -> int:
    """Bytes of one sequence's keys and values in a layer; 0 for a layer that owns none."""
    if not layer.caches:
        return 0
    tokens = cached_tokens(layer, settings, rotating=rotating)
    elements = _elements(layer, model_type)
    if settings.kv_bits is None:
        return tokens * elements * ELEMENT_BYTES
    return tokens * (elements * settings.kv_bits // 8 + elements // GROUP * 2 * ELEMENT_BYTES)


def _elements(layer: Layer, model_type: str) -> int:
    """Elements of a token's keys and values."""
    if layer.mixer is not Mixer.MLA:
        return layer.kv_heads * (layer.head_dim_k + layer.head_dim_v)
    if model_type in SPREAD:
        rotary = layer.head_dim_k - layer.head_dim_v
        return layer.heads * (layer.nope_dim + rotary + layer.value_dim)
    return layer.head_dim_k + layer.indexer_dim


def state_bytes(layer: Layer) -> int:
    """Bytes of one sequence's convolution and recurrent state."""
    return ELEMENT_BYTES * layer.conv_elements + STATE_BYTES * layer.state_elements
