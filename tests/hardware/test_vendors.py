"""Each vendor's parser, fed what its driver says."""

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from explorer.hardware import amd, apple, intel, nvidia
from explorer.hardware.found import Found
from explorer.hardware.host import Host
from explorer.hardware.nvidia import Reading
from tests.hardware.tree import plant

GIB = 1024**3
MIB = 1024**2
HOST = Host(128 * GIB, 100 * GIB)


# --- NVIDIA


@pytest.mark.parametrize(
    ("name", "total_mib", "known", "gb_per_second"),
    [
        ("NVIDIA GeForce RTX 4090", 24564, "RTX 4090", 1008),
        ("NVIDIA GeForce RTX 3060", 12288, "RTX 3060 12GB", 360),
        ("NVIDIA GeForce RTX 4060 Ti", 16380, "RTX 4060 Ti 16GB", 288),
        ("NVIDIA H100 80GB HBM3", 81559, "H100 SXM", 3350),
        ("NVIDIA A100-SXM4-40GB", 40960, "A100 SXM 40GB", 1555),
        ("NVIDIA A100 80GB PCIe", 81920, "A100 PCIe 80GB", 1935),
        ("NVIDIA H200", 143771, "H200 SXM", 4800),
        ("NVIDIA B200", 183359, "B200", 7700),
        ("Tesla T4", 15360, "T4", 320),
        ("NVIDIA L40S", 46068, "L40S", 864),
        ("NVIDIA GH200 480GB", 97871, "GH200 96GB", 4000),
        ("Tesla V100-SXM2-16GB", 16384, "V100 SXM2 16GB", 900),
        ("Tesla P100-PCIE-16GB", 16384, "P100 PCIe 16GB", 732.2),
        ("NVIDIA GeForce RTX 4070 Laptop GPU", 8188, "RTX 4070 Laptop", 256),
        ("NVIDIA RTX 2000 Ada Generation", 16380, "RTX 2000 Ada", 256),
        (
            "NVIDIA RTX PRO 6000 Blackwell Server Edition",
            97887,
            "RTX PRO 6000 Blackwell Server",
            1597,
        ),
    ],
)
def test_nvidia_names_and_sizes(
    name: str, total_mib: int, known: str, gb_per_second: float
) -> None:
    reading = Reading(name, total_mib * MIB, total_mib * MIB - GIB, (8, 9))
    (device,) = nvidia.interpret([reading], HOST).devices
    assert device.name == known
    assert device.memory_bytes == total_mib * MIB
    assert device.available_bytes == total_mib * MIB - GIB
    assert device.bandwidth_bytes_per_second == gb_per_second * 1e9
    assert (device.kind, device.compute_capability) == ("cuda", (8, 9))


def test_an_nvidia_device_nobody_knows_keeps_what_the_driver_says() -> None:
    reading = Reading("NVIDIA GeForce RTX 9090\x1b[31m", 48 * GIB, 40 * GIB, (15, 0), 14001, 512)
    (device,) = nvidia.interpret([reading], HOST).devices
    assert device.name == "RTX 9090 [31m"
    assert device.bandwidth_bytes_per_second == 1_792_128_000_000  # 2 x 14001 MHz x 64 bytes
    assert device.memory_kind == "gddr"
    assert device.source == "NVML"


def test_clock_times_bus_agrees_with_the_data_sheet() -> None:
    # nvidia-smi shows 10501 MHz at most for an RTX 4090 (384 bits) and 2619 MHz for an H100 SXM (5120 bits).
    assert nvidia.measured_bandwidth(10501, 384) == pytest.approx(1008e9, rel=0.001)
    assert nvidia.measured_bandwidth(2619, 5120) == pytest.approx(3350e9, rel=0.001)


def test_a_dgx_spark_tells_no_memory_of_its_own() -> None:
    host = Host(127600748 * 1024, 118566368 * 1024)
    (device,) = nvidia.interpret([Reading("NVIDIA GB10", compute_capability=(12, 1))], host).devices
    assert device.name == "GB10"
    assert device.unified
    assert device.memory_bytes == host.memory_bytes
    assert device.available_bytes == host.available_bytes
    assert device.bandwidth_bytes_per_second == 273e9


class NotSupportedError(Exception):
    """Stands for ``pynvml.NVMLError``."""


