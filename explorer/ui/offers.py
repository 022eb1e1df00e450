"""Machines to choose from: the detected one, one described in words, and every device of the catalog."""

from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from explorer.errors import UsageError
from explorer.hardware import catalog
from explorer.hardware.machine import Device, Machine
from explorer.hardware.spec import parse_machine
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.ui.widgets.facts import Fact
from explorer.units import memory

COLUMNS = (
    Column("name", "Machine", 24, flex=4, most=48, sortable=False),
    Column("memory", "Memory", 9, align="right", sortable=False),
    Column("bandwidth", "Bandwidth", 10, align="right", drop=1, sortable=False),
    Column("kind", "Runs on", 8, drop=2, sortable=False),
)


Origin: TypeAlias = Literal["this machine", "described", "kept", "catalog"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One machine that can be picked."""

    name: str
    origin: Origin
    memory_bytes: int = 0
    bandwidth_bytes_per_second: int | None = None
    kind: str = ""
    machine: Machine | None = None
    """None for a device of the catalog, whose name describes it."""
    described: str = ""
    """The words that a person described it with."""

    def resolve(self) -> Machine:
        """The machine. Raises UsageError where the name leaves something open."""
        return self.machine or parse_machine(self.spec)

    @property
    def spec(self) -> str:
        """What describes it; empty for the machine at hand."""
        return "" if self.origin == "this machine" else self.described or self.name

    @property
    def key(self) -> Hashable:
        """What tells it from the others."""
        return self.origin, self.described or self.name


def from_catalog() -> tuple[Offer, ...]:
    """One offer for each device and size it is sold with; reads the catalog's files."""
    return tuple(
        Offer(
            catalog.display_name(entry, size),
            "catalog",
            size,
            entry.bandwidth_bytes_per_second,
            entry.kind,
        )
        for entry in catalog.entries()
        for size in entry.memory_bytes
    )


def from_kept(specs: Iterable[str]) -> tuple[Offer, ...]:
    """Machines that were described before; one that can't be read any more is left out."""
    offers: list[Offer] = []
    for spec in specs:
        with suppress(UsageError):
            offers.append(from_machine(parse_machine(spec), "kept", spec))
    return tuple(offers)


def from_machine(machine: Machine, origin: Origin, described: str = "") -> Offer:
    """A machine as an offer."""
    devices = machine.devices
    total = sum(device.memory_bytes for device in devices) or machine.host_memory_bytes
    first = devices[0] if devices else None
    bandwidth = (
        first.bandwidth_bytes_per_second if first else machine.host_bandwidth_bytes_per_second
    )
    return Offer(
        machine.name, origin, total, bandwidth, first.kind if first else "cpu", machine, described
    )


def matching(
    text: str, detected: Machine | None, kept: Iterable[Offer], devices: Iterable[Offer]
) -> tuple[tuple[Offer, ...], UsageError | None]:
    """The offers for what was typed, and why it describes no machine, if it does not.

    Names that begin with what was typed come first: ``rtx 50`` means the RTX 50 series.
    """
    offers: list[Offer] = []
    problem: UsageError | None = None
    if text:
        try:
            offers.append(from_machine(parse_machine(text), "described", text))
        except UsageError as error:
            problem = error
    elif detected is not None:
        offers.append(from_machine(detected, "this machine"))
    words = text.lower().split()
    found = [
        offer for offer in (*kept, *devices) if all(word in offer.spec.lower() for word in words)
    ]
    found.sort(key=lambda offer: not offer.spec.lower().startswith(" ".join(words)))
    return (*offers, *found), problem


def cells(offer: Offer, in_use: Machine | None) -> Sequence[Cell]:
    """One offer as a row."""
    used = in_use is not None and offer.machine == in_use
    marks = ["" if offer.origin == "catalog" else offer.origin, "in use" if used else ""]
    mark = ", ".join(filter(None, marks))
    return (
        (Run(offer.described or offer.name), Run(f"  {mark}" if mark else "", "accent")),
        memory(offer.memory_bytes),
        bandwidth(offer.bandwidth_bytes_per_second),
        Run(offer.kind, "dim"),
    )


def bandwidth(bytes_per_second: float | None) -> str:
    """Memory bandwidth as data sheets give it."""
    return f"{bytes_per_second / 1e9:,.0f} GB/s" if bytes_per_second else "?"


def describe(machine: Machine) -> tuple[Fact, ...]:
    """Everything that is known of a machine, its equal devices counted."""
    facts = [Fact("Machine", machine.name, "bold")]
    counted: dict[Device, int] = {}
    for device in machine.devices:
        counted[device] = counted.get(device, 0) + 1
    for device, count in counted.items():
        facts += _device(device, count)
    if not machine.devices:
        facts.append(Fact("Device", "none: everything runs on the processor"))
    ram = f"{memory(machine.host_memory_bytes)}, {memory(machine.host_available_bytes)} usable"
    facts.append(Fact("RAM", f"{ram}, {bandwidth(machine.host_bandwidth_bytes_per_second)}"))
    if machine.processor or machine.physical_cores:
        cores = f"{machine.physical_cores} cores" if machine.physical_cores else ""
        facts.append(Fact("Processor", ", ".join(filter(None, (machine.processor, cores)))))
    facts += [Fact("Note", note, "$text-warning") for note in machine.notes]
    return tuple(facts)


def _device(device: Device, count: int) -> list[Fact]:
    name = f"{count} x {device.name}" if count > 1 else device.name
    shared = ", shared with the host" if device.unified else ""
    usable = f"{memory(device.memory_bytes)}, {memory(device.available_bytes)} usable{shared}"
    speed = bandwidth(device.bandwidth_bytes_per_second)
    if device.fp16_flops:
        speed += f", {device.fp16_flops / 1e12:,.0f} TFLOPS in 16 bit"
    return [
        Fact("Device", f"{name} ({device.kind})"),
        Fact("  memory", usable),
        Fact("  speed", speed),
        Fact("  source", device.source or "not said", "$foreground-muted"),
    ]
