"""Whether and how a model runs on a machine: the verdict, its memory part by part, and its speed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.engines import DEFAULT_ENGINE, EngineModel, engine_for
from explorer.fit.speed import no_decode
from explorer.fit.values import RANK, Answer, Memory, Plan, Scenario, Speed, Verdict
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine
from explorer.units import memory

LONGEST_CONTEXT = 1 << 20
"""Where the search for the largest context ends if the model states no limit."""
STEP_TOKENS = 256
_UNPLACED = Speed(None, None, "it does not run here")


def judge(
    architecture: Architecture,
    weights: WeightMap,
    machine: Machine,
    scenario: Scenario,
    *,
    explain: bool = True,
) -> Answer:
    """How one quantization of a model runs on a machine.

    Without ``explain`` (for listings) reasons are left out and ``max_context_tokens`` is at least the
    context asked for, not the largest. Raises UsageError for settings the engine does not have.
    """
    engine = engine_for(architecture, scenario)
    _check_reserve(machine, scenario)
    resolved, assumptions = engine.resolve(architecture, scenario)
    plan = engine.plan(architecture, weights, machine, resolved)
    return _answer(
        engine, architecture, weights, machine, (resolved, assumptions, plan), explain=explain
    )


def _check_reserve(machine: Machine, scenario: Scenario) -> None:
    """Raises UsageError for a reserve that leaves nothing to run in."""
    available = [device.available_bytes for device in machine.devices]
    most = max(available, default=machine.host_available_bytes)
    if (scenario.reserve_bytes or 0) >= most:
        raise UsageError(
            f"A reserve of {memory(scenario.reserve_bytes or 0)} leaves nothing of {memory(most)}",
            hint="keep less free",
        )


def _answer(
    engine: EngineModel,
    architecture: Architecture,
    weights: WeightMap,
    machine: Machine,
    planned: tuple[Scenario, tuple[str, ...], Plan],
    *,
    explain: bool,
) -> Answer:
    """The answer that a plan of a resolved scenario gives."""
    resolved, assumptions, plan = planned
    engine_name = resolved.engine or DEFAULT_ENGINE
    resolved = replace(resolved, quantization=weights.quantization, engine=engine_name)
    fits = plan.verdict is not Verdict.TOO_LARGE
    most = resolved.context_tokens or 0 if fits else 0
    if explain and architecture.layers:
        most = max_context(engine, architecture, weights, machine, resolved, verdict=plan.verdict)
    # only now, since a longer context may take more devices than were asked for or needed
    resolved = replace(
        resolved, tensor_parallel=plan.tensor_parallel, pipeline_parallel=plan.pipeline_parallel
    )
    return Answer(
        machine=machine,
        scenario=resolved,
        verdict=plan.verdict,
        memory=sum((placed.memory for placed in plan.placement), Memory()),
        placement=plan.placement,
        max_context_tokens=most,
        speed=_speed(engine, architecture, weights, machine, (resolved, plan)),
        exact=weights.exact,
        assumptions=assumptions,
        reasons=engine.reasons(architecture, weights, plan, resolved) if explain else (),
        gpu_layers=plan.gpu_layers,
        host_expert_layers=plan.host_expert_layers,
        layers=len(architecture.layers),
        limit_tokens=architecture.context_tokens,
    )


def _speed(
    engine: EngineModel,
    architecture: Architecture,
    weights: WeightMap,
    machine: Machine,
    planned: tuple[Scenario, Plan],
) -> Speed:
    """The engine's figure, where the model runs and there is a decode to speak of.

    Without drafts: how many of them will be accepted depends on what is written.
    """
    scenario, plan = planned
    if plan.verdict is Verdict.TOO_LARGE:
        return _UNPLACED
    missing = no_decode(architecture)
    if missing:
        return Speed(None, None, missing)
    if scenario.mtp:
        bare = replace(scenario, mtp=False, draft_tokens=0)
        plan = engine.plan(architecture, weights, machine, bare)
    return engine.speed(architecture, weights, machine, plan)


def best(
    architecture: Architecture,
    options: Sequence[WeightMap],
    machine: Machine,
    scenario: Scenario,
    *,
    explain: bool = True,
) -> Answer:
    """The highest-quality quantization that runs with the context wanted, by verdict first.

    Among the options that FIT with their reserve the largest is the best, since a larger file keeps more
    of the weights; failing that the largest that is TIGHT. If all need the host, which is slow, it is the
    smallest of at least four bits, unless the layers on the host were asked for; if nothing runs, the
    smallest. Raises UsageError without options.
    """
    if not options:
        raise UsageError("No quantization to choose from")
    engine = engine_for(architecture, scenario)
    _check_reserve(machine, scenario)
    resolved, assumptions = engine.resolve(architecture, scenario)
    ordered = sorted(options, key=_size)
    plans: dict[int, Plan] = {}

    def verdict_of(option: WeightMap) -> Verdict:
        if id(option) not in plans:
            plans[id(option)] = engine.plan(architecture, option, machine, resolved)
        return plans[id(option)].verdict

    chosen = ordered[0]
    least = verdict_of(chosen)
    wanted = least is Verdict.OFFLOAD and scenario.gpu_layers is not None
    if wanted or least in (Verdict.FITS, Verdict.TIGHT):
        chosen = _largest(ordered, lambda option: verdict_of(option) is least)
    elif least is Verdict.OFFLOAD:
        chosen = next((option for option in ordered if _four_bits(option)), chosen)
        if verdict_of(chosen) is not Verdict.OFFLOAD:
            chosen = _largest(ordered, lambda option: verdict_of(option) is Verdict.OFFLOAD)
    verdict_of(chosen)
    return _answer(
        engine, architecture, chosen, machine, (resolved, assumptions, plans[id(chosen)]),
        explain=explain,
    )  # fmt: skip


def _largest(ordered: Sequence[WeightMap], holds: Callable[[WeightMap], bool]) -> WeightMap:
    """The last of a sequence for which something holds that holds for the first and then for no more."""
    low, high = 0, len(ordered)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(ordered[middle]):
            low = middle
        else:
            high = middle
    return ordered[low]


def _four_bits(option: WeightMap) -> bool:
    """Whether a quantization's name does not begin with fewer than four bits: ``Q4_K_M``, ``BF16``."""
    bits = re.search(r"[0-9]+", option.quantization)
    return bits is None or int(bits[0]) >= 4


def max_context(
    engine: EngineModel,
    architecture: Architecture,
    weights: WeightMap,
    machine: Machine,
    scenario: Scenario,
    *,
    verdict: Verdict,
) -> int:
    """Largest context, in steps of 256 tokens or the model's own limit, with no worse a verdict.

    0 if the model does not run at all even with the least context.
    """
    limit = architecture.context_tokens or LONGEST_CONTEXT
    worst = min(RANK[verdict], RANK[Verdict.OFFLOAD])

    def runs(context: int) -> bool:
        asked = replace(scenario, context_tokens=context)
        return RANK[engine.plan(architecture, weights, machine, asked).verdict] <= worst

    if runs(limit):
        return limit
    low, high = 0, -(-limit // STEP_TOKENS)
    while high - low > 1:
        middle = (low + high) // 2
        if runs(middle * STEP_TOKENS):
            low = middle
        else:
            high = middle
    return low * STEP_TOKENS


def _size(weights: WeightMap) -> int:
    return weights.total_bytes
