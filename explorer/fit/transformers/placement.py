"""Where transformers would put a model: one device, or what ``device_map="auto"`` makes of several.

Layers are dealt to the devices in order and what is left stays on the host, from where each layer's
weights are copied for every token: its cache stays on the first device. Source: transformers 5.23.0,
``integrations/accelerate.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.fit.transformers.demand import FRAGMENTATION, Demand
from explorer.fit.values import RANK, Memory, Placed, Plan, Verdict, exceeds_host
from explorer.hardware.machine import Device, Machine
from explorer.units import GIB, MIB

CONTEXT_BYTES = 460 * MIB
"""Driver context and libraries of a process on a device: 0.3 to 0.6 GiB."""
HOST_BYTES = 600 * MIB
"""The process itself, with torch."""
WEIGHTS_SHARE = 0.9
"""Of a single device, what ``device_map="auto"`` gives to weights."""
RESERVE_BYTES = GIB // 2
"""What is kept free where nothing else is asked for: activations are estimates."""
BUFFER = 1.25
"""Of the largest block or table, what a device but the last may hold beyond its even share."""


@dataclass(frozen=True, slots=True)
class _Dealt:
    """How many blocks each device takes, in order; the rest stay on the host."""

    devices: tuple[Device, ...]
    counts: tuple[int, ...]


def place(demand: Demand, machine: Machine, reserve: int) -> Plan:
    """The best plan, or with TOO_LARGE the one that comes nearest."""
    devices = tuple(
        sorted(
            (device for device in machine.devices if device.kind != "cpu"),
            key=lambda device: -device.available_bytes,
        )
    )
    if not devices:
        return _on_host(demand, machine, reserve)
    blocks = len(demand.block_kv)
    whole = _planned(demand, machine, reserve, _Dealt(devices[:1], (blocks,)))
    if whole.verdict is Verdict.FITS:
        return whole
    if len(devices) > 1:
        spread = _planned(
            demand, machine, reserve, _Dealt(devices, _deal(demand, devices, reserve))
        )
        if spread.verdict is Verdict.FITS:
            return spread
    if whole.verdict is Verdict.TIGHT:
        return whole
    dealt = _Dealt(devices, _deal(demand, devices, reserve, offload=True))
    offloaded = _planned(demand, machine, reserve, dealt)
    return offloaded if offloaded.verdict is not Verdict.TOO_LARGE else whole


def _deal(
    demand: Demand, devices: Sequence[Device], reserve: int, *, offload: bool = False
) -> tuple[int, ...]:
    """Blocks of each device, filled in order: an even share and its buffer, the last all it can.

    With ``offload`` the first device keeps room for the largest block that is copied to it, and for the
    caches of the blocks on the host.
    """
    fixed = demand.compute + CONTEXT_BYTES + reserve
    loads = [
        weights + int((cache + state) * (1 + FRAGMENTATION))
        for weights, cache, state in zip(
            demand.block_weights, demand.block_kv, demand.block_state, strict=True
        )
    ]
    largest = max(demand.block_weights, default=0)
    ends = demand.input_weights, demand.output_weights
    even = (sum(loads) + sum(ends)) // len(devices) + int(BUFFER * max(largest, *ends))
    counts, taken = [], 0
    for number, device in enumerate(devices):
        room = device.available_bytes - fixed
        if number == len(devices) - 1:
            room -= demand.output_weights
        elif not offload:
            room = min(room, even)
        if number == 0:
            room -= demand.input_weights
        if offload and number == 0:
            room -= largest + sum(demand.block_kv) + sum(demand.block_state)
        start = taken
        while taken < len(loads) and loads[taken] <= room:
            room -= loads[taken]
            taken += 1
        counts.append(taken - start)
    return tuple(counts)


def _planned(demand: Demand, machine: Machine, reserve: int, dealt: _Dealt) -> Plan:
    """Memory of every device and the host, and the verdict that follows."""
    blocks = len(demand.block_kv)
    placed: list[Placed] = []
    start, on_devices = 0, sum(dealt.counts)
    for number, (device, count) in enumerate(zip(dealt.devices, dealt.counts, strict=True)):
        stop = start + count
        last = number == len(dealt.devices) - 1
        if count or number == 0:
            held = _device_memory(demand, range(start, stop), on_devices, ends=(number == 0, last))
            placed.append(Placed(device.name, held, device.available_bytes))
        start = stop
    host = Placed("host", _host_memory(demand, on_devices), machine.host_available_bytes)
    verdict = max(
        (_verdict(one, reserve, alone=len(placed) == 1) for one in placed), key=RANK.__getitem__
    )
    if verdict in (Verdict.FITS, Verdict.TIGHT) and on_devices < blocks:
        verdict = Verdict.OFFLOAD
    if exceeds_host(placed, host, dealt.devices):
        verdict = Verdict.TOO_LARGE
    return Plan(verdict, (*placed, host), on_devices)


def _device_memory(
    demand: Demand, blocks: range, on_devices: int, *, ends: tuple[bool, bool]
) -> Memory:
    first, last = ends
    compute = demand.compute
    weights = sum(demand.block_weights[blocks.start : blocks.stop])
    cache = sum(demand.block_kv[blocks.start : blocks.stop])
    state = sum(demand.block_state[blocks.start : blocks.stop])
    if first:
        weights += demand.input_weights
        cache += sum(demand.block_kv[on_devices:])
        state += sum(demand.block_state[on_devices:])
        if on_devices < len(demand.block_kv):  # a place for the block that is copied over
            compute += max(demand.block_weights[on_devices:])
    if last:
        weights += demand.output_weights
    loose = int((cache + state + demand.compute) * FRAGMENTATION)
    return Memory(weights, cache, state, compute, CONTEXT_BYTES + loose)


def _host_memory(demand: Demand, on_devices: int) -> Memory:
    return Memory(weights=sum(demand.block_weights[on_devices:]), overhead=HOST_BYTES)


def _on_host(demand: Demand, machine: Machine, reserve: int) -> Plan:
    weights = sum(demand.block_weights) + demand.input_weights + demand.output_weights
    cache, state = sum(demand.block_kv), sum(demand.block_state)
    loose = int((cache + state + demand.compute) * FRAGMENTATION)
    memory = Memory(weights, cache, state, demand.compute, HOST_BYTES + loose)
    placed = Placed("host", memory, machine.host_available_bytes)
    return Plan(_verdict(placed, reserve, alone=False), (placed,))


def _verdict(placed: Placed, reserve: int, *, alone: bool) -> Verdict:
    """TIGHT is what fits only if a device's weights are given more than their share of it."""
    free = placed.capacity_bytes - placed.memory.total
    if free < 0:
        return Verdict.TOO_LARGE
    share = WEIGHTS_SHARE if alone else 1.0
    within = placed.memory.weights <= share * placed.capacity_bytes
    return Verdict.FITS if free >= reserve and within else Verdict.TIGHT
