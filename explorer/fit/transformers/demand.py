"""What one model needs under transformers, before it is put anywhere."""

from dataclasses import dataclass
from functools import lru_cache

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.transformers.cache import ELEMENT_BYTES, kv_bytes, state_bytes
from explorer.fit.weight_map import WeightMap

FRAGMENTATION = 0.05
"""Of cache and activations: concatenation copies a layer's cache for every token. 2 to 10 % is usual."""
EAGER_SCORE_BYTES = 6
"""Eager attention holds its scores in 16 bits and their softmax in 32."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How ``generate`` is called."""

    context_tokens: int
    sequences: int = 1
    step_tokens: int = 8192
    """Tokens of a prompt that are processed at once: all of them, or ``prefill_chunk_size``."""
    fused_attention: bool = True
    """SDPA or flash attention; eager otherwise."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Bytes of every part. Blocks are in order; encoder blocks are blocks."""

    block_weights: tuple[int, ...]
    block_kv: tuple[int, ...]
    block_state: tuple[int, ...]
    input_weights: int
    """Token embeddings and a vision tower: on the first device."""
    output_weights: int
    """Output head and final norms: on the last."""
    compute: int


def demand(architecture: Architecture, weights: WeightMap, settings: Settings) -> Demand:
    """The needs of a model; multi-token prediction is not loaded, nor a tied head's stored copy."""
    layers = len(architecture.layers)
    sizes = [block.dense_bytes + block.expert_bytes for block in weights.blocks]
    kept = sizes[:layers] + [0] * (layers - len(sizes))
    beyond = sum(sizes[layers:])
    caches = _caches(architecture, settings)
    return Demand(
        block_weights=tuple(kept),
        block_kv=caches[0],
        block_state=caches[1],
        input_weights=weights.input_bytes + weights.vision_bytes,
        output_weights=weights.output_bytes + weights.other_bytes - weights.copied_bytes + beyond,
        compute=activation_bytes(architecture, settings),
    )


@lru_cache(maxsize=4096)
def _caches(
    architecture: Architecture, settings: Settings
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sizes = {
        id(layer): (
            kv_bytes(layer, settings.context_tokens) * settings.sequences,
            state_bytes(layer) * settings.sequences,
        )
        for layer in {id(layer): layer for layer in architecture.layers}.values()
    }
    return (
        tuple([sizes[id(layer)][0] for layer in architecture.layers]),
        tuple([sizes[id(layer)][1] for layer in architecture.layers]),
    )


@lru_cache(maxsize=4096)
def activation_bytes(architecture: Architecture, settings: Settings) -> int:
    """Peak of the prompt's activations: the widest layer, its scores or mask, and the last token's logits.

    ``generate`` asks for the logits of the last token alone, and copies them to 32 bits.
    """
    tokens = min(settings.step_tokens, settings.context_tokens)
    hidden = architecture.hidden
    widest = max(
        (
            tokens * 2 * (4 * hidden + _token_elements(layer, hidden))
            + _score_bytes(layer, tokens, settings)
            for layer, _ in architecture.groups
        ),
        default=0,
    )
    return settings.sequences * (widest + (ELEMENT_BYTES + 4) * architecture.vocabulary)


def _token_elements(layer: Layer, hidden: int) -> int:
    """Elements a token takes inside a layer: gate, up and their product, or the experts' copies of it."""
    dense = 3 * (layer.feed_forward + layer.shared_feed_forward)
    routed = layer.experts_used * (3 * layer.expert_feed_forward + 2 * hidden)
    spread = layer.nope_dim + layer.value_dim  # latents are spread over the heads before attention
    heads = layer.heads * (2 * layer.head_dim_k if layer.mixer is not Mixer.MLA else 3 * spread)
    recurrent = 2 * (3 * layer.conv_channels + 2 * layer.inner)  # computed in 32 bits
    return max(dense + (routed if layer.experts else 0), heads, recurrent)


def _score_bytes(layer: Layer, tokens: int, settings: Settings) -> int:
    """Eager attention's scores; with fused attention the mask of a window the prompt goes beyond."""
    if not layer.heads:
        return 0
    seen = settings.context_tokens
    if not settings.fused_attention:
        return EAGER_SCORE_BYTES * layer.heads * tokens * seen
    windowed = layer.mixer in (Mixer.SLIDING, Mixer.CHUNKED) and layer.window_tokens
    return tokens * seen if windowed and seen > windowed else 0
