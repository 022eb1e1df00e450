"""Display devices as Linux lists them."""

import re
from dataclasses import dataclass
from pathlib import Path

from explorer.hardware.sysfs import list_folder, read_number, read_text

MAX_CARDS = 64

_CARD = re.compile(r"card\d{1,4}")


@dataclass(frozen=True, slots=True)
class Card:
    """One ``/sys/class/drm/cardN``."""

    folder: Path
    """The card; its PCI device is ``folder / "device"``."""
    pci: str
    """``vendor:device``, lower-case hexadecimal."""
    driver: str
    """``amdgpu``, ``i915``, ``xe``; empty when unknown."""


def cards(root: Path, vendor: int) -> list[Card]:
    """The display devices of a PCI vendor, in the order the kernel numbered them."""
    found = []
    for folder in list_folder(root / "sys/class/drm", "card*")[: MAX_CARDS * 8]:
        if _CARD.fullmatch(folder.name) and read_number(folder / "device/vendor") == vendor:
            device = read_number(folder / "device/device") or 0
            found.append(Card(folder, f"{vendor:04x}:{device:04x}", _driver(folder)))
    return sorted(found, key=lambda card: int(card.folder.name[4:]))[:MAX_CARDS]


def _driver(folder: Path) -> str:
    for line in read_text(folder / "device/uevent").splitlines():
        if line.startswith("DRIVER="):
            return line.removeprefix("DRIVER=").strip()
    return ""
