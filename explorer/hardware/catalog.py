"""Known devices: what a name means, and the figures on its data sheet.

The data are the TOML files under ``devices/``, one a vendor, each read once and only when a name asks for it.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, cast

from explorer import units
from explorer.errors import HardwareError, UsageError
from explorer.hardware.machine import Device, DeviceKind, MemoryKind

Tier: TypeAlias = Literal["consumer", "workstation", "datacenter", "embedded"]

VENDORS = ("nvidia", "amd", "intel", "apple")

_PCI_VENDORS = {"10de": "nvidia", "1002": "amd", "8086": "intel"}
_DATA = Path(__file__).with_name("devices")
_SIZE = re.compile(r"(?<![a-z0-9.])\d+(?:\.\d+)?\s*(?:gib|gb|g)(?![a-z0-9])")
_NOISE = re.compile(
    r"\b(?:nvidia|geforce|amd|radeon|intel|apple|tesla|instinct|gpu|graphics|generation|edition|chip)\b"
    r"|\((?:r|tm)\)"
)
_SERIES = re.compile(r"^(?:rtx|gtx|rx)(?=\d)")
_HINTS = (
    (re.compile(r"^m[1-9]\d?(pro|max|ultra|$)"), "apple"),
    (re.compile(r"^(rx|mi\d|r9\d|ryzen|strix|ai|pro[wvr]|w\d|v\d\d\d$|vii)"), "amd"),
    (re.compile(r"^(arc|flex|max|datacenter)"), "intel"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One part as it is sold; parts that differ in bandwidth are entries of their own."""

    name: str
    """Unique in the catalog: ``RTX 3060 12GB``, ``M4 Max``."""
    aliases: tuple[str, ...]
    """Other names, some shared by several entries: ``H100``."""
    vendor: str
    kind: DeviceKind
    memory_kind: MemoryKind
    tier: Tier
    memory_bytes: tuple[int, ...]
    """The sizes it is sold with, smallest first."""
    bandwidth_bytes_per_second: int
    fp16_flops: float | None
    """Dense half-precision peak, operations a second."""
    compute_capability: tuple[int, int] | None
    unified: bool
    available_share: float | None
    """Share of unified memory that models may have, where that is a share."""
    mainstream: bool
    """What a shared name means when nothing else is said."""
    pci: tuple[str, ...]
    """``vendor:device`` ids, lower-case hexadecimal."""
    source: str
    """Where memory and bandwidth come from."""
    checked: date
    fp16_source: str
    family: str = ""
    """The generation it belongs to: ``GeForce RTX 40``, ``Apple M4``."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a name was taken to mean."""

    entry: Entry
    memory_bytes: int
    note: str = ""
    """What else it could have meant; empty when nothing."""


def key(name: str) -> str:
    """A name reduced to what tells devices apart: ``NVIDIA GeForce RTX 4090`` gives ``rtx4090``.

    Vendor words, memory sizes, case, spaces and punctuation are dropped.
    """
    text = _NOISE.sub(" ", _SIZE.sub(" ", name.lower()))
    return "".join(character for character in text if character.isascii() and character.isalnum())


def entries() -> tuple[Entry, ...]:
    """Every device of the catalog."""
    return tuple(entry for vendor in VENDORS for entry in _read(vendor))


def lookup(name: str) -> tuple[Entry, ...]:
    """The entries that go by exactly this name, whatever their memory; empty when there are none."""
    wanted = key(name)
    hint = next((vendor for pattern, vendor in _HINTS if pattern.match(wanted)), VENDORS[0])
    for vendor in (hint, *(other for other in VENDORS if other != hint)):
        found = _index(vendor).get(wanted)
        if found:
            return found
    return ()


def by_pci(pci: str) -> tuple[Entry, ...]:
    """The entries with this ``vendor:device`` id; several parts may share one."""
    vendor = _PCI_VENDORS.get(pci.lower()[:4])
    return tuple(entry for entry in _read(vendor) if pci.lower() in entry.pci) if vendor else ()


def closest(candidates: Iterable[Entry], memory_bytes: int) -> Entry | None:
    """The candidate whose memory a driver would report as this much, or None if none comes close.

    Drivers report up to an eighth less than what is sold (firmware, ECC), never more than 2 % above.
    """
    fitting = [
        entry
        for entry in candidates
        if any(0.98 <= size / max(memory_bytes, 1) <= 1.13 for size in entry.memory_bytes)
    ]
    preferred = [entry for entry in fitting if entry.mainstream] or fitting
    return preferred[0] if len({e.bandwidth_bytes_per_second for e in preferred}) == 1 else None


