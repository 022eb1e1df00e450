"""Compute buffers of llama.cpp."""

from dataclasses import dataclass

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.llama_cpp.cache import cells
from explorer.fit.llama_cpp.settings import Settings


@dataclass(frozen=True, slots=True)
class Compute:
    """Bytes of the compute buffers."""

    device: int
    """On an accelerator that holds every block."""
    host: int
    """Pinned host memory beside an accelerator: inputs, masks and the embedding rows."""
    alone: int
    """Of a processor without accelerator."""


def compute(architecture: Architecture, settings: Settings, *, windowed: bool = True) -> Compute:
    """What a micro-batch needs beside weights and caches."""
    unit = 4 * settings.n_ubatch
    mask = _masks(architecture, settings, windowed=windowed)
    stream = architecture.hidden * unit
    logits = min(settings.n_outputs, settings.n_ubatch) * 4 * architecture.vocabulary
    blocks = max(_block(layer, architecture, settings) for layer, _ in architecture.groups)
    peak = max(blocks + mask, logits + stream)
    return Compute(device=peak, host=mask + 2 * stream, alone=peak + stream)


def _masks(architecture: Architecture, settings: Settings, *, windowed: bool) -> int:
    element = 2 if settings.flash_attention else 4
    widths = {
        cells(layer, settings, windowed=windowed)
        for layer, _ in architecture.groups
        if layer.kv_heads and layer.mixer is not Mixer.NONE
    }
    return sum(widths) * settings.n_ubatch * element


def _block(layer: Layer, architecture: Architecture, settings: Settings) -> int:
    unit = 4 * settings.n_ubatch
    stream = architecture.hidden * unit
    query = layer.heads * layer.head_dim_k * unit
    scores = 0
    if not settings.flash_attention and layer.heads and layer.mixer is not Mixer.NONE:
        scores = layer.heads * cells(layer, settings) * unit
    used = layer.experts_used
    dense = 3 * layer.feed_forward * unit
    experts = used * unit * max(3 * layer.expert_feed_forward,
                                layer.expert_feed_forward + 2 * architecture.hidden)  # fmt: skip
    return max(2 * stream + 2 * query + scores, 2 * stream + query + max(dense, experts))
