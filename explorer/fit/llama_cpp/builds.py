"""What llama.cpp makes of a model where that differs from what the model says of itself."""

from collections.abc import Callable
from dataclasses import replace

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.llama_cpp.settings import Settings, padded

NOT_WINDOWED = frozenset({
    "llama", "mistral", "mistral3", "ministral", "ministral3", "mixtral", "phi3", "phimoe", "phi3small",
    "qwen2", "qwen2_moe", "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text", "qwen3",
    "qwen3_moe", "starcoder2", "minimax", "recurrent_gemma",
})  # fmt: skip
"""Model types whose sliding window llama.cpp does not use: every layer keeps the whole context."""
EXPANDED = frozenset({"minicpm3"})
"""Model types whose latents llama.cpp expands to a key and a value a head before it caches them."""
CACHELESS = frozenset({"dream", "llada", "llada-moe", "llada_moe", "rnd1"})
"""Diffusion language models: all tokens are computed anew at every step (``create_memory``)."""
CACHED_ENCODERS = frozenset({"t5encoder"})
"""Encoders that are given a cache although they do not use it."""
WITHOUT_FLASH_ATTENTION = frozenset({"grok", "grok-1"})
"""Flash attention is forced off (``llama_init_from_model``)."""
UNFILTERED = frozenset({"deci", "nemotron-nas"})
"""Blocks without attention own a cache all the same, of the width their heads give it."""

ROLLS_BACK = frozenset({
    "qwen35", "qwen35moe", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text",
})  # fmt: skip
"""Model types that keep a recurrent state for each drafted token (``llm_arch_supports_rs_rollback``)."""
OFF = {
    "arctic": 21, "arwkv7": 24, "bitnet": 71, "chameleon": 51, "cogvlm": 33, "deepseek32": 24,
    "deepseek_v32": 24, "gemma3n": 27, "gemma3n_text": 27, "glm-dsa": 24, "glm_moe_dsa": 24, "mt5": 90,
    "rwkv6": 26, "rwkv6qwen2": 17, "rwkv7": 26, "t5": 90, "t5encoder": 90, "umt5": 90,
}  # fmt: skip
"""Model types whose graph is not followed in all: percent their compute buffers are off on one device."""


def windowed(architecture: Architecture) -> bool:
    """Whether llama.cpp uses this model's sliding window."""
    return architecture.model_type.lower() not in NOT_WINDOWED


def scales_positions(architecture: Architecture) -> bool:
    """Whether positions are scaled by a weight of their own, ``rope_freqs``: in Llama 3.1 and later."""
    known = architecture.model_type.lower() == "llama" and architecture.vocabulary == 128_256
    return known and (architecture.context_tokens or 0) > 8192


def as_run(architecture: Architecture) -> Architecture:
    """The architecture as llama.cpp builds it."""
    kind = architecture.model_type.lower()
    if kind in EXPANDED:
        return _replaced(architecture, _expanded)
    if kind in CACHELESS:
        return _replaced(architecture, _cacheless)
    return architecture


def effective(architecture: Architecture, settings: Settings) -> Settings:
    """The settings llama.cpp ends up with for this model."""
    kind = architecture.model_type.lower()
    if kind in WITHOUT_FLASH_ATTENTION:
        settings = replace(settings, flash_attention=False)
    if settings.drafts and kind not in ROLLS_BACK:
        settings = replace(settings, drafts=0)
    # causal attention never has a batch longer than the context (``llama_context``)
    if architecture.kind != "encoder" and settings.n_ubatch > settings.n_ctx:
        settings = replace(settings, n_ubatch=padded(settings.n_ctx))
    return settings


def draft_settings(settings: Settings) -> Settings:
    """How the second context is run that drafts: one token ahead a sequence, its cache in f16.

    Source: ``common_speculative_init_result`` and the defaults of ``common_params_speculative_draft`` of
    build b11549 (``cache_type_k``).
    """
    return replace(settings, type_k="f16", type_v="f16", drafts=0, n_outputs=settings.sequences)


def value_width(architecture: Architecture, settings: Settings) -> int:
    """Elements a cell every layer's values take at least.

    Without flash attention values are stored transposed, every layer as wide as the widest
    (``n_embd_v_gqa_max`` in ``llama-kv-cache.cpp``).
    """
    if settings.flash_attention:
        return 0
    return max((layer.kv_heads * layer.head_dim_v for layer, _ in architecture.groups), default=0)


def cached(architecture: Architecture, layer: Layer) -> Layer:
    """The layer as its cache is made for it."""
    if architecture.model_type.lower() in CACHED_ENCODERS:
        return replace(layer, mixer=Mixer.FULL)
    return layer


def owns_values_only(architecture: Architecture, layer: Layer) -> bool:
    """Whether a block without attention has a cache of values: only where they are as wide as others'."""
    return layer.mixer is Mixer.NONE and architecture.model_type.lower() in UNFILTERED


def _expanded(layer: Layer) -> Layer:
    if layer.mixer is not Mixer.MLA:
        return layer
    return replace(
        layer,
        mixer=Mixer.FULL,
        kv_heads=layer.heads,
        head_dim_k=layer.nope_dim + layer.head_dim_k - layer.head_dim_v,
        head_dim_v=layer.value_dim or layer.nope_dim,
    )


def _cacheless(layer: Layer) -> Layer:
    return replace(layer, mixer=Mixer.NONE, kv_heads=layer.heads)


def _replaced(architecture: Architecture, change: Callable[[Layer], Layer]) -> Architecture:
    layers = {layer: change(layer) for layer, _ in architecture.groups}
    return replace(architecture, layers=tuple([layers[layer] for layer in architecture.layers]))