def recorded_nvml() -> ModuleType:
    """NVML of a machine with an RTX 3090, and a second device that fell off the bus."""

    def handle(index: int) -> int:
        if index:
            raise NotSupportedError("GPU is lost")
        return index

    def bus_width(handle: int) -> int:
        raise NotSupportedError("Not Supported")

    nvml = ModuleType("pynvml")
    vars(nvml).update(
        NVMLError=NotSupportedError,
        NVML_CLOCK_MEM=2,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=handle,
        nvmlDeviceGetName=lambda handle: b"NVIDIA GeForce RTX 3090",
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=25769803776, free=23622320128),
        nvmlDeviceGetCudaComputeCapability=lambda handle: (8, 6),
        nvmlDeviceGetMaxClockInfo=lambda handle, clock: 9751,
        nvmlDeviceGetMemoryBusWidth=bus_width,
    )
    return nvml


def test_nvml_calls_that_fail_leave_gaps_and_not_errors() -> None:
    readings = nvidia.read(recorded_nvml())
    assert readings == [
        Reading("NVIDIA GeForce RTX 3090", 25769803776, 23622320128, (8, 6), 9751, None),
        Reading(""),
    ]
    found = nvidia.interpret(readings, HOST)
    assert [device.name for device in found.devices] == ["RTX 3090"]
    assert found.notes == ("NVIDIA device 1 could not be read",)


# --- AMD


def amd_card(number: int, pci: str, vram: int, used: int, **more: str) -> dict[str, str]:
    folder = f"sys/class/drm/card{number}/device"
    files = {"vendor": "0x1002\n", "device": f"0x{pci}\n", "uevent": "DRIVER=amdgpu\n",
             "mem_info_vram_total": f"{vram}\n", "mem_info_vram_used": f"{used}\n"} | more  # fmt: skip
    return {f"{folder}/{name}": text for name, text in files.items()}


def test_a_radeon_by_its_pci_id_and_size(tmp_path: Path) -> None:
    files = amd_card(1, "744c", 25753026560, 1 * GIB)
    files["sys/class/drm/card1-DP-1/status"] = "connected\n"
    files["sys/class/kfd/kfd/topology/nodes/0/name"] = "\n"
    found = amd.detect(plant(tmp_path, files), HOST)
    (device,) = found.devices
    assert (device.name, device.kind) == ("RX 7900 XTX", "rocm")
    assert device.available_bytes == 25753026560 - GIB
    assert device.bandwidth_bytes_per_second == 960e9
    assert device.fp16_flops == pytest.approx(122.8e12, rel=0.001)
    assert found.notes == ()


def test_parts_that_share_an_id_and_a_size_are_all_named(tmp_path: Path) -> None:
    (device,) = amd.detect(plant(tmp_path, amd_card(0, "73bf", 17163091968, 0)), HOST).devices
    assert device.name == "RX 6800 / RX 6800 XT / RX 6900 XT"
    assert device.bandwidth_bytes_per_second == 512e9
    assert device.fp16_flops is None
    assert device.kind == "vulkan"


def test_parts_of_different_bandwidth_take_the_lowest_and_say_so(tmp_path: Path) -> None:
    found = amd.detect(plant(tmp_path, amd_card(0, "73df", 12868124672, 0)), HOST)
    (device,) = found.devices
    assert device.name == "RX 6700 XT / RX 6750 XT / RX 6800M"
    assert device.bandwidth_bytes_per_second == 384e9
    assert "cannot be told apart" in found.notes[0]


def test_libdrm_tells_parts_apart_by_their_revision(tmp_path: Path) -> None:
    files = amd_card(0, "73bf", 17163091968, 0, revision="0xc1\n")
    files["usr/share/libdrm/amdgpu.ids"] = (
        "# List of AMDGPU IDs\n1.0.0\n73BF,\tC0,\tAMD Radeon RX 6900 XT\n"
        "73BF,\tC1,\tAMD Radeon RX 6800 XT\nZZZZ,\tC1,\tnone\n"
    )
    (device,) = amd.detect(plant(tmp_path, files), HOST).devices
    assert device.name == "RX 6800 XT"
    assert device.fp16_flops == pytest.approx(41.5e12, rel=0.01)


