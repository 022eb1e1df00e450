"""vLLM as the planner sees it: defaults, plans and reasons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.supposed import on_context, on_drafts, on_unused, with_drafts, without
from explorer.fit.values import RANK, Memory, Placed, Plan, Reason, Scenario, Speed, Verdict
from explorer.fit.vllm import VERSION
from explorer.fit.vllm.cache import Pool, pool
from explorer.fit.vllm.overheads import activation_bytes, overhead_bytes
from explorer.fit.vllm.reasons import explain
from explorer.fit.vllm.settings import (
    DEFAULT_UTILIZATION,
    KV_BYTES,
    Settings,
    check_parallel,
    default_batch_tokens,
    default_sequences,
    kv_dtype,
    tensor_parallel_sizes,
)
from explorer.fit.vllm.weights import rank_bytes
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Device, Machine

DEFAULT_CONTEXT = 8192
KINDS = ("cuda", "rocm", "xpu")
"""Back ends vLLM is published for; its processor and Apple builds are apart and not modelled."""


@dataclass(frozen=True, slots=True)
class Rank:
    """What one device of a vLLM server holds, and what its pool could hold."""

    device: Device
    memory: Memory
    """With the cache that the scenario needs; vLLM fills the rest of its share with more of it."""
    budget_bytes: int
    """vLLM's share of the device, or what is free if that is less."""
    blocks: int
    """Blocks that fit in what is left of the share."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model on the ranks of a machine."""

    settings: Settings
    ranks: tuple[Rank, ...]
    """Stage by stage."""
    pool: Pool
    verdict: Verdict

    @property
    def over_bytes(self) -> int:
        """What the rank that is shortest of room lacks; less than 0 where none does."""
        return max((rank.memory.total - rank.budget_bytes for rank in self.ranks), default=0)

    @property
    def blocks(self) -> int:
        """Blocks of the pool: those of the rank with the fewest."""
        return min((rank.blocks for rank in self.ranks), default=0)

    @property
    def tokens(self) -> int:
        """What vLLM prints as “GPU KV cache size”."""
        return self.pool.tokens(self.blocks, self.settings.context_tokens)

    @property
    def concurrency(self) -> float:
        """Requests of the whole context that fit at once."""
        needed = self.pool.request_blocks
        return self.blocks / needed if needed else 0.0


class Vllm:
    """``vllm serve`` with its defaults, for as many sequences of the whole context as are asked for."""

    def resolve(
        self, architecture: Architecture, scenario: Scenario
    ) -> tuple[Scenario, tuple[str, ...]]:
        """Defaults filled in, and what had to be supposed.

        ``batch_tokens`` stays None where it was: its default depends on the device. Raises UsageError for
        a KV type vLLM has not, a share that is none, and parallel sizes the model cannot be split by.
        """
        limit = architecture.context_tokens
        context = scenario.context_tokens or min(DEFAULT_CONTEXT, limit or DEFAULT_CONTEXT)
        share = scenario.memory_utilization
        if share is not None and not 0 < share <= 1:
            raise UsageError(
                f"{share:g} is not a share of memory", hint="write a number above 0 and up to 1"
            )
        check_parallel(architecture, scenario.tensor_parallel or 1, scenario.pipeline_parallel or 1)
        drafting = with_drafts(architecture, scenario, max(architecture.mtp_layers, 1))
        resolved = replace(
            without(drafting, drafts=True),
            context_tokens=context,
            sequences=max(scenario.sequences, 1),
            kv_dtype=kv_dtype(scenario.kv_dtype),
            memory_utilization=DEFAULT_UTILIZATION if share is None else share,
            reserve_bytes=scenario.reserve_bytes or 0,
        )
        return resolved, _assumptions(architecture, scenario, resolved)

    def plan(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, scenario: Scenario
    ) -> Plan:
        """The smallest deployment that fits, or the one that comes nearest.

        Where neither tensor nor pipeline parallel was asked for, the devices of the machine are used as
        far as they are needed. Raises UsageError for a machine without a device vLLM runs on, and for
        more ranks than it has.
        """
        chosen = deploy(architecture, weights, machine, scenario)
        raised = chosen.verdict is Verdict.TIGHT  # runs only with all that is free
        placement = tuple(
            Placed(
                rank.device.name,
                rank.memory,
                rank.device.available_bytes if raised else rank.budget_bytes,
            )
            for rank in chosen.ranks
        )
        return Plan(
            chosen.verdict,
            placement,
            gpu_layers=len(architecture.layers),
            tensor_parallel=chosen.settings.tensor_parallel,
            pipeline_parallel=chosen.settings.pipeline_parallel,
        )

    def reasons(
        self, architecture: Architecture, weights: WeightMap, plan: Plan, scenario: Scenario
    ) -> tuple[Reason, ...]:
        """Why each part of the plan is as large as it is."""
        sizes = plan.tensor_parallel, plan.pipeline_parallel
        settings = settings_of(scenario, _placed_devices(plan.placement, scenario), sizes)
        return explain(architecture, weights, plan, scenario, settings)

    def speed(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, plan: Plan
    ) -> Speed:
        """None: there are no measured runs of vLLM to rest a figure on."""
        del architecture, weights, machine, plan
        return Speed(None, None, "No measured runs of vLLM: no figure is given.")


