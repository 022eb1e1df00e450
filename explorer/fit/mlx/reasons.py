"""Why each part of an MLX plan is as large as it is."""

from explorer.fit.architecture import Architecture, Layer
from explorer.fit.cache_reasons import STEP, of_caches, of_states
from explorer.fit.mlx import VERSION
from explorer.fit.mlx.cache import Settings, cached_tokens, kv_bytes, rotates
from explorer.fit.values import Memory, Plan, Reason
from explorer.fit.weight_map import WeightMap
from explorer.units import memory

_SOURCE = f"mlx-lm {VERSION}"


def explain(
    architecture: Architecture, weights: WeightMap, plan: Plan, settings: Settings
) -> tuple[Reason, ...]:
    """One reason a part, and one a kind of layer for the cache."""
    total = sum((placed.memory for placed in plan.placement), Memory())
    left_out = weights.vision_bytes + weights.mtp_bytes + weights.copied_bytes
    return (
        Reason(
            "weights", memory(total.weights),
            "sum of the tensors" + (" - vision, multi-token prediction and a tied head's copy"
            if left_out else ""),
            f"{weights.quantization}: {memory(weights.total_bytes)} stored",
            "tensor sizes in the file headers" if weights.exact else "planned by format",
        ),
        *_caches(architecture, settings),
        *of_states(architecture, settings.sequences, total.recurrent_state, "4",
                   f"{_SOURCE}, models/cache.py, ArraysCache"),
        Reason(
            "compute", memory(total.compute),
            f"{STEP}scores",
            f"prefill step {settings.step_tokens:,}, hidden {architecture.hidden:,}",
            f"{_SOURCE}, generate.py; sizes estimated",
        ),
        Reason("overhead", memory(total.overhead), "256 MiB", "the process and Metal", "an estimate"),
        Reason(
            "working set", memory(plan.placement[0].capacity_bytes),
            "what Metal recommends a process to use; iogpu.wired_limit_mb raises it",
            plan.placement[0].device, "max_recommended_working_set_size",
        ),
    )  # fmt: skip


def _caches(architecture: Architecture, settings: Settings) -> list[Reason]:
    rotating = rotates(architecture)
    width = (
        f"{settings.kv_bits} bits, a scale and a bias each 64" if settings.kv_bits else "2 bytes"
    )

    def size_of(layer: Layer) -> int:
        return kv_bytes(layer, settings, architecture.model_type, rotating=rotating)

    def said(layer: Layer) -> tuple[str, str]:
        tokens = cached_tokens(layer, settings, rotating=rotating)
        formula = (
            "layers x sequences x tokens in steps of 256, or the window and a step, x elements"
        )
        return formula, f"{tokens:,} tokens, {width}"

    return of_caches(architecture, settings.sequences, size_of, said, f"{_SOURCE}, models/cache.py")