def test_eight_instincts_by_product_name(tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for number in range(8):
        files |= amd_card(
            number, "74a1", 206141652992, 297283584, product_name="AMD Instinct MI300X OAM\n"
        )
    devices = amd.detect(plant(tmp_path, files), HOST).devices
    assert [device.name for device in devices] == ["Instinct MI300X"] * 8


def test_strix_halo_counts_what_it_may_map_of_the_hosts_memory(tmp_path: Path) -> None:
    files = amd_card(
        1, "1586", GIB // 2, GIB // 4,
        mem_info_gtt_total=f"{64 * GIB}\n", mem_info_gtt_used=f"{GIB}\n",
    )  # fmt: skip
    (device,) = amd.detect(plant(tmp_path, files), Host(127 * GIB, 20 * GIB)).devices
    assert device.unified
    assert device.memory_bytes == 64 * GIB + GIB // 2
    assert device.available_bytes == 20 * GIB + GIB // 4


def test_built_in_and_driverless_amd_graphics_become_notes(tmp_path: Path) -> None:
    files = amd_card(0, "164e", GIB // 2, 0)
    files |= {
        "sys/class/drm/card1/device/vendor": "0x1002\n",
        "sys/class/drm/card1/device/device": "0x744c\n",
    }
    found = amd.detect(plant(tmp_path, files), HOST)
    assert found.devices == ()
    assert len(found.notes) == 2


# --- Intel

ARC = {
    "sys/class/drm/card0/device/vendor": "0x8086\n",
    "sys/class/drm/card0/device/device": "0x56a0\n",
    "sys/class/drm/card0/device/uevent": "DRIVER=i915\n",
}

RESOURCE = (
    "0x00000000a2000000 0x00000000a2ffffff 0x0000000000140204\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x0000004000000000 0x00000043ffffffff 0x000000000014220c\n"
)


def test_an_arc_whose_driver_tells_its_memory(tmp_path: Path) -> None:
    files = ARC | {
        "sys/class/drm/card0/lmem_total_bytes": "17095983104\n",
        "sys/class/drm/card0/lmem_avail_bytes": "16000000000\n",
    }
    found = intel.detect(plant(tmp_path, files))
    (device,) = found.devices
    assert (device.name, device.kind) == ("Arc A770 16GB", "xpu")
    assert (device.memory_bytes, device.available_bytes) == (17095983104, 16000000000)
    assert found.notes == ()


def test_an_arc_known_by_its_window(tmp_path: Path) -> None:
    found = intel.detect(plant(tmp_path, ARC | {"sys/class/drm/card0/device/resource": RESOURCE}))
    assert found.devices[0].memory_bytes == 16 * GIB
    assert "free" in found.notes[0]


def test_an_arc_that_tells_nothing_is_assumed_to_be_the_smaller_one(tmp_path: Path) -> None:
    found = intel.detect(plant(tmp_path, ARC))
    assert found.devices[0].memory_bytes == 8 * GIB
    assert "assumed" in found.notes[0]


def test_built_in_intel_graphics_are_passed_over(tmp_path: Path) -> None:
    files = ARC | {"sys/class/drm/card0/device/device": "0xa780\n"}
    assert intel.detect(plant(tmp_path, files)) == Found()


# --- Apple


def sysctl(brand: str, gib: int, wired: str = "0") -> str:
    return f"hw.memsize: {gib * GIB}\nmachdep.cpu.brand_string: {brand}\niogpu.wired_limit_mb: {wired}\n"


def test_a_mac_with_default_settings() -> None:
    (device,) = apple.interpret(sysctl("Apple M4 Max", 64)).devices
    assert (device.name, device.kind, device.unified) == ("M4 Max 64GB", "metal", True)
    assert device.available_bytes == 48 * GIB
    assert device.bandwidth_bytes_per_second == 546e9


def test_a_mac_whose_limit_was_raised() -> None:
    (device,) = apple.interpret(sysctl("Apple M1 Max", 32, "26000")).devices
    assert device.available_bytes == 26000 * MIB
    assert apple.interpret(sysctl("Apple M1 Max", 32, "26000")).notes == ()


def test_a_mac_nobody_knows() -> None:
    found = apple.interpret(sysctl("Apple M9 Pro", 64))
    assert found.devices[0].bandwidth_bytes_per_second is None
    assert "catalog" in found.notes[-1]


@pytest.mark.parametrize(
    "text",
    ["", sysctl("Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz", 16), "machdep.cpu.brand_string: "],
)
def test_other_macs_have_no_device(text: str) -> None:
    assert apple.interpret(text).devices == ()


def test_a_mac_that_does_not_tell_its_memory() -> None:
    found = apple.interpret("machdep.cpu.brand_string: Apple M2\n")
    assert (found.devices, len(found.notes)) == ((), 1)
