"""A machine described in words: ``2x RTX 4090, 128 GB``."""

import math
import re
from dataclasses import dataclass, replace

from explorer import units
from explorer.errors import UsageError
from explorer.hardware import catalog
from explorer.hardware.machine import Device, Machine

MAX_LENGTH = 300
MAX_DEVICES = 1024
MAX_MEMORY = 1 << 50

CONSUMER_BANDWIDTH = 89_600_000_000
"""Two channels of DDR5-5600: 2 x 8 bytes x 5600 MT/s."""
SERVER_BANDWIDTH = 307_200_000_000
"""Eight channels of DDR5-4800, one socket: 8 x 8 bytes x 4800 MT/s."""

EXAMPLES = "write RTX 4090, 2x A100 80GB, 512 GB, M4 Max 64GB or cpu 32GB"

_SEPARATOR = re.compile(r"[,;&+\n]|\bwith\b|\band\b", re.IGNORECASE)
_PLUS_NAME = re.compile(r"\b(max)\s?\+", re.IGNORECASE)
_COUNT = re.compile(r"^(\d{1,9})\s*[x×*]\s*(?=\S)", re.IGNORECASE)
_COUNT_AFTER = re.compile(r"\s[x×*]\s?(\d{1,9})$", re.IGNORECASE)
_BANDWIDTH = re.compile(r"(?<![\w.])(\d{1,6}(?:\.\d{1,3})?)\s*GB/s(?!\w)", re.IGNORECASE)
_CORES = re.compile(r"(?<![\w.])(\d{1,5})[\s-]*(?:physical\s+)?cores?(?!\w)", re.IGNORECASE)
_SIZE = re.compile(
    r"(?<![\w.])(\d{1,9}(?:\.\d{1,3})?)\s*([gt](?:i?b)?|mi?b)(?![\w/])"
    r"(?:\s*(?:of\s+)?(system\s+ram|system\s+memory|host\s+memory|unified(?:\s+memory)?|ddr[345]|ram|memory|vram)\b)?",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(r"(?<!\S)-\d")
_PROCESSOR = re.compile(r"^\s*(?:cpu(?:[\s-]only)?|processor|none|no gpu)\b", re.IGNORECASE)
_SCALE = {"m": units.MIB, "g": units.GIB, "t": 1024 * units.GIB}


@dataclass(frozen=True, slots=True)
class _Part:
    """What one stretch between commas says."""

    name: str = ""
    count: int = 1
    device_memory: int | None = None
    host_memory: int | None = None
    host_bandwidth: int | None = None
    cores: int | None = None
    processor: bool = False


def parse_machine(text: str) -> Machine:
    """The machine these words describe; ``notes`` says what was assumed.

    Devices come from the catalog: ``RTX 4090``, ``2x A100 80GB``, ``RTX 3090 + RTX 4090``. After them, in any
    order: RAM (``64 GB``), ``16 cores``, and the RAM's bandwidth (``90 GB/s``). Memory is binary whatever it
    is called, as it is sold. Raises UsageError for what it cannot read, and for names that are unknown or
    leave open which device is meant.
    """
    if len(text) > MAX_LENGTH:
        raise UsageError("The description of the machine is too long", hint=EXAMPLES)
    parts = [
        _part(piece) for piece in _SEPARATOR.split(_PLUS_NAME.sub(r"\1", text)) if piece.strip()
    ]
    if not parts:
        raise UsageError("The description of the machine is empty", hint=EXAMPLES)
    host = _Host(
        memory=_once([part.host_memory for part in parts], "RAM"),
        bandwidth=_once([part.host_bandwidth for part in parts], "bandwidth of the RAM"),
        cores=_once([part.cores for part in parts], "number of cores"),
    )
    named = [part for part in parts if part.name]
    if not named:
        return _processor_alone(parts, host)
    if sum(part.count for part in named) > MAX_DEVICES:
        raise UsageError(f"More than {MAX_DEVICES} devices are not one machine", hint=EXAMPLES)
    described = [_resolved(part, host.memory if len(named) == 1 else None) for part in named]
    return _assemble(described, host)


@dataclass(frozen=True, slots=True)
class _Host:
    """What was said of the host; None for what was not."""

    memory: int | None
    bandwidth: int | None
    cores: int | None


@dataclass(frozen=True, slots=True)
class _Group:
    """Equal devices."""

    count: int
    device: Device
    server: bool
    note: str


def _resolved(part: _Part, host_memory: int | None) -> _Group:
    """The part's devices; one that shares the host's memory may take its size from the RAM."""
    memory = part.device_memory
    if memory is None and _shares_memory(part.name):
        memory = host_memory
    match = catalog.resolve(part.name, memory)
    server = match.entry.tier == "datacenter"
    return _Group(part.count, catalog.describe(match.entry, match.memory_bytes), server, match.note)


def _assemble(groups: list[_Group], host: _Host) -> Machine:
    devices = tuple(group.device for group in groups for _ in range(group.count))
    notes = [group.note for group in groups if group.note]
    name = " + ".join(
        f"{group.count}x {group.device.name}" if group.count > 1 else group.device.name
        for group in groups
    )
    if any(device.unified for device in devices):
        return _shared_machine(name, devices, host, notes)
    memory, bandwidth = host.memory, host.bandwidth
    if memory is None:
        memory = assumed_host_memory(sum(device.memory_bytes for device in devices))
        notes.append(f"RAM was not given: {units.memory(memory)} is assumed")
    if bandwidth is None:
        bandwidth, note = assumed_host_bandwidth(server=any(group.server for group in groups))
        notes.append(note)
    return Machine(
        name=name,
        devices=devices,
        host_memory_bytes=memory,
        host_available_bytes=assumed_host_available(memory),
        host_bandwidth_bytes_per_second=bandwidth,
        physical_cores=host.cores,
        notes=tuple(dict.fromkeys(notes)),
    )


def _shared_machine(
    name: str, devices: tuple[Device, ...], host: _Host, notes: list[str]
) -> Machine:
    """A machine with one memory, which is the device's and the host's."""
    device = next(device for device in devices if device.unified)
    if len(devices) > 1:
        raise UsageError(
            f"{device.name} cannot be combined with other devices",
            "Its memory is its own host's: these would be several machines",
            "describe one machine at a time",
        )
    if host.memory not in (None, device.memory_bytes):
        raise UsageError(
            f"{device.name} shares its memory with the host",
            f"There is {units.memory(device.memory_bytes)} of it, and no other RAM",
            "give the memory once: M4 Max 64GB",
        )
    notes.append(
        f"memory is shared: {units.memory(device.available_bytes)} of"
        f" {units.memory(device.memory_bytes)} is assumed to be usable by the GPU"
    )
    return Machine(
        name=name,
        devices=devices,
        host_memory_bytes=device.memory_bytes,
        host_available_bytes=assumed_host_available(device.memory_bytes),
        host_bandwidth_bytes_per_second=host.bandwidth or device.bandwidth_bytes_per_second,
        physical_cores=host.cores,
        notes=tuple(notes),
    )


def _processor_alone(parts: list[_Part], host: _Host) -> Machine:
    if not any(part.processor for part in parts):
        raise UsageError(
            "The description names no device",
            hint="write cpu 32GB for a machine without an accelerator",
        )
    if host.memory is None:
        raise UsageError("How much memory has the processor?", hint="write cpu 32GB")
    assumed, note = assumed_host_bandwidth(server=False)
    return Machine(
        name="CPU",
        devices=(),
        host_memory_bytes=host.memory,
        host_available_bytes=assumed_host_available(host.memory),
        host_bandwidth_bytes_per_second=host.bandwidth or assumed,
        physical_cores=host.cores,
        notes=() if host.bandwidth else (note,),
    )


def assumed_host_memory(device_memory_bytes: int) -> int:
    """RAM of a machine nobody described: twice the devices' memory, rounded up to a power of two.

    At least 16 GiB. Gives 64 GiB beside an RTX 4090 and 2 TiB beside eight H100, as they are often sold.
    """
    wanted = max(2 * device_memory_bytes, 16 * units.GIB)
    return int(2 ** math.ceil(math.log2(wanted)))


def assumed_host_available(memory_bytes: int) -> int:
    """RAM left by a system and a desktop that nobody measured: all but an eighth, at most 4 GiB."""
    return memory_bytes - min(memory_bytes // 8, 4 * units.GIB)


def assumed_host_bandwidth(*, server: bool) -> tuple[int, str]:
    """Peak RAM bandwidth of a machine nobody measured, bytes a second, and the sentence that says so."""
    if server:
        return SERVER_BANDWIDTH, "RAM is assumed to be eight channels of DDR5-4800 (307.2 GB/s)"
    return CONSUMER_BANDWIDTH, "RAM is assumed to be two channels of DDR5-5600 (89.6 GB/s)"


def _part(piece: str) -> _Part:
    """One stretch taken apart; what is left after numbers and sizes is the name of a device."""
    if _NEGATIVE.search(piece):
        raise UsageError(f"{catalog.quoted(piece)} is not understood", hint=EXAMPLES)
    count, text = _counted(" ".join(piece.split()))
    part = _Part(count=count)
    if found := _BANDWIDTH.search(text):
        part = replace(part, host_bandwidth=round(float(found[1]) * 1e9) or None)
        text = text.replace(found[0], " ")
    sizes = list(_SIZE.finditer(text))
    name = _SIZE.sub(" ", text).strip(" -:")
    if processor := _PROCESSOR.match(name):
        part, name = replace(part, processor=True), name[processor.end() :].strip(" -:")
    if found := _CORES.fullmatch(name):
        part, name = replace(part, cores=int(found[1]) or None), ""
    part = replace(part, name=name)
    if not name.isascii() or (name and part.processor) or (count != 1 and not name):
        raise UsageError(f"{catalog.quoted(piece)} is not understood", hint=EXAMPLES)
    for size in sizes:
        part = _with_size(part, size)
    if part.device_memory is None and part.host_memory and _shares_memory(name):
        part = replace(part, device_memory=part.host_memory, host_memory=None)
    return part


def _counted(text: str) -> tuple[int, str]:
    """``8x H100`` and ``H100 x8`` as a count and the rest."""
    for pattern in (_COUNT, _COUNT_AFTER):
        if found := pattern.search(text):
            count = int(found[1])
            if not 1 <= count <= MAX_DEVICES:
                raise UsageError(f"{count} devices are not one machine", hint=EXAMPLES)
            return count, text.replace(found[0], " ", 1).strip()
    return 1, text


def _with_size(part: _Part, found: re.Match[str]) -> _Part:
    """The part with a size added where it belongs: RAM where it says so or stands alone, else the device."""
    size = round(float(found[1]) * _SCALE[found[2][0].lower()])
    if not 0 < size <= MAX_MEMORY:
        raise UsageError(f"{catalog.quoted(found[0])} is not a size of memory", hint=EXAMPLES)
    word = (found[3] or "").lower()
    own = part.name and (not word or word == "vram" or word.startswith("unified"))
    if own and part.device_memory in {None, size}:
        return replace(part, device_memory=size)
    if not own and part.host_memory is None:
        return replace(part, host_memory=size)
    raise UsageError(
        f"{catalog.quoted(found[0])} is one size too many",
        hint="RAM is written after a comma: RTX 4090 24GB, 64 GB RAM",
    )


def _shares_memory(name: str) -> bool:
    candidates = catalog.lookup(name)
    return bool(candidates) and all(entry.unified for entry in candidates)


def _once(values: list[int | None], what: str) -> int | None:
    """The one value that was given, or None. Raises UsageError for a second."""
    given = [value for value in values if value is not None]
    if len(given) > 1:
        raise UsageError(f"The {what} is given {len(given)} times", hint=EXAMPLES)
    return given[0] if given else None