def deploy(
    architecture: Architecture, weights: WeightMap, machine: Machine, scenario: Scenario
) -> Deployment:
    """The deployment a resolved scenario gets on a machine, with the size of its pool."""
    devices = _devices(machine)
    if scenario.tensor_parallel or scenario.pipeline_parallel:
        asked = scenario.tensor_parallel or 1, scenario.pipeline_parallel or 1
        if asked[0] * asked[1] > len(devices):
            raise UsageError(
                f"{asked[0]} × {asked[1]} ranks need as many devices",
                f"{machine.name} has {len(devices)} that vLLM runs on",
                "lower the tensor or the pipeline parallel size",
            )
        return _deployed(architecture, weights, devices, scenario, asked)
    tried: list[Deployment] = []
    for sizes in _parallel_sizes(architecture, len(devices)):
        tried.append(_deployed(architecture, weights, devices, scenario, sizes))
        if tried[-1].verdict is Verdict.FITS:
            break
    if all(one.verdict is Verdict.TOO_LARGE for one in tried):
        return min(tried, key=lambda deployment: deployment.over_bytes)
    return min(tried, key=lambda deployment: RANK[deployment.verdict])


def _devices(machine: Machine) -> tuple[Device, ...]:
    """Devices vLLM runs on, roomiest first. Raises UsageError if there are none."""
    found = [device for device in machine.devices if device.kind in KINDS]
    if not found:
        raise UsageError(
            f"vLLM has no device to run on: {machine.name}",
            "it needs an NVIDIA, AMD or Intel GPU with its own driver",
            "choose another engine, or another machine",
        )
    return tuple(sorted(found, key=lambda device: -device.available_bytes))