def resolve(name: str, memory_bytes: int | None = None) -> Match:
    """The one entry a person means by a name and, where it was said, its memory.

    A name that several variants share means the mainstream one of the stated memory, which ``note`` says.
    Raises UsageError for an unknown name, and for one that leaves open how much memory there is.
    """
    candidates = lookup(name) or _by_last_words(name)
    if not candidates:
        raise _unknown(name)
    offers = [(entry, size) for entry in candidates for size in entry.memory_bytes]
    if memory_bytes is not None:
        offers = [(entry, size) for entry, size in offers if size == memory_bytes]
        if not offers:
            raise UsageError(
                f"No {quoted(name)} has {units.memory(memory_bytes)}",
                f"It is sold as {_listing(candidates)}",
                "RAM is written after a comma: RTX 4090, 64 GB RAM",
            )
    if len(offers) == 1:
        return Match(*offers[0])
    preferred = [offer for offer in offers if offer[0].mainstream] or offers
    own = [offer for offer in preferred if key(offer[0].name) == key(name)]
    preferred = own if len(own) == 1 else preferred
    if len(preferred) != 1:
        raise UsageError(
            f"{quoted(name)} could be several devices",
            f"Did you mean {_listing(candidates)}?",
            "name the memory or the variant",
        )
    entry, size = preferred[0]
    others = ", ".join(other.name for other, _ in offers if other is not entry)
    return Match(entry, size, f"{name.strip()} is taken as {entry.name}; there are also {others}")


def _by_last_words(name: str) -> tuple[Entry, ...]:
    """The entry whose name ends with these words, if it is the only one: ``A6000`` is the RTX A6000."""
    words = name.lower().split()
    found = [
        entry
        for entry in entries()
        if any(
            words and known.lower().split()[-len(words) :] == words
            for known in (entry.name, *entry.aliases)
        )
    ]
    return tuple(found) if len(found) == 1 else ()


def describe(entry: Entry, memory_bytes: int) -> Device:
    """The device of a described machine: nothing was measured, so ``available_bytes`` is an assumption.

    See ``assumed_available``.
    """
    return Device(
        name=display_name(entry, memory_bytes),
        kind=entry.kind,
        memory_bytes=memory_bytes,
        available_bytes=assumed_available(entry, memory_bytes),
        bandwidth_bytes_per_second=entry.bandwidth_bytes_per_second,
        memory_kind=entry.memory_kind,
        unified=entry.unified,
        fp16_flops=entry.fp16_flops,
        compute_capability=entry.compute_capability,
        source=f"{entry.source}, {entry.checked}",
    )


def display_name(entry: Entry, memory_bytes: int) -> str:
    """The entry's name, with the memory where it is sold with several: ``M4 Max 64GB``."""
    if len(entry.memory_bytes) == 1:
        return entry.name
    return f"{entry.name} {memory_bytes // units.GIB}GB"


def assumed_available(entry: Entry, memory_bytes: int) -> int:
    """Bytes models may use on a device nobody measured.

    - Apple: the working-set limit, see ``working_set_limit``.
    - Memory shared with the host elsewhere: the share the catalog gives.
    - High-bandwidth memory: all but 1 GiB, for ECC and what the driver reserves (an H100 80GB reports
      81559 of 81920 MiB and reserves about 0.5 GiB more).
    - Other discrete devices: all but 0.5 GiB, for the driver (about 0.35 GiB on a GeForce) and
      a light desktop.
    """
    if entry.vendor == "Apple":
        return working_set_limit(memory_bytes)
    if entry.available_share is not None:
        return int(memory_bytes * entry.available_share)
    reserve = units.GIB if entry.memory_kind == "hbm" else units.GIB // 2
    return memory_bytes - reserve


def working_set_limit(memory_bytes: int) -> int:
    """What Metal recommends as a working set on a Mac with this much memory and default settings.

    Two thirds below 36 GiB, three quarters from there on: llama.cpp logs show 11453 MB of 16 GiB, 21845 MiB
    of 32 GiB and 73728 MiB of 96 GiB (ggml-org/llama.cpp#1870 and #3213, ollama/ollama#434).
    macOS 26 allows more (12124 MiB of 16 GiB, 110100 MiB of 128 GiB); the lower figure holds on both.
    """
    if memory_bytes < 36 * units.GIB:
        return memory_bytes * 2 // 3
    return memory_bytes * 3 // 4


