"""Models judged by the weights of their components: image pipelines, and shapes that no file tells.

Follows diffusers 0.35: a pipeline is held whole on one device, or with ``enable_model_cpu_offload`` one
component at a time, the others waiting in host memory (docs/source/en/optimization/memory.md).
"""

from dataclasses import replace

from explorer.fit.architecture import Architecture
from explorer.fit.values import Memory, Placed, Plan, Reason, Scenario, Speed, Verdict
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Device, Machine
from explorer.units import GIB, MIB, memory

RESERVE = 2 * GIB
"""Kept for activations, which depend on the image and are not modelled."""
DEVICE_OVERHEAD = 512 * MIB
"""A PyTorch process on a device: its context and the kernels it loads, 0.3 to 0.6 GiB."""
NOT_MODELLED = (
    "Activations depend on the picture's size and are not counted: the reserve stands for them."
)

WEIGHTS_ALONE = "Caches and activations are not counted: the reserve stands for them."


class Components:
    """Nothing grows with a context: components are weights that are resident or wait on the host."""

    def resolve(
        self, architecture: Architecture, scenario: Scenario
    ) -> tuple[Scenario, tuple[str, ...]]:
        """The scenario without what does not apply, and what had to be supposed."""
        resolved = replace(
            scenario,
            engine="diffusers" if architecture.kind == "diffusion" else scenario.engine,
            context_tokens=None,
            kv_dtype=None,
            batch_tokens=None,
            mtp=False,
            draft_tokens=0,
            kv_unified=None,
            reserve_bytes=RESERVE if scenario.reserve_bytes is None else scenario.reserve_bytes,
        )
        pipeline = architecture.kind == "diffusion"
        said = [*architecture.assumptions, NOT_MODELLED if pipeline else WEIGHTS_ALONE]
        if pipeline and scenario.engine not in (None, "diffusers"):
            said.append(f"{scenario.engine} does not run pipelines: judged as diffusers runs them.")
        return resolved, tuple(said)

    def speed(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, plan: Plan
    ) -> Speed:
        """None: a token is not what pipelines make."""
        del architecture, weights, machine, plan
        return Speed(
            None, None, "no basis: speed is measured for models with transformer blocks only"
        )

    def plan(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, scenario: Scenario
    ) -> Plan:
        """Whole on the roomiest device, else its components one at a time, else on the host alone."""
        del architecture
        reserve = scenario.reserve_bytes or 0
        whole = weights.total_bytes
        if not machine.devices:
            return _judged((_on_host(whole, machine),), reserve, Verdict.FITS)
        device = max(machine.devices, key=lambda each: each.available_bytes)
        plans = [_judged((_on(device, whole),), reserve, Verdict.FITS)]
        if len(weights.components) > 1:
            largest = max(size for _, size in weights.components)
            waiting = _on_host(whole - largest, machine)
            plans.append(_judged((_on(device, largest), waiting), reserve, Verdict.OFFLOAD))
        if not device.unified:
            plans.append(_judged((_on_host(whole, machine),), reserve, Verdict.OFFLOAD))
        runs = (plan for plan in plans if plan.verdict is not Verdict.TOO_LARGE)
        return next(runs, plans[0])

    def reasons(
        self, architecture: Architecture, weights: WeightMap, plan: Plan, scenario: Scenario
    ) -> tuple[Reason, ...]:
        """The sizes of the components."""
        del architecture, plan, scenario
        inputs = ", ".join(f"{name} {memory(size)}" for name, size in weights.components)
        total = memory(weights.total_bytes)
        return (Reason("weights", total, "sum of the components", inputs, "the files' headers"),)


def _on(device: Device, weights: int) -> Placed:
    held = Memory(weights=weights, overhead=DEVICE_OVERHEAD)
    return Placed(device.name, held, device.available_bytes)


def _on_host(weights: int, machine: Machine) -> Placed:
    return Placed("host", Memory(weights=weights), machine.host_available_bytes)


def _judged(placement: tuple[Placed, ...], reserve: int, verdict: Verdict) -> Plan:
    """The verdict if every place holds its part; TIGHT where the reserve has to give way."""
    spare = [placed.capacity_bytes - placed.memory.total for placed in placement]
    if min(spare) < 0:
        return Plan(Verdict.TOO_LARGE, placement)
    if verdict is Verdict.FITS and min(spare) < reserve:
        return Plan(Verdict.TIGHT, placement)
    return Plan(verdict, placement)
