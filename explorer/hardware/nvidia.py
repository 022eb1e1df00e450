"""NVIDIA devices, through NVML: on Linux, Windows and WSL alike."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

from explorer.hardware import catalog
from explorer.hardware.found import Found
from explorer.hardware.host import Host
from explorer.hardware.machine import Device, MemoryKind
from explorer.hardware.sysfs import printable

MAX_DEVICES = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What NVML says of one device; None for what it does not say."""

    name: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    compute_capability: tuple[int, int] | None = None
    memory_clock_mhz: int | None = None
    """The highest."""
    bus_width_bits: int | None = None


def detect(host: Host) -> Found:
    """The NVIDIA devices of this machine; nothing at all where there is no driver."""
    try:
        import pynvml
    except ImportError:
        return Found(notes=("NVIDIA devices cannot be read: nvidia-ml-py is not installed",))
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return Found()
    except pynvml.NVMLError as error:
        return Found(notes=(f"NVIDIA devices cannot be read: {printable(str(error))}",))
    try:
        return interpret(read(pynvml), host)
    finally:
        try_or_none(pynvml, pynvml.nvmlShutdown)


def read(nvml: ModuleType) -> list[Reading]:
    """One reading a device, from ``pynvml`` after ``nvmlInit``; one that cannot be opened has no name."""
    count = try_or_none(nvml, nvml.nvmlDeviceGetCount) or 0
    return [_reading(nvml, index) for index in range(min(int(count), MAX_DEVICES))]


def _reading(nvml: ModuleType, index: int) -> Reading:
    handle = try_or_none(nvml, lambda: nvml.nvmlDeviceGetHandleByIndex(index))
    if handle is None:
        return Reading("")
    name = try_or_none(nvml, lambda: nvml.nvmlDeviceGetName(handle)) or "NVIDIA device"
    memory = try_or_none(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    capability = try_or_none(nvml, lambda: nvml.nvmlDeviceGetCudaComputeCapability(handle))
    clock = try_or_none(nvml, lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM))
    width = try_or_none(nvml, lambda: nvml.nvmlDeviceGetMemoryBusWidth(handle))
    return Reading(
        name=name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name),
        total_bytes=int(memory.total) if memory else None,
        free_bytes=int(memory.free) if memory else None,
        compute_capability=(int(capability[0]), int(capability[1])) if capability else None,
        memory_clock_mhz=int(clock) if clock else None,
        bus_width_bits=int(width) if width else None,
    )


def try_or_none(nvml: ModuleType, call: Callable[[], T]) -> T | None:
    """What a call returns, or None where the driver or the device does not support it."""
    try:
        return call()
    except nvml.NVMLError:
        return None


def interpret(readings: list[Reading], host: Host) -> Found:
    """Devices from what NVML said. The catalog's bandwidth is preferred to clock times bus width."""
    devices, notes = [], []
    for number, reading in enumerate(readings):
        device = _device(reading, host)
        if device is None:
            notes.append(f"NVIDIA device {number} could not be read")
        else:
            devices.append(device)
    return Found(tuple(devices), tuple(notes))


def _device(reading: Reading, host: Host) -> Device | None:
    if not reading.name:
        return None
    candidates = catalog.lookup(reading.name)
    unified = not reading.total_bytes or any(entry.unified for entry in candidates)
    total = host.memory_bytes if unified else reading.total_bytes or 0
    free = host.available_bytes if unified or reading.free_bytes is None else reading.free_bytes
    if total <= 0:
        return None
    entry = catalog.closest(candidates, total)
    clocked = measured_bandwidth(reading.memory_clock_mhz, reading.bus_width_bits)
    return Device(
        name=entry.name if entry else _plain(reading.name),
        kind="cuda",
        memory_bytes=total,
        available_bytes=min(free, total),
        bandwidth_bytes_per_second=entry.bandwidth_bytes_per_second if entry else clocked,
        memory_kind=entry.memory_kind if entry else _memory_kind(reading.bus_width_bits, unified),
        unified=unified,
        fp16_flops=entry.fp16_flops if entry else None,
        compute_capability=reading.compute_capability
        or (entry.compute_capability if entry else None),
        source=f"NVML; {entry.source}, {entry.checked}" if entry else "NVML",
    )


def measured_bandwidth(clock_mhz: int | None, width_bits: int | None) -> int | None:
    """Bytes a second: two transfers a clock over the bus, which is how NVML counts clocks of GDDR and HBM."""
    if not clock_mhz or not width_bits:
        return None
    return clock_mhz * 1_000_000 * 2 * width_bits // 8


def _memory_kind(width_bits: int | None, unified: bool) -> MemoryKind | None:
    if unified:
        return "lpddr"
    return None if not width_bits else "hbm" if width_bits >= 1024 else "gddr"


def _plain(name: str) -> str:
    """The driver's name without the vendor's."""
    return printable(name).removeprefix("NVIDIA ").removeprefix("GeForce ")
