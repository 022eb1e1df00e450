import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import units
from explorer.errors import UsageError
from explorer.hardware import catalog
from explorer.hardware.machine import Machine
from explorer.hardware.spec import parse_machine


def gib(size_bytes: int) -> float:
    return size_bytes / units.GIB


@pytest.mark.parametrize(
    ("text", "name", "device_gib", "host_gib"),
    [
        ("RTX 4090", "RTX 4090", [24], 64),
        ("rtx 4090", "RTX 4090", [24], 64),
        ("NVIDIA GeForce RTX 4090", "RTX 4090", [24], 64),
        ("RTX 4090 24GB, 64 GB RAM, 16 cores", "RTX 4090", [24], 64),
        ("RTX4090 128GB RAM", "RTX 4090", [24], 128),
        ("RTX 4090 with 96 GiB memory", "RTX 4090", [24], 96),
        ("2x A100 80GB, 512 GB", "2x A100 SXM 80GB", [80, 80], 512),
        ("2xA100 80G, 0.5TB", "2x A100 SXM 80GB", [80, 80], 512),
        ("A100 80GB x2", "2x A100 SXM 80GB", [80, 80], 512),
        ("2 × a100 pcie 40gb", "2x A100 PCIe 40GB", [40, 40], 256),
        ("8x H100", "8x H100 SXM", [80] * 8, 2048),
        ("RTX 3090 + RTX 4090, 64GB RAM", "RTX 3090 + RTX 4090", [24, 24], 64),
        ("RTX 3090+2xRTX 4090", "RTX 3090 + 2x RTX 4090", [24, 24, 24], 256),
        ("M4 Max 64GB", "M4 Max 64GB", [64], 64),
        ("m4 max, 64 gb", "M4 Max 64GB", [64], 64),
        ("Apple M4 Max 64GB RAM", "M4 Max 64GB", [64], 64),
        ("Strix Halo 128GB", "Strix Halo 128GB", [128], 128),
        ("Ryzen AI Max+ 395 96GB", "Strix Halo 96GB", [96], 96),
        ("DGX Spark", "GB10", [128], 128),
        ("RX 6700M", "RX 6700M", [10], 32),
        ("A6000", "RTX A6000", [48], 128),
        ("2x A6000 48GB, 96 GB", "2x RTX A6000", [48, 48], 96),
        ("A100-80GB", "A100 SXM 80GB", [80], 256),
        ("RTX 4090 - 24GB", "RTX 4090", [24], 64),
        ("cpu 32GB", "CPU", [], 32),
        ("CPU, 32 GB, 8 cores", "CPU", [], 32),
        ("cpu 1.5 TB", "CPU", [], 1536),
    ],
)
def test_machines_in_words(text: str, name: str, device_gib: list[int], host_gib: int) -> None:
    machine = parse_machine(text)
    assert machine.name == name
    assert [gib(device.memory_bytes) for device in machine.devices] == device_gib
    assert gib(machine.host_memory_bytes) == host_gib
    assert not machine.detected


def test_what_was_assumed_is_said() -> None:
    notes = " ".join(parse_machine("H100").notes)
    assert "H100 SXM" in notes
    assert "256 GiB is assumed" in notes
    assert "307.2 GB/s" in notes
    assert parse_machine("RTX 4090, 64 GB, 90 GB/s").notes == ()


def test_the_host_can_be_described_too() -> None:
    machine = parse_machine("cpu 64GB, 16 cores, 200.5 GB/s")
    assert machine.physical_cores == 16
    assert machine.host_bandwidth_bytes_per_second == 200_500_000_000


def test_one_memory_is_counted_once() -> None:
    machine = parse_machine("M4 Max 64GB")
    (device,) = machine.devices
    assert device.unified
    assert gib(device.available_bytes) == 48
    assert machine.host_bandwidth_bytes_per_second == device.bandwidth_bytes_per_second


def test_a_discrete_device_keeps_something_for_its_driver() -> None:
    (device,) = parse_machine("RTX 4090").devices
    assert gib(device.memory_bytes - device.available_bytes) == 0.5
    assert "techpowerup" in device.source


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("  , +", "empty"),
        ("64 GB", "names no device"),
        ("16 cores", "names no device"),
        ("cpu", "How much memory"),
        ("cpu quick 32GB", "not understood"),
        ("H100 CNX", "H100 PCIe"),
        ("A100", "A100 SXM 80GB"),
        ("RTX 4090 48GB", "24GB"),
        ("M4 Max", "64GB"),
        ("0x RTX 4090", "0 devices"),
        ("99999x RTX 4090", "99999 devices"),
        ("1024x RTX 4090, RTX 3090", "More than 1024"),
        ("RTX 4090, 64 GB, 32 GB", "2 times"),
        ("RTX 4090 24GB 48GB", "one size too many"),
        ("M4 Max 64GB, 32GB", "shares its memory"),
        ("M4 Max 64GB + RTX 4090", "cannot be combined"),
        ("2x DGX Spark", "cannot be combined"),
        ("cpu 0GB", "not a size"),
        ("cpu -5GB", "not understood"),
        ("RTX 4090, -64 GB", "not understood"),
        ("cpu 999999999TB", "not a size"),
        ("RTX 4090 " * 60, "too long"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error_that_helps(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_machine(text)
    assert says in str(refused.value)
    assert refused.value.hint


def test_control_characters_do_not_reach_the_message() -> None:
    with pytest.raises(UsageError) as refused:
        parse_machine("RTX 4090\x1b[31m\u202e")
    assert str(refused.value).isprintable()


def attempt(text: str) -> tuple[Machine | None, str]:
    """The machine, or what the refusal says."""
    try:
        return parse_machine(text), ""
    except UsageError as error:
        return None, str(error)


WORDS = st.sampled_from(
    ["RTX 4090", "2x", "x2", "A100", "80GB", ",", "+", "cpu", "M4 Max", "64 GB RAM", "16 cores", "90 GB/s",
     "with", "vram", "0", "H100 CNX", "1e9GB", "²GB", "٣x", "\x00", "128", "TB", "(", "max+"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=8).map(" ".join)))
def test_any_text_gives_a_machine_or_a_usage_error(text: str) -> None:
    machine, refusal = attempt(text)
    assert refusal.isprintable()
    if machine is not None:
        assert 0 < machine.host_available_bytes < machine.host_memory_bytes


@given(st.sampled_from(catalog.entries()), st.integers(1, 16), st.integers(1, 4096))
def test_every_device_can_be_described(entry: catalog.Entry, count: int, ram: int) -> None:
    size = entry.memory_bytes[0]
    if entry.unified:
        machine = parse_machine(f"{entry.name} {gib(size):g}GB")
        assert machine.host_memory_bytes == size
    else:
        machine = parse_machine(f"{count}x {entry.name}, {ram} GB")
        assert [device.memory_bytes for device in machine.devices] == [size] * count
        assert machine.host_memory_bytes == ram * units.GIB
