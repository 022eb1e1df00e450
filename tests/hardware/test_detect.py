from pathlib import Path

from explorer.hardware.detect import assemble, detect, machine_name
from explorer.hardware.found import Found
from explorer.hardware.host import Host
from explorer.hardware.machine import Device
from explorer.hardware.spec import parse_machine
from tests.hardware.tree import CPUINFO, MEMINFO, plant

GIB = 1024**3


def test_this_machine_is_described_without_an_error() -> None:
    machine = detect()
    assert machine.detected
    assert 0 < machine.host_available_bytes <= machine.host_memory_bytes


def test_a_recorded_desktop(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/cpuinfo": CPUINFO,
            "sys/class/drm/card0/device/vendor": "0x1002\n",
            "sys/class/drm/card0/device/device": "0x744c\n",
            "sys/class/drm/card0/device/mem_info_vram_total": "25753026560\n",
            "sys/class/drm/card0/device/mem_info_vram_used": "2147483648\n",
            "sys/class/drm/card1/device/vendor": "0x8086\n",
            "sys/class/drm/card1/device/device": "0xe20b\n",
        },
    )
    machine = detect(tmp_path)
    assert machine.name == "RX 7900 XTX + Arc B580"
    assert machine.physical_cores == 16
    assert machine.host_available_bytes == 51735812 * 1024
    assert any("DDR4-3200" in note for note in machine.notes)


def test_an_empty_or_broken_system_gives_a_machine_all_the_same(tmp_path: Path) -> None:
    assert detect(tmp_path).name == "CPU"
    plant(
        tmp_path,
        {
            "proc/meminfo": "MemTotal: many kB\n",
            "proc/self/cgroup": "::::\n",
            "sys/class/drm/card0/device/vendor": "0xzz",
            "sys/class/drm/card1/device/vendor": "0x1002",
            "sys/class/drm/card1/device/mem_info_vram_total": "-1",
            "sys/class/drm/cardX/device/vendor": "0x1002",
            "sys/class/drm/card2": "a file where a folder should be",
        },
    )
    assert detect(tmp_path).devices == ()


def test_equal_devices_are_counted_in_the_name() -> None:
    devices = (*parse_machine("2x RTX 3090").devices, *parse_machine("RTX 4090").devices)
    assert machine_name(devices) == "2x RTX 3090 + RTX 4090"
    assert machine_name(()) == "CPU"


def test_memory_that_is_shared_gives_the_host_its_bandwidth() -> None:
    device = Device("M4", "metal", 16 * GIB, 10 * GIB, 120_000_000_000, "lpddr", unified=True)
    machine = assemble(
        Host(16 * GIB, 8 * GIB), [Found((device,)), Found(notes=("a note", "a note"))]
    )
    assert machine.host_bandwidth_bytes_per_second == 120_000_000_000
    assert machine.notes == ("a note",)
