"""Apple silicon, through ``sysctl``."""

import platform
import subprocess

from explorer import units
from explorer.hardware import catalog
from explorer.hardware.found import Found
from explorer.hardware.machine import Device
from explorer.hardware.sysfs import number, printable


def detect() -> Found:
    """The device of this Mac; nothing on other systems and on Macs with an Intel processor."""
    if platform.system() != "Darwin":
        return Found()
    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "hw.memsize", "machdep.cpu.brand_string", "iogpu.wired_limit_mb"],
            capture_output=True,
            timeout=1,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Found(notes=(f"the Mac's memory cannot be read: {printable(str(error))}",))
    return interpret(answer.stdout.decode("utf-8", "replace"))


def interpret(text: str) -> Found:
    """The device from what ``sysctl`` printed, one ``key: value`` a line; keys a system lacks may be missing.

    ``iogpu.wired_limit_mb`` is in MiB and overrides the default working-set limit; 0 means the default.
    """
    values = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    brand = printable(values.get("machdep.cpu.brand_string", ""))
    memory = number(values.get("hw.memsize", ""))
    if not brand.startswith("Apple "):
        return Found()
    if not memory:
        return Found(notes=("the Mac's memory cannot be read",))
    raised = (number(values.get("iogpu.wired_limit_mb", "")) or 0) * units.MIB
    entry = catalog.closest(catalog.lookup(brand), memory)
    device = Device(
        name=catalog.display_name(entry, memory) if entry else brand.removeprefix("Apple "),
        kind="metal",
        memory_bytes=memory,
        available_bytes=min(raised or catalog.working_set_limit(memory), memory),
        bandwidth_bytes_per_second=entry.bandwidth_bytes_per_second if entry else None,
        memory_kind="lpddr",
        unified=True,
        fp16_flops=entry.fp16_flops if entry else None,
        source=f"sysctl; {entry.source}, {entry.checked}" if entry else "sysctl",
    )
    notes = []
    if not raised:
        notes.append(
            f"{units.memory(device.available_bytes)} is assumed to be usable by the GPU:"
            " macOS 26 may allow more, and iogpu.wired_limit_mb raises it"
        )
    if entry is None:
        notes.append(f"{device.name} is not in the catalog: its bandwidth is unknown")
    return Found((device,), tuple(notes))
