"""Intel's discrete devices, through the files of the i915 and xe drivers."""

from dataclasses import dataclass
from pathlib import Path

from explorer import units
from explorer.hardware import catalog
from explorer.hardware.found import Found
from explorer.hardware.machine import Device
from explorer.hardware.pci import Card, cards
from explorer.hardware.sysfs import number, read_number, read_text

VENDOR = 0x8086


@dataclass(frozen=True, slots=True)
class Reading:
    """What the driver says of one card; sizes in bytes, None for what it does not say."""

    pci: str
    local_total: int | None = None
    """Memory on the card, where the driver tells."""
    local_free: int | None = None
    window: int | None = None
    """The largest part of it that the processor can map: all of it with a resizable BAR, else 256 MiB."""


def detect(root: Path) -> Found:
    """The discrete Intel devices under ``root``; built-in graphics are passed over."""
    return interpret([read(card) for card in cards(root, VENDOR)])


def read(card: Card) -> Reading:
    """One card's files: i915's ``lmem_*``, xe's tiles, and the PCI windows that every driver has."""
    tiles = [
        size
        for tile in range(4)
        if (size := read_number(card.folder / f"device/tile{tile}/physical_vram_size_bytes"))
    ]
    return Reading(
        pci=card.pci,
        local_total=read_number(card.folder / "lmem_total_bytes") or sum(tiles) or None,
        local_free=read_number(card.folder / "lmem_avail_bytes"),
        window=_window(read_text(card.folder / "device/resource")),
    )


def _window(text: str) -> int | None:
    """The size of the third window of a PCI ``resource`` file (BAR 2), where Intel maps the card's memory."""
    lines = text.splitlines()
    fields = lines[2].split() if len(lines) > 2 else []
    first, last = (number(field) for field in fields[:2]) if len(fields) == 3 else (None, None)
    return last - first + 1 if first and last and last > first else None


def interpret(readings: list[Reading]) -> Found:
    """Devices from what the drivers said; where they tell no size, the catalog's for the PCI id."""
    devices, notes = [], []
    for reading in readings:
        candidates = catalog.by_pci(reading.pci)
        total = reading.local_total or _mapped(reading.window)
        if total is None and candidates:
            total = min(size for entry in candidates for size in entry.memory_bytes)
            notes.append(
                f"the driver does not tell the memory of {candidates[0].name}:"
                f" {units.memory(total)} is assumed"
            )
        if total is None:
            continue
        entry = catalog.closest(candidates, total)
        if reading.local_free is None:
            notes.append("the driver does not tell how much memory of the Intel device is free")
        free = reading.local_free if reading.local_free is not None else total - units.GIB // 2
        devices.append(
            Device(
                name=entry.name if entry else f"Intel {reading.pci}",
                kind="xpu",
                memory_bytes=total,
                available_bytes=max(0, min(free, total)),
                bandwidth_bytes_per_second=entry.bandwidth_bytes_per_second if entry else None,
                memory_kind=entry.memory_kind if entry else None,
                fp16_flops=entry.fp16_flops if entry else None,
                source=f"sysfs; {entry.source}, {entry.checked}" if entry else "sysfs",
            )
        )
    return Found(tuple(devices), tuple(dict.fromkeys(notes)))


def _mapped(window: int | None) -> int | None:
    """A window as the card's memory, if it is large enough to be more than a small fixed window.

    Built-in graphics have windows of 256 or 512 MiB; the smallest card has 4 GiB.
    """
    return window if window is not None and window >= 4 * units.GIB else None
