"""Where llama.cpp would put a model: the best of the placements it offers, on one machine.

Order of preference: everything on one device, layers over several, then for mixtures of experts their
experts on the host (``--n-cpu-moe``), then layers on the host (``-ngl``), then the host alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from explorer.fit.llama_cpp.demand import Demand
from explorer.fit.values import RANK, Memory, Placed, Plan, Verdict, exceeds_host
from explorer.hardware.machine import Device, Machine
from explorer.units import MIB

FIT_MARGIN = 1024 * MIB
"""What llama.cpp's own fitting leaves free on a device (``fit_params_target``)."""
DEVICE_OVERHEAD = 154 * MIB
"""Driver context of a process: nvidia-smi against the sum of the buffers, one 8 GB card."""
HOST_OVERHEAD = 60 * MIB
"""Vocabulary, loader and program: 25 to 80 MiB in real loads."""


@dataclass(frozen=True, slots=True)
class _Split:
    """Which blocks are where: the first ``host`` on the host, then ``counts`` of them a device."""

    devices: tuple[Device, ...]
    counts: tuple[int, ...]
    host: int
    host_experts: int = 0


def place(demand: Demand, machine: Machine, reserve: int, gpu_layers: int | None) -> Plan:
    """The best plan, or with TOO_LARGE the one that comes nearest.

    ``gpu_layers`` fixes how many blocks go to the devices (0: none), counted from the last.
    """
    blocks = len(demand.block_kv)
    devices = tuple(device for device in machine.devices if device.kind != "cpu")
    if not devices or gpu_layers == 0:
        return _host_only(demand, machine, reserve, offload=bool(devices) and gpu_layers is None)
    if gpu_layers is not None and gpu_layers < blocks:
        return _fixed(demand, machine, reserve, devices, gpu_layers)
    whole = _whole(demand, machine, reserve, devices)
    if whole.verdict is not Verdict.TOO_LARGE or gpu_layers is not None:
        return whole
    return (
        _experts_on_host(demand, machine, reserve, devices)
        or _layers_on_host(demand, machine, reserve, devices)
        or _host_plan(demand, machine, reserve)
        or whole
    )


def _whole(demand: Demand, machine: Machine, reserve: int, devices: tuple[Device, ...]) -> Plan:
    """On the roomiest device, or if that is not enough on all of them."""
    blocks = len(demand.block_kv)
    roomiest = max(devices, key=lambda device: device.available_bytes)
    one = _judged(demand, machine, reserve, _Split((roomiest,), (blocks,), 0))
    if one.verdict is Verdict.FITS or len(devices) == 1:
        return one
    split = _balanced(demand, devices, reserve, 0, 0)
    many = _judged(demand, machine, reserve, split) if split else None
    if many is None or (many.verdict is not Verdict.FITS and one.verdict is Verdict.TIGHT):
        return one
    return many


def _host_only(demand: Demand, machine: Machine, reserve: int, *, offload: bool) -> Plan:
    memory = _host_memory(demand, len(demand.block_kv), 0, demand.compute.alone, alone=True)
    placed = Placed("host", memory, machine.host_available_bytes)
    verdict = _verdict(placed, reserve)
    if offload and verdict is not Verdict.TOO_LARGE:
        verdict = Verdict.OFFLOAD
    return Plan(verdict, (placed,))


def _host_plan(demand: Demand, machine: Machine, reserve: int) -> Plan | None:
    plan = _host_only(demand, machine, reserve, offload=True)
    return None if plan.verdict is Verdict.TOO_LARGE else plan


def _fixed(
    demand: Demand, machine: Machine, reserve: int, devices: tuple[Device, ...], layers: int
) -> Plan:
    host = len(demand.block_kv) - layers
    split = _balanced(demand, devices, reserve, host, 0) or _Split(devices[:1], (layers,), host)
    plan = _judged(demand, machine, reserve, split)
    if plan.verdict is Verdict.TOO_LARGE:
        return plan
    return replace(plan, verdict=Verdict.OFFLOAD)


