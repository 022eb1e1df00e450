"""What more RAM, a second card or a larger one would change on the machine at hand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from explorer.fit.architecture import Architecture
from explorer.fit.engines import engine_for
from explorer.fit.planner import best, max_context
from explorer.fit.values import Answer, Scenario, Verdict
from explorer.fit.weight_map import WeightMap
from explorer.hardware.catalog import Entry, closest, describe, display_name, entries, lookup
from explorer.hardware.machine import Device, Machine
from explorer.units import GIB

MORE_RAM = (32 * GIB, 64 * GIB, 128 * GIB)
MOST_SIZES = 3
"""Of a device that shares its memory, so many larger ones are proposed."""
_RAM = " GB RAM"
FIRST_CARD = 16 * GIB
"""The least memory of a card that is proposed to a machine without one."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One change to a machine, and what comes of it."""

    change: str
    """``+64 GB RAM``, ``a second RTX 4090``, ``RTX 5090 instead of RTX 4090``."""
    machine: Machine
    before: Answer
    after: Answer
    """With the best quantization there, or the one asked for, and the most context it leaves."""

    @property
    def helps(self) -> bool:
        """Whether anything a person asked about is better than before."""
        order = list(Verdict)
        verdicts = order.index(self.after.verdict), order.index(self.before.verdict)
        if verdicts[0] != verdicts[1]:
            return verdicts[0] < verdicts[1]
        weights = self.after.memory.weights > self.before.memory.weights
        return weights or self.after.max_context_tokens > self.before.max_context_tokens


def upgrades(
    architecture: Architecture,
    options: Sequence[WeightMap],
    machine: Machine,
    scenario: Scenario,
) -> tuple[Upgrade, ...]:
    """What each change that makes sense for a machine would bring.

    More RAM where it is not the device's own, a second equal card, the next larger one of its kind and
    market; a first card for a machine without one. Raises UsageError for settings the engine lacks.
    """
    before = _answered(architecture, options, machine, scenario)
    return tuple(
        Upgrade(change, changed, before, _answered(architecture, options, changed, scenario))
        for change, changed in _changes(machine)
    )


def unhelpful(found: Sequence[Upgrade]) -> str:
    """The changes that bring nothing in a line: ``+32, +64, +128 GB RAM, a second RTX 4090``."""
    idle = [one.change for one in found if not one.helps]
    sizes = [change.removesuffix(_RAM) for change in idle if change.endswith(_RAM)]
    others = [change for change in idle if not change.endswith(_RAM)]
    return ", ".join([*([f"{', '.join(sizes)}{_RAM}"] if sizes else []), *others])


def _answered(
    architecture: Architecture, options: Sequence[WeightMap], machine: Machine, scenario: Scenario
) -> Answer:
    """The best answer with its largest context, without the reasons."""
    if scenario.quantization is not None:
        wanted = scenario.quantization.lower()
        options = [option for option in options if option.quantization.lower() == wanted]
    answer = best(architecture, options, machine, scenario, explain=False)
    if not architecture.layers:
        return answer
    weights = next(
        option for option in options if option.quantization == answer.scenario.quantization
    )
    most = max_context(
        engine_for(architecture, scenario), architecture, weights, machine, answer.scenario,
        verdict=answer.verdict,
    )  # fmt: skip
    return replace(answer, max_context_tokens=most)


def _changes(machine: Machine) -> Iterator[tuple[str, Machine]]:
    devices = machine.devices
    if any(device.unified for device in devices):
        yield from _more_shared(machine)
        return
    for size in MORE_RAM:
        yield (
            f"+{size // GIB}{_RAM}",
            replace(
                machine,
                name=f"{machine.name}, +{size // GIB} GB RAM",
                host_memory_bytes=machine.host_memory_bytes + size,
                host_available_bytes=machine.host_available_bytes + size,
            ),
        )
    if devices:
        roomiest = max(devices, key=lambda device: device.memory_bytes)
        second = replace(roomiest, available_bytes=_free_when_new(roomiest))
        ordinal = "a second" if len(devices) == 1 else "another"
        yield (f"{ordinal} {roomiest.name}", _with(machine, (*devices, second)))
        if (larger := _next_larger(roomiest)) is not None:
            others = [device for device in devices if device is not roomiest]
            change = f"{larger.name} instead of {roomiest.name}"
            yield change, _with(machine, (larger, *others))
    elif (first := _first_card()) is not None:
        yield (
            f"an {first.name}" if first.name[0] in "AR" else f"a {first.name}",
            _with(machine, (first,)),
        )


def _with(machine: Machine, devices: tuple[Device, ...]) -> Machine:
    names = [device.name for device in devices]
    counted = [
        f"{names.count(name)}x {name}" if names.count(name) > 1 else name
        for name in dict.fromkeys(names)
    ]
    return replace(machine, name=" + ".join(counted), devices=devices)


def _free_when_new(device: Device) -> int:
    """What a device like this one has free when nothing else runs on it."""
    entry = _entry_of(device)
    if entry is None:
        return device.available_bytes
    return max(describe(entry, device.memory_bytes).available_bytes, device.available_bytes)


def _entry_of(device: Device) -> Entry | None:
    found = lookup(device.name)
    if len(found) == 1:
        return found[0]
    return closest(found, device.memory_bytes)


def _next_larger(device: Device) -> Device | None:
    """The card of the same kind and market with the least more memory; of several the fastest."""
    own = _entry_of(device)
    if own is None:
        return None
    larger = [
        (size, -entry.bandwidth_bytes_per_second, entry)
        for entry in entries()
        if (entry.kind, entry.tier, entry.unified) == (own.kind, own.tier, False)
        for size in entry.memory_bytes
        if size > device.memory_bytes * 1.02
    ]
    if not larger:
        return None
    size, _, entry = min(larger, key=lambda item: item[:2])
    return describe(entry, size)


def _first_card() -> Device | None:
    """The fastest consumer card for CUDA of the least memory that is worth having."""
    cards = [
        (size, -entry.bandwidth_bytes_per_second, entry)
        for entry in entries()
        if (entry.kind, entry.tier, entry.unified) == ("cuda", "consumer", False)
        for size in entry.memory_bytes
        if size >= FIRST_CARD
    ]
    if not cards:
        return None
    size, _, entry = min(cards, key=lambda item: item[:2])
    return describe(entry, size)


def _more_shared(machine: Machine) -> Iterator[tuple[str, Machine]]:
    """Devices of the same generation with more of the memory they share, no slower than this one."""
    device = machine.devices[0]
    own = _entry_of(device)
    if own is None:
        return
    least = own.bandwidth_bytes_per_second
    larger: dict[int, Entry] = {}
    for entry in entries():
        if entry.family != own.family or entry.bandwidth_bytes_per_second < least:
            continue
        for size in entry.memory_bytes:
            known = larger.get(size)
            slower = known and known.bandwidth_bytes_per_second <= entry.bandwidth_bytes_per_second
            if size > device.memory_bytes * 1.02 and not slower:
                larger[size] = entry
    for size, entry in sorted(larger.items())[:MOST_SIZES]:
        new, more = describe(entry, size), size - device.memory_bytes
        yield (
            f"{display_name(entry, size)} instead of {device.name}",
            replace(
                machine,
                name=new.name,
                devices=(new,),
                host_memory_bytes=machine.host_memory_bytes + more,
                host_available_bytes=machine.host_available_bytes + more,
                host_bandwidth_bytes_per_second=new.bandwidth_bytes_per_second,
            ),
        )