@lru_cache(maxsize=4096)
def _parallel_sizes(architecture: Architecture, devices: int) -> tuple[tuple[int, int], ...]:
    """Tensor and pipeline sizes worth trying, fewest devices first, tensor parallel before stages."""
    allowed = tensor_parallel_sizes(architecture, devices)
    blocks = max(len(architecture.layers), 1)
    sizes = {
        (tensor, stages)
        for tensor in allowed
        for stages in range(1, min(devices // tensor, blocks) + 1)
    }
    return tuple(sorted(sizes, key=lambda size: (size[0] * size[1], size[1])))


def step_tokens(placement: Sequence[Placed], scenario: Scenario) -> int:
    """``max_num_batched_tokens`` of a resolved scenario that runs in this placement."""
    return settings_of(scenario, _placed_devices(placement, scenario)).batch_tokens


def _placed_devices(placement: Sequence[Placed], scenario: Scenario) -> list[Device]:
    """The devices of a placement as far as defaults depend on them: name and memory."""
    share = scenario.memory_utilization or DEFAULT_UTILIZATION
    sizes = [round(placed.capacity_bytes / share) for placed in placement]
    return [
        Device(placed.device, "cuda", size, size)
        for placed, size in zip(placement, sizes, strict=True)
    ]


def settings_of(
    scenario: Scenario, devices: Sequence[Device], sizes: tuple[int, int] = (1, 1)
) -> Settings:
    """What vLLM's own parameters are for a resolved scenario on these devices."""
    context = scenario.context_tokens or DEFAULT_CONTEXT
    sequences = max(default_sequences(devices), scenario.sequences)
    step = min(default_batch_tokens(devices), sequences * context)
    return Settings(
        context_tokens=context,
        kv_bytes=KV_BYTES[scenario.kv_dtype or "auto"],
        batch_tokens=scenario.batch_tokens or step,
        max_sequences=sequences,
        tensor_parallel=sizes[0],
        pipeline_parallel=sizes[1],
        draft_tokens=scenario.draft_tokens or 0 if scenario.mtp else 0,
    )


def _deployed(
    architecture: Architecture,
    weights: WeightMap,
    devices: tuple[Device, ...],
    scenario: Scenario,
    sizes: tuple[int, int],
) -> Deployment:
    used = devices[: sizes[0] * sizes[1]]
    settings = settings_of(scenario, used, sizes)
    cache = pool(architecture, settings)
    stage_weights = rank_bytes(architecture, weights, settings, used)
    fixed = Memory(
        compute=activation_bytes(architecture, settings, vision=weights.vision_bytes > 0),
        overhead=overhead_bytes(architecture, settings),
    )
    ranks = tuple(
        _rank(device, stage_weights, number // sizes[0], (cache, fixed), scenario)
        for number, device in enumerate(used)
    )
    worst = max((_verdict(rank, scenario) for rank in ranks), key=RANK.__getitem__)
    return Deployment(settings, ranks, cache, worst)


def _rank(
    device: Device,
    stage_weights: tuple[int, ...],
    stage: int,
    shared: tuple[Pool, Memory],
    scenario: Scenario,
) -> Rank:
    cache, fixed = shared
    size, sequences = cache.stage_bytes[stage], scenario.sequences
    # one block of the pool is never given out
    needed = (cache.attention * sequences + 1) * size if cache.groups else 0
    memory = Memory(
        weights=stage_weights[stage],
        kv_cache=needed,
        recurrent_state=cache.states * sequences * size,
        compute=fixed.compute,
        overhead=fixed.overhead,
    )
    share = scenario.memory_utilization or DEFAULT_UTILIZATION
    budget = min(-int(-device.memory_bytes * share // 1), device.available_bytes)
    budget -= scenario.reserve_bytes or 0
    left = budget - memory.weights - memory.compute - memory.overhead
    return Rank(device, memory, budget, cache.blocks_in(left, stage))


def _verdict(rank: Rank, scenario: Scenario) -> Verdict:
    """TIGHT is what fits only with a larger share than the default."""
    if rank.memory.total <= rank.budget_bytes:
        return Verdict.FITS
    raised = scenario.memory_utilization == DEFAULT_UTILIZATION
    if raised and rank.memory.total <= rank.device.available_bytes:
        return Verdict.TIGHT
    return Verdict.TOO_LARGE


_ESTIMATED = (
    f"Weights and cache follow vLLM {VERSION}; activations, graphs and driver are estimates of what it "
    "measures when it starts."
)


_DRAFTS = (
    "the layers of multi-token prediction are loaded and cached for (--speculative-config method mtp); "
    "each drafted token keeps a recurrent state, where there is one."
)


def _assumptions(
    architecture: Architecture, asked: Scenario, scenario: Scenario
) -> tuple[str, ...]:
    said = [_ESTIMATED]
    context, limit = scenario.context_tokens or 0, architecture.context_tokens
    if limit and context > limit:
        said.append(
            f"vLLM refuses more than the {limit:,} tokens the model states, unless "
            "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 is set."
        )
    if limit is None:
        said += on_context(architecture, scenario)
    said += on_unused(replace(asked, mtp=False), scenario, "vLLM")
    said += on_drafts(asked, scenario, _DRAFTS)
    if scenario.gpu_layers is not None:
        said.append("vLLM keeps every layer on its devices: the number of layers was not used.")
    return (*said, *architecture.assumptions)