def _experts_on_host(
    demand: Demand, machine: Machine, reserve: int, devices: tuple[Device, ...]
) -> Plan | None:
    """With as few blocks' experts on the host as the devices allow."""
    if not any(demand.block_experts):
        return None
    return _least(demand, machine, reserve, devices, len(demand.block_kv), experts=True)


def _layers_on_host(
    demand: Demand, machine: Machine, reserve: int, devices: tuple[Device, ...]
) -> Plan | None:
    """With as few blocks on the host as the devices allow, and at least one on a device."""
    return _least(demand, machine, reserve, devices, len(demand.block_kv) - 1, experts=False)


def _least(
    demand: Demand, machine: Machine, reserve: int, devices: tuple[Device, ...], most: int,
    *, experts: bool,
) -> Plan | None:  # fmt: skip
    """With the fewest blocks moved to the host.

    That is as few as the devices have room for or, where blocks do not divide so well, some more, which
    bisection finds since moving one more never needs more on a device.
    """

    def moved(number: int) -> Plan | None:
        split = _balanced(
            demand, devices, reserve, 0 if experts else number, number if experts else 0
        )
        return _judged(demand, machine, reserve, split) if split else None

    low, high, found = _fewest(demand, devices, reserve, experts=experts), most, None
    middle = low
    while low <= high:
        plan = moved(middle)
        if plan is not None and plan.verdict is Verdict.FITS:
            found, high = plan, middle - 1
        elif plan is not None and exceeds_host(plan.placement[:-1], plan.placement[-1], devices):
            high = middle - 1  # more on the host is no help to it
        else:
            low = middle + 1
        middle = (low + high) // 2
    return replace(found, verdict=Verdict.OFFLOAD) if found else None


def _fewest(demand: Demand, devices: tuple[Device, ...], reserve: int, *, experts: bool) -> int:
    """Fewer blocks than this on the host, or their experts, leave more than the devices have room for."""
    rooms = sum(_rooms(demand, devices, reserve, (0, 1) if experts else (1, 0)))
    over = sum(_loads(demand, 0, 0)) - rooms
    moved = demand.block_experts if experts else _loads(demand, 0, 0)
    reached = accumulate(moved)
    return next((number for number, total in enumerate(reached, 1) if total >= over), len(moved))


def _rooms(
    demand: Demand, devices: tuple[Device, ...], reserve: int, hosted: tuple[int, int]
) -> list[int]:
    """What each device has left for blocks after its fixed costs."""
    computes = _computes(demand, len(devices), *hosted)[1:]
    return [
        max(device.available_bytes - compute - DEVICE_OVERHEAD - reserve, 0)
        for device, compute in zip(devices, computes, strict=True)
    ]


def _balanced(
    demand: Demand, devices: tuple[Device, ...], reserve: int, host: int, host_experts: int
) -> _Split | None:
    """Blocks dealt to devices in order, in proportion to what each has free after its fixed costs.

    When the proportion overfills one, every device is filled in turn instead; None if that is not enough.
    """
    loads = _loads(demand, host, host_experts)
    rooms = _rooms(demand, devices, reserve, (host, host_experts))
    if not sum(rooms):
        return None
    share = min(sum(loads) / sum(rooms), 1.0)
    counts = _dealt(loads, [room * share for room in rooms], rooms)
    if counts is None:
        counts = _dealt(loads, rooms, rooms)
    if counts is None:
        return None
    return _Split(devices, counts, host, host_experts)


def _loads(demand: Demand, host: int, host_experts: int) -> list[int]:
    """Bytes of each block that goes to a device, the output head and what drafts counted with the last."""
    loads = [
        sum(parts)
        for parts in zip(
            demand.block_weights[host:],
            demand.block_kv[host:],
            demand.block_state[host:],
            (*(0,) * host_experts, *demand.block_experts[host_experts:])[host:],
            strict=True,
        )
    ]
    if loads:
        loads[-1] += demand.output_weights
        if demand.draft:
            loads[-1] += demand.draft.weights + demand.draft.kv + demand.draft.compute.device
    return loads


