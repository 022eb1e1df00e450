"""Why each part of a llama.cpp plan is as large as it is."""

from dataclasses import replace

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.llama_cpp import VERSION
from explorer.fit.llama_cpp.builds import (
    as_run,
    draft_settings,
    effective,
    value_width,
    windowed,
)
from explorer.fit.llama_cpp.cache import cells, kv_bytes
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.values import Memory, Plan, Reason
from explorer.fit.weight_map import WeightMap
from explorer.units import memory

_SOURCE = f"llama.cpp {VERSION}"


def explain(
    architecture: Architecture, weights: WeightMap, plan: Plan, settings: Settings
) -> tuple[Reason, ...]:
    """One reason a part, and one a kind of layer for the KV cache."""
    total = sum((placed.memory for placed in plan.placement), Memory())
    drafts = settings.drafts > 0 and weights.mtp_bytes > 0
    return (
        _weights(weights, total, drafts=drafts),
        *_caches(architecture, settings),
        *(_draft_cache(architecture, settings) if drafts else ()),
        *_states(architecture, settings, total),
        _compute(architecture, settings, plan, total),
        Reason(
            "overhead", memory(total.overhead), "154 MiB a device + 60 MiB on the host",
            f"{sum(placed.device != 'host' for placed in plan.placement)} devices",
            "nvidia-smi against the sum of buffers on one 8 GB card; resident memory of real loads",
        ),
    )  # fmt: skip


def _weights(weights: WeightMap, total: Memory, *, drafts: bool) -> Reason:
    unloaded = weights.vision_bytes + (0 if drafts else weights.mtp_bytes)
    loaded = weights.total_bytes - unloaded
    copied = total.weights > loaded
    drafting = f", multi-token prediction {memory(weights.mtp_bytes)}" if drafts else ""
    left_out = [
        name
        for name, size in (
            ("vision", weights.vision_bytes),
            ("multi-token-prediction", 0 if drafts else weights.mtp_bytes),
        )
        if size
    ]
    return Reason(
        "weights", memory(total.weights),
        "sum of the tensors" + (" + a copy of the embeddings for the output head" if copied else "")
        + (f" - {' and '.join(left_out)} tensors ({memory(unloaded)}), which are not loaded"
           if left_out else ""),
        f"{weights.quantization}: blocks and head "
        f"{memory(weights.total_bytes - weights.input_bytes - weights.vision_bytes - weights.mtp_bytes)}"
        f"{drafting}, embeddings {memory(weights.input_bytes)} on the host",
        "tensor sizes in the file headers" if weights.exact else "planned by quantization rules",
    )  # fmt: skip


def _caches(architecture: Architecture, settings: Settings) -> list[Reason]:
    architecture, settings = as_run(architecture), effective(architecture, settings)
    return [_cache(architecture, layer, count, settings) for layer, count in _owners(architecture)]


def _draft_cache(architecture: Architecture, settings: Settings) -> list[Reason]:
    """The cache of the context that drafts."""
    layer = as_run(architecture).draft_layer
    if layer is None:
        return []
    found = _cache(architecture, layer, architecture.mtp_layers, draft_settings(settings))
    return [replace(found, name="KV cache, multi-token prediction")]


def _cache(architecture: Architecture, layer: Layer, count: int, settings: Settings) -> Reason:
    """The caches of so many layers that are alike."""
    slides, widest = windowed(architecture), value_width(architecture, settings)
    size = kv_bytes(layer, settings, windowed=slides, widest=widest) * count
    rows = cells(layer, settings, windowed=slides)
    return Reason(
        f"KV cache, {layer.mixer.value}", memory(size),
        "layers x cells x KV heads x width of K"
        + (" (V is a view of K)" if layer.mixer is Mixer.MLA else " and V")
        + " x bytes an element",
        f"{count} layers x {_streams(settings)} x {rows:,} cells x {layer.kv_heads} heads x "
        f"({layer.head_dim_k}"
        + ("" if layer.mixer is Mixer.MLA else f" {settings.type_k} + {layer.head_dim_v}")
        + f" {settings.type_v})",
        f"{_SOURCE}, llama-kv-cache.cpp and llama-kv-cache-iswa.cpp",
    )  # fmt: skip


def _streams(settings: Settings) -> str:
    """How many caches of cells there are, and whose."""
    if settings.unified and settings.sequences > 1:
        return f"1 cache for all {settings.sequences} sequences"
    return f"{settings.sequences}"


def _owners(architecture: Architecture) -> list[tuple[Layer, int]]:
    """Layers that own a cache, those that differ only in their feed-forward part counted together."""
    counts: dict[tuple[Mixer, int, int, int, int | None, int], tuple[Layer, int]] = {}
    for layer, count in architecture.groups:
        if layer.caches:
            key = (layer.mixer, layer.kv_heads, layer.head_dim_k, layer.head_dim_v,
                   layer.window_tokens, layer.indexer_dim)  # fmt: skip
            first, before = counts.get(key, (layer, 0))
            counts[key] = (first, before + count)
    return list(counts.values())


def _states(architecture: Architecture, settings: Settings, total: Memory) -> list[Reason]:
    recurrent = [(layer, count) for layer, count in architecture.groups if layer.recurrent]
    if not recurrent:
        return []
    settings = effective(architecture, settings)
    layer = recurrent[0][0]
    rolled = f" x (1 + {settings.drafts} drafted)" if settings.drafts else ""
    count = sum(count for _, count in recurrent)
    return [
        Reason(
            "recurrent state", memory(total.recurrent_state),
            "layers x sequences" + (" x (1 + drafted tokens)" if rolled else "")
            + " x (convolution + state) x 4 bytes",
            f"{count} {layer.mixer.value} layers x {settings.sequences}{rolled} x "
            f"({layer.conv_elements:,} + {layer.state_elements:,})",
            f"{_SOURCE}, llama-memory-recurrent.cpp",
        )
    ]  # fmt: skip


def _compute(architecture: Architecture, settings: Settings, plan: Plan, total: Memory) -> Reason:
    lent = _lends(architecture, plan)
    return Reason(
        "compute", memory(total.compute),
        "largest set of activations alive at once in the graph of one micro-batch, and its masks"
        + (", matrices and caches of the host's blocks copied over among them" if lent else "")
        + (" + the same of the context that drafts" if settings.drafts else ""),
        f"n_ubatch {settings.n_ubatch}, hidden {architecture.hidden:,}, vocabulary "
        f"{architecture.vocabulary:,}, flash attention "
        f"{'on' if effective(architecture, settings).flash_attention else 'off'}",
        f"{_SOURCE}, llama-graph.cpp, ggml-alloc.c" + (" and ggml-backend.cpp" if lent else ""),
    )  # fmt: skip


def _lends(architecture: Architecture, plan: Plan) -> bool:
    """Whether weights on the host are worked on by a device."""
    if all(placed.device == "host" for placed in plan.placement):
        return False
    return bool(plan.host_expert_layers) or plan.gpu_layers < len(architecture.layers)
