"""Why each part of a vLLM plan is as large as it is."""

from explorer.fit.architecture import Architecture
from explorer.fit.values import Memory, Placed, Plan, Reason, Scenario, Verdict
from explorer.fit.vllm import VERSION
from explorer.fit.vllm.cache import Group, Pool, pool
from explorer.fit.vllm.overheads import VISION_BYTES
from explorer.fit.vllm.settings import Settings
from explorer.fit.weight_map import WeightMap
from explorer.units import memory

_SOURCE = f"vLLM {VERSION}"


def explain(
    architecture: Architecture,
    weights: WeightMap,
    plan: Plan,
    scenario: Scenario,
    settings: Settings,
) -> tuple[Reason, ...]:
    """One reason a part, one a group of cache layers, and how much the pool will hold."""
    cache = pool(architecture, settings)
    total = sum((placed.memory for placed in plan.placement), Memory())
    return (
        _weights(weights, total, settings),
        *(_group(group, settings) for group in cache.groups),
        *_capacity(plan, cache, settings),
        _compute(architecture, total, vision=weights.vision_bytes > 0),
        _overhead(total, len(plan.placement)),
        _share(plan, scenario),
    )


def _weights(weights: WeightMap, total: Memory, settings: Settings) -> Reason:
    tensor, stages = settings.tensor_parallel, settings.pipeline_parallel
    return Reason(
        "weights", memory(total.weights),
        "tensors / tensor parallel, norms, routers and low ranks whole, KV projections by KV heads, "
        "vocabulary padded to 64; "
        + (f"with {memory(weights.mtp_bytes - weights.mtp_copied_bytes)} of"
           if settings.draft_tokens else "without")
        + " multi-token prediction; with the rotary table",
        f"{weights.quantization}: {memory(weights.total_bytes)} over tensor parallel {tensor} × "
        f"{stages} stages",
        f"{_SOURCE}, linear.py and vocab_parallel_embedding.py; "
        + ("tensor sizes in the file headers" if weights.exact else "planned by format"),
    )  # fmt: skip


def _group(group: Group, settings: Settings) -> Reason:
    pages, blocks = group.pages, group.blocks(settings)
    size = sum(pages.page_bytes for _, pages in group.layers)
    what = "recurrent state" if pages.kind == "state" else f"{pages.kind} attention"
    per_block = "" if pages.kind == "state" else f" of {pages.block_tokens:,} tokens"
    return Reason(
        f"cache, {what}", memory(blocks * size), "blocks a request x layers x bytes a page",
        f"{blocks:,} blocks{per_block} x {len(group.layers)} layers x {pages.page_bytes:,} bytes",
        f"{_SOURCE}, kv_cache_interface.py and kv_cache_planning.py",
    )  # fmt: skip


def _capacity(plan: Plan, cache: Pool, settings: Settings) -> tuple[Reason, ...]:
    """What fits once vLLM has filled its share, by the rank with the least room."""
    if not cache.groups:
        return ()
    blocks = min(
        cache.blocks_in(_room(placed), number // settings.tensor_parallel)
        for number, placed in enumerate(plan.placement)
    )
    tokens = cache.tokens(blocks, settings.context_tokens)
    times = blocks / cache.request_blocks
    return (
        Reason(
            "KV cache tokens", f"{tokens:,}", "blocks in the rest of the share / blocks a request "
            "x context", f"{blocks:,} / {cache.request_blocks:,} x {settings.context_tokens:,}: "
            f"{times:.1f} requests of the whole context at once",
            f"{_SOURCE}, kv_cache_utils.py: what it prints as GPU KV cache size",
        ),
    )  # fmt: skip


def _room(placed: Placed) -> int:
    parts = placed.memory
    return placed.capacity_bytes - parts.weights - parts.compute - parts.overhead


def _compute(architecture: Architecture, total: Memory, *, vision: bool) -> Reason:
    seen = f" + {memory(VISION_BYTES)} a rank to profile images, none with --language-model-only"
    return Reason(
        "compute", memory(total.compute),
        "the larger of a step's widest layer and the sampler" + (seen if vision else ""),
        f"hidden {architecture.hidden:,}, vocabulary {architecture.vocabulary:,}",
        f"{_SOURCE}, gpu_worker.py; sizes estimated, 0.2 to 2.4 GiB in start-up logs",
    )  # fmt: skip


def _overhead(total: Memory, ranks: int) -> Reason:
    return Reason(
        "overhead", memory(total.overhead),
        "350 MiB a rank + 400 MiB where there are several + 14 MiB of CUDA graphs a layer",
        f"{ranks} ranks", "start-up logs: non-torch memory 0.01 to 3.6 GiB, graphs 0 to 1.7 GiB",
    )  # fmt: skip


def _share(plan: Plan, scenario: Scenario) -> Reason:
    formula = (
        "memory x --gpu-memory-utilization, or what is free if that is less; vLLM fills it whole"
    )
    if plan.verdict is Verdict.TIGHT:
        formula = "all that is free: it runs only with a larger --gpu-memory-utilization"
    return Reason(
        "share of the device",
        memory(sum(placed.capacity_bytes for placed in plan.placement)),
        formula,
        f"utilization {scenario.memory_utilization:g}",
        f"{_SOURCE}, gpu_worker.py",
    )
