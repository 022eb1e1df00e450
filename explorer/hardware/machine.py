"""A machine as the memory and speed models see it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

DeviceKind: TypeAlias = Literal["cuda", "rocm", "xpu", "metal", "vulkan", "cpu"]
MemoryKind: TypeAlias = Literal["gddr", "hbm", "lpddr", "ddr"]


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator, or the memory it shares with the host."""

    name: str
    """As people write it: ``RTX 4090``, ``M4 Max``."""
    kind: DeviceKind
    """The back end an engine would use."""
    memory_bytes: int
    """All the memory the device has."""
    available_bytes: int
    """What may be used now: free memory where it was measured, the working-set limit on Apple, otherwise
    the memory less what the driver keeps."""
    bandwidth_bytes_per_second: int | None = None
    """Peak memory bandwidth, by the maker's data sheet. None where unknown: then no speed is given."""
    memory_kind: MemoryKind | None = None
    unified: bool = False
    """The device and the host share one memory."""
    fp16_flops: float | None = None
    """Dense half-precision (tensor or matrix unit) peak, operations a second; None where unknown."""
    compute_capability: tuple[int, int] | None = None
    """CUDA's, where it is an NVIDIA device."""
    source: str = ""
    """Where the figures come from: ``NVML``, ``sysfs``, a data sheet's address and date."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware at hand, or one described in words."""

    name: str
    """``RTX 4090``, ``2x A100 80GB``, ``CPU``."""
    devices: tuple[Device, ...]
    """Accelerators only; empty for a machine that has just a processor."""
    host_memory_bytes: int
    """RAM, or the container's limit where that is lower."""
    host_available_bytes: int
    """RAM that could be used now without swapping."""
    host_bandwidth_bytes_per_second: int | None = None
    """Peak RAM bandwidth; None where unknown."""
    processor: str = ""
    physical_cores: int | None = None
    detected: bool = False
    """Read from this system, rather than described or picked."""
    notes: tuple[str, ...] = ()
    """What a person should know: a container limit, a device that could not be read, an assumption."""