def _dealt(
    loads: Sequence[int], targets: Sequence[float], rooms: Sequence[int]
) -> tuple[int, ...] | None:
    """How many blocks each device takes: until the running sum passes its target, within its room."""
    if len(rooms) == 1:
        return (len(loads),) if sum(loads) <= rooms[0] else None
    counts, taken, goal = [], 0, 0.0
    sums = [0, *accumulate(loads)]
    for target, room in zip(targets, rooms, strict=True):
        start, goal = taken, goal + target
        while taken < len(loads) and sums[taken + 1] - sums[start] <= room:
            middle = (sums[taken] + sums[taken + 1]) / 2
            if middle > goal and taken > start:
                break
            if middle > goal and start > 0:
                break
            taken += 1
        counts.append(taken - start)
    return tuple(counts) if taken == len(loads) else None


def _judged(demand: Demand, machine: Machine, reserve: int, split: _Split) -> Plan:
    """Memory of every device and the host under a split, and the verdict that follows."""
    placed: list[Placed] = []
    start, used = split.host, sum(1 for count in split.counts if count)
    last = len(demand.block_kv)
    computes = _computes(demand, used, split.host, split.host_experts)
    for device, count in zip(split.devices, split.counts, strict=True):
        stop = start + count
        if count:
            memory = _device_memory(
                demand,
                range(start, stop),
                split.host_experts,
                computes[1 + len(placed)],
                last=stop == last,
            )
            placed.append(Placed(device.name, memory, device.available_bytes))
        start = stop
    shared = _host_memory(demand, split.host, split.host_experts, computes[0])
    host = Placed("host", shared, machine.host_available_bytes)
    verdict = max((_verdict(one, reserve) for one in placed), key=RANK.__getitem__)
    if exceeds_host(placed, host, split.devices):
        verdict = Verdict.TOO_LARGE
    return Plan(verdict, (*placed, host), last - split.host, split.host_experts if used else 0)


def _computes(demand: Demand, devices: int, host: int, host_experts: int) -> tuple[int, ...]:
    """Compute buffer of the host, then of each device in use."""
    if devices <= 1 and not host and not host_experts:
        return (demand.compute.host, demand.compute.device)
    return demand.spread.buffers(max(devices, 1), host, host_experts)


def _device_memory(
    demand: Demand, blocks: range, host_experts: int, compute: int, *, last: bool
) -> Memory:
    start, stop = blocks.start, blocks.stop
    kept = max(start, min(host_experts, stop))
    own = Memory(
        weights=sum(demand.block_weights[start:stop])
        + sum(demand.block_experts[kept:stop])
        + (demand.output_weights if last else 0),
        kv_cache=sum(demand.block_kv[start:stop]),
        recurrent_state=sum(demand.block_state[start:stop]),
        compute=compute,
        overhead=DEVICE_OVERHEAD,
    )
    draft = demand.draft if last else None
    if draft is None:
        return own
    return own + Memory(draft.weights, draft.kv, compute=draft.compute.device)


def _host_memory(
    demand: Demand, blocks: int, host_experts: int, compute: int, *, alone: bool = False
) -> Memory:
    """The host's share; ``alone`` when there is no accelerator in play."""
    weights = sum(demand.block_weights[:blocks])
    weights += sum(demand.block_experts[: max(blocks, host_experts)]) + demand.input_weights
    own = Memory(
        # a tied head is the embedding table itself on a processor, a copy of it on an accelerator
        weights=weights + (demand.host_output_weights if alone else 0),
        kv_cache=sum(demand.block_kv[:blocks]),
        recurrent_state=sum(demand.block_state[:blocks]),
        compute=compute,
        overhead=HOST_OVERHEAD,
    )
    draft = demand.draft
    if draft is None:
        return own
    if alone:
        return own + Memory(draft.weights, draft.kv, compute=draft.compute.alone)
    return own + Memory(compute=draft.compute.host)


def _verdict(placed: Placed, reserve: int) -> Verdict:
    free = placed.capacity_bytes - placed.memory.total
    if free >= reserve:
        return Verdict.FITS
    return Verdict.TIGHT if free >= 0 else Verdict.TOO_LARGE
