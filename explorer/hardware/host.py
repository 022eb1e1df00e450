"""The processor and its memory."""

import platform
from dataclasses import dataclass
from pathlib import Path

from explorer import units
from explorer.hardware.cgroup import Limits, read_limits
from explorer.hardware.sysfs import number, printable, read_text

ASSUMED_BANDWIDTH = 51_200_000_000
"""Two channels of DDR4-3200: 2 x 8 bytes x 3200 MT/s."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the processor sees; sizes in bytes."""

    memory_bytes: int
    available_bytes: int
    processor: str = ""
    physical_cores: int | None = None
    notes: tuple[str, ...] = ()


def read_host(root: Path) -> Host:
    """The host, within the limits of its container. Memory is 0 where even that cannot be read."""
    total, available = parse_meminfo(read_text(root / "proc/meminfo"))
    processor, cores = parse_cpuinfo(read_text(root / "proc/cpuinfo"))
    if root == Path("/"):
        total, available, counted = _ask_psutil(total, available)
        cores = counted or cores
        processor = processor or printable(platform.processor())
    return limit(Host(total, available, processor, cores), read_limits(root))


def limit(host: Host, limits: Limits) -> Host:
    """The host as a container's limits leave it, with a note for each that bites."""
    notes = list(host.notes)
    total, available, cores = host.memory_bytes, host.available_bytes, host.physical_cores
    if limits.memory_bytes is not None and (not total or limits.memory_bytes < total):
        notes.append(
            f"the container may use {units.memory(limits.memory_bytes)}"
            f" of the host's {units.memory(total)}"
        )
        total = limits.memory_bytes
        available = min(available or total, total)
    if limits.headroom_bytes is not None:
        available = min(available, limits.headroom_bytes)
    if limits.processors is not None and (cores is None or limits.processors < cores):
        notes.append(f"the container may use {limits.processors:.3g} processors")
        cores = max(1, int(limits.processors))
    return Host(total, available, host.processor, cores, tuple(notes))


def parse_meminfo(text: str) -> tuple[int, int]:
    """Total and available bytes of ``/proc/meminfo``; available is free where an old kernel has no better."""
    values: dict[str, int] = {}
    for line in text.splitlines()[:200]:
        name, _, rest = line.partition(":")
        value = number(rest.replace("kB", ""))
        if value is not None:
            values[name] = value * 1024
    return values.get("MemTotal", 0), values.get("MemAvailable", values.get("MemFree", 0))


def parse_cpuinfo(text: str) -> tuple[str, int | None]:
    """Name and number of physical cores of ``/proc/cpuinfo``; ARM kernels tell neither."""
    name, cores, package = "", set(), ""
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in {"model name", "Model"} and not name:
            name = printable(value)
        elif key == "physical id":
            package = value
        elif key == "core id":
            cores.add((package, value))
    return name, len(cores) or None


def _ask_psutil(total: int, available: int) -> tuple[int, int, int | None]:
    """Memory and cores of this very machine, on every system; the figures given where it fails."""
    import psutil

    try:
        memory = psutil.virtual_memory()
        return memory.total, memory.available, psutil.cpu_count(logical=False)
    except (OSError, RuntimeError, ValueError, psutil.Error):
        return total, available, None