def quoted(text: str) -> str:
    """Text of a person or a driver as it may appear in a message: short, one line, printable."""
    shown = "".join(character if character.isprintable() else "·" for character in text.strip())
    return f"“{shown[:60]}…”" if len(shown) > 60 else f"“{shown}”"


def _unknown(name: str) -> UsageError:
    near = near_names(name)
    return UsageError(
        f"No device called {quoted(name)} is known",
        f"Near it: {', '.join(near)}" if near else "",
        "write it as the maker does: RTX 4090, A100 80GB, RX 7900 XTX, M4 Max 64GB, cpu 32GB",
    )


def near_names(name: str, limit: int = 6) -> list[str]:
    """Names of the catalog that resemble this one, nearest first."""
    wanted = key(name)
    if not wanted:
        return []
    names: dict[str, str] = {}
    for vendor in VENDORS:
        for known, found in _index(vendor).items():
            names.setdefault(known, _shared_name(known, found))
    starting = sorted(
        known for known in names if known.startswith(wanted) or wanted.startswith(known)
    )
    close = difflib.get_close_matches(wanted, names, n=limit, cutoff=0.6)
    return list(dict.fromkeys(names[known] for known in [*close, *starting] if len(known) > 1))[
        :limit
    ]


def _shared_name(known: str, found: tuple[Entry, ...]) -> str:
    """How to write what several entries answer to."""
    if len(found) == 1:
        return found[0].name
    return next((alias for alias in found[0].aliases if key(alias) == known), found[0].name)


def _listing(candidates: Iterable[Entry]) -> str:
    return ", ".join(
        dict.fromkeys(
            entry.name if "GB" in entry.name else f"{entry.name} {size // units.GIB}GB"
            for entry in candidates
            for size in entry.memory_bytes
        )
    )


@cache
def _index(vendor: str) -> Mapping[str, tuple[Entry, ...]]:
    """Entries by every key they answer to: name, aliases, and both without a leading RTX, GTX or RX."""
    index: dict[str, tuple[Entry, ...]] = {}
    for entry in _read(vendor):
        keys = {key(name) for name in (entry.name, *entry.aliases)}
        for known in sorted(keys | {_SERIES.sub("", known) for known in keys}):
            index[known] = (*index.get(known, ()), entry)
    return index


@cache
def _read(vendor: str) -> tuple[Entry, ...]:
    path = _DATA / f"{vendor}.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        return tuple(
            _entry(family, row, data["sources"])
            for family in data["family"]
            for row in family["devices"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise HardwareError(f"{path.name} is not a device catalog", repr(error)) from error


def _entry(
    family: Mapping[str, object], row: Mapping[str, object], sources: Mapping[str, str]
) -> Entry:
    """An entry from its line and what its family says; the data's test holds the literals to their types."""
    gib = row["gib"]
    sizes = cast(list[float], gib if isinstance(gib, list) else [gib])
    capability = cast(list[int] | None, family.get("compute_capability"))
    fp16 = cast(float | None, row.get("fp16"))
    source_key, _, source_id = cast(str, row["source"]).partition(" ")
    return Entry(
        name=cast(str, row["name"]),
        aliases=tuple(cast(list[str], row.get("aliases", []))),
        vendor=cast(str, family["vendor"]),
        kind=cast(DeviceKind, family["kind"]),
        memory_kind=cast(MemoryKind, family["memory_kind"]),
        tier=cast(Tier, family["tier"]),
        memory_bytes=tuple(round(size * units.GIB) for size in sorted(sizes)),
        bandwidth_bytes_per_second=round(cast(float, row["bandwidth"]) * 1e9),
        fp16_flops=None if fp16 is None else fp16 * 1e12,
        compute_capability=None if capability is None else (capability[0], capability[1]),
        unified=bool(family.get("unified", False)),
        available_share=cast(float | None, family.get("available_share")),
        mainstream=bool(row.get("mainstream", False)),
        pci=tuple(cast(list[str], row.get("pci", []))),
        source=sources[source_key].replace("{}", source_id).strip(),
        checked=cast(date, row["date"]),
        fp16_source=cast(str, family.get("fp16_source", "")),
        family=cast(str, family["name"]),
    )
