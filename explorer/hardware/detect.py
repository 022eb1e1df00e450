"""The machine this program runs on."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from explorer.errors import ExplorerError
from explorer.hardware import amd, apple, intel, nvidia
from explorer.hardware.found import Found
from explorer.hardware.host import ASSUMED_BANDWIDTH, Host, read_host
from explorer.hardware.machine import Device, Machine
from explorer.hardware.sysfs import printable

_FAILURES = (
    ExplorerError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)
"""What hardware and drivers nobody has seen yet can make of a detector."""


def detect(root: Path = Path("/")) -> Machine:
    """The machine at hand, as its drivers and system files describe it.

    Never raises: what cannot be read is left out, and ``notes`` says so. With another ``root`` than ``/``
    only the files below it are read (a recorded system), and no driver is asked.
    """
    live = root == Path("/")
    try:
        host = read_host(root)
    except _FAILURES as error:
        host = Host(0, 0, notes=(_sentence("the host's memory", error),))
    detectors: list[tuple[str, Callable[[], Found]]] = [
        ("AMD devices", lambda: amd.detect(root, host)),
        ("Intel devices", lambda: intel.detect(root)),
    ]
    if live:
        detectors = [
            ("NVIDIA devices", lambda: nvidia.detect(host)),
            *detectors,
            ("Apple silicon", apple.detect),
        ]
    found = [_attempt(what, run) for what, run in detectors]
    machine = assemble(host, found)
    if live and platform.system() == "Windows":
        note = "AMD and Intel devices are not detected on Windows: describe them with --machine"
        machine = replace(machine, notes=(*machine.notes, note))
    return machine


def assemble(host: Host, found: Sequence[Found]) -> Machine:
    """One machine of what the detectors found."""
    devices = tuple(device for one in found for device in one.devices)
    notes = [*host.notes, *(note for one in found for note in one.notes)]
    shared = next((device for device in devices if device.unified), None)
    bandwidth = shared.bandwidth_bytes_per_second if shared else None
    if bandwidth is None:
        bandwidth = ASSUMED_BANDWIDTH
        notes.append(
            "the system does not tell the RAM's bandwidth: two channels of DDR4-3200"
            " (51.2 GB/s) are assumed"
        )
    return Machine(
        name=machine_name(devices),
        devices=devices,
        host_memory_bytes=host.memory_bytes,
        host_available_bytes=host.available_bytes,
        host_bandwidth_bytes_per_second=bandwidth,
        processor=host.processor,
        physical_cores=host.physical_cores,
        detected=True,
        notes=tuple(dict.fromkeys(notes)),
    )


def machine_name(devices: Sequence[Device]) -> str:
    """``RTX 4090``, ``2x A100 SXM 80GB``, ``RTX 3090 + RTX 4090``; ``CPU`` without devices."""
    counts: dict[str, int] = {}
    for device in devices:
        counts[device.name] = counts.get(device.name, 0) + 1
    names = (f"{count}x {name}" if count > 1 else name for name, count in counts.items())
    return " + ".join(names) or "CPU"


def _attempt(what: str, run: Callable[[], Found]) -> Found:
    try:
        return run()
    except _FAILURES as error:
        return Found(notes=(_sentence(what, error),))


def _sentence(what: str, error: BaseException) -> str:
    return f"{what} cannot be read: {printable(str(error)) or type(error).__name__}"
