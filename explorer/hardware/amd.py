"""AMD devices, through the amdgpu driver's ``mem_info_*`` files (described in the kernel's documentation)."""

from dataclasses import dataclass
from pathlib import Path

from explorer import units
from explorer.hardware import catalog
from explorer.hardware.catalog import Entry
from explorer.hardware.found import Found
from explorer.hardware.host import Host
from explorer.hardware.machine import Device, DeviceKind
from explorer.hardware.pci import Card, cards
from explorer.hardware.sysfs import printable, read_number, read_text

VENDOR = 0x1002
SMALLEST = 2 * units.GIB
"""Less memory of its own than this is a processor's built-in graphics."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the driver says of one card; sizes in bytes, None for what it does not say."""

    pci: str
    product: str = ""
    vram_total: int | None = None
    vram_used: int | None = None
    gtt_total: int | None = None
    """Host memory the card may map."""
    gtt_used: int | None = None


def detect(root: Path, host: Host) -> Found:
    """The AMD devices under ``root``; nothing where there are none."""
    kind: DeviceKind = "rocm" if (root / "sys/class/kfd/kfd/topology/nodes").is_dir() else "vulkan"
    return interpret([read(card) for card in cards(root, VENDOR)], host, kind)


def read(card: Card) -> Reading:
    """One card's files."""
    folder = card.folder / "device"
    return Reading(
        pci=card.pci,
        product=printable(read_text(folder / "product_name")),
        vram_total=read_number(folder / "mem_info_vram_total"),
        vram_used=read_number(folder / "mem_info_vram_used"),
        gtt_total=read_number(folder / "mem_info_gtt_total"),
        gtt_used=read_number(folder / "mem_info_gtt_used"),
    )


def interpret(readings: list[Reading], host: Host, kind: DeviceKind) -> Found:
    """Devices from what the driver said; built-in graphics that engines do not use become a note."""
    devices, notes = [], []
    for reading in readings:
        candidates = _candidates(reading)
        if reading.vram_total is None:
            notes.append(f"AMD device {reading.pci} could not be read: no amdgpu driver")
        elif candidates and all(entry.unified for entry in candidates):
            devices.append(_shared(reading, candidates[0], host, kind))
        elif reading.vram_total < SMALLEST:
            notes.append(f"built-in AMD graphics ({reading.pci}) are left out")
        else:
            devices.append(_discrete(reading, candidates, kind))
    return Found(tuple(devices), tuple(notes))


def _candidates(reading: Reading) -> tuple[Entry, ...]:
    """The catalog's entries for a card: by its product name, else by its PCI id."""
    return catalog.lookup(reading.product) or catalog.by_pci(reading.pci)


def _discrete(reading: Reading, candidates: tuple[Entry, ...], kind: DeviceKind) -> Device:
    """A card with memory of its own; where several parts share id and size, what they have in common."""
    total = reading.vram_total or 0
    fitting = [entry for entry in candidates if catalog.closest([entry], total)]
    entry = catalog.closest(fitting, total)
    peaks = {one.fp16_flops for one in fitting}
    return Device(
        name=" / ".join(one.name for one in fitting) or reading.product or f"AMD {reading.pci}",
        kind=kind,
        memory_bytes=total,
        available_bytes=max(0, total - (reading.vram_used or 0)),
        bandwidth_bytes_per_second=entry.bandwidth_bytes_per_second if entry else None,
        memory_kind=entry.memory_kind if entry else None,
        fp16_flops=peaks.pop() if len(peaks) == 1 else None,
        source=f"sysfs; {entry.source}, {entry.checked}" if entry else "sysfs",
    )


def _shared(reading: Reading, entry: Entry, host: Host, kind: DeviceKind) -> Device:
    """A device that lives in the host's memory: what firmware set aside, and what it may map beside it."""
    vram, gtt = reading.vram_total or 0, reading.gtt_total or 0
    used = (reading.vram_used or 0) + (reading.gtt_used or 0)
    mapped = min(gtt, host.available_bytes) if host.available_bytes else gtt
    return Device(
        name=entry.name,
        kind=kind,
        memory_bytes=vram + gtt,
        available_bytes=max(0, min(vram + gtt - used, vram - (reading.vram_used or 0) + mapped)),
        bandwidth_bytes_per_second=entry.bandwidth_bytes_per_second,
        memory_kind=entry.memory_kind,
        unified=True,
        fp16_flops=entry.fp16_flops,
        source=f"sysfs; {entry.source}, {entry.checked}",
    )
