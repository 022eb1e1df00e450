"""AMD devices, through the amdgpu driver's ``mem_info_*`` files (described in the kernel's documentation)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explorer import units
from explorer.hardware import catalog
from explorer.hardware.catalog import Entry
from explorer.hardware.found import Found
from explorer.hardware.host import Host
from explorer.hardware.machine import Device, DeviceKind
from explorer.hardware.pci import Card, cards
from explorer.hardware.sysfs import number, printable, read_number, read_text

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
    names = parse_ids(read_text(root / "usr/share/libdrm/amdgpu.ids"))
    return interpret([read(card, names) for card in cards(root, VENDOR)], host, kind)


def parse_ids(text: str) -> dict[tuple[int, int], str]:
    """Product names by device and revision, from libdrm's ``amdgpu.ids``: ``73BF, C1, RX 6800 XT``."""
    names = {}
    for line in text.splitlines()[:10_000]:
        fields = [field.strip() for field in line.split(",", 2)]
        if len(fields) == 3 and not line.startswith("#"):
            device, revision = (number(f"0x{field}") for field in fields[:2])
            if device is not None and revision is not None:
                names[device, revision] = printable(fields[2])
    return names


def read(card: Card, names: Mapping[tuple[int, int], str]) -> Reading:
    """One card's files; a product that does not name itself may be in ``names``."""
    folder = card.folder / "device"
    ids = (read_number(folder / "device") or 0, read_number(folder / "revision") or 0)
    return Reading(
        pci=card.pci,
        product=printable(read_text(folder / "product_name")) or names.get(ids, ""),
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
            device, unsure = _discrete(reading, candidates, kind)
            devices.append(device)
            notes += [f"{device.name} cannot be told apart: the lowest bandwidth is taken"] * unsure
    return Found(tuple(devices), tuple(notes))


def _candidates(reading: Reading) -> tuple[Entry, ...]:
    """The catalog's entries for a card: by its product name, else by its PCI id."""
    return catalog.lookup(reading.product) or catalog.by_pci(reading.pci)


def _discrete(
    reading: Reading, candidates: tuple[Entry, ...], kind: DeviceKind
) -> tuple[Device, bool]:
    """A card with memory of its own, and whether parts of different bandwidth share its id and size."""
    total = reading.vram_total or 0
    fitting = [entry for entry in candidates if catalog.closest([entry], total)]
    entry = min(fitting, key=lambda one: one.bandwidth_bytes_per_second, default=None)
    peaks = {one.fp16_flops for one in fitting}
    device = Device(
        name=" / ".join(one.name for one in fitting) or reading.product or f"AMD {reading.pci}",
        kind=kind,
        memory_bytes=total,
        available_bytes=max(0, total - (reading.vram_used or 0)),
        bandwidth_bytes_per_second=entry.bandwidth_bytes_per_second if entry else None,
        memory_kind=entry.memory_kind if entry else None,
        fp16_flops=peaks.pop() if len(peaks) == 1 else None,
        source=f"sysfs; {entry.source}, {entry.checked}" if entry else "sysfs",
    )
    return device, len({one.bandwidth_bytes_per_second for one in fitting}) > 1


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
