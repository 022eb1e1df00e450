import tomllib
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

import explorer.hardware
from explorer import units
from explorer.errors import UsageError
from explorer.hardware import catalog
from explorer.hardware.catalog import Entry, Tier
from explorer.hardware.machine import DeviceKind, MemoryKind

ENTRIES = catalog.entries()

FAMILY_KEYS = {
    "name": str,
    "vendor": str,
    "kind": str,
    "memory_kind": str,
    "tier": str,
    "compute_capability": list,
    "unified": bool,
    "available_share": float,
    "fp16_source": str,
    "devices": list,
}
ROW_KEYS = {"name", "aliases", "gib", "bandwidth", "fp16", "mainstream", "pci", "source", "date"}


def by_name(name: str) -> Entry:
    return next(entry for entry in ENTRIES if entry.name == name)


def test_the_catalog_is_as_wide_as_promised() -> None:
    assert len(ENTRIES) >= 160
    assert Counter(entry.vendor for entry in ENTRIES).keys() == {"NVIDIA", "AMD", "Intel", "Apple"}


@pytest.mark.parametrize("vendor", catalog.VENDORS)
def test_the_files_use_only_known_keys(vendor: str) -> None:
    path = Path(explorer.hardware.__path__[0], "devices", f"{vendor}.toml")
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    assert data.keys() == {"sources", "family"}
    for family in data["family"]:
        assert all(isinstance(value, FAMILY_KEYS[key]) for key, value in family.items())
        for row in family["devices"]:
            assert row.keys() <= ROW_KEYS
            assert ROW_KEYS - {"aliases", "fp16", "mainstream", "pci"} <= row.keys()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_is_whole(entry: Entry) -> None:
    assert len(entry.source) > 8
    assert "{" not in entry.source
    assert entry.checked.year >= 2025
    assert entry.kind in get_args(DeviceKind)
    assert entry.memory_kind in get_args(MemoryKind)
    assert entry.tier in get_args(Tier)
    assert all(units.GIB <= size <= 1024 * units.GIB for size in entry.memory_bytes)
    assert 50e9 <= entry.bandwidth_bytes_per_second <= 20e12
    assert entry.fp16_flops is None or (1e12 <= entry.fp16_flops <= 5e15 and entry.fp16_source)
    assert (entry.compute_capability is not None) == (entry.vendor == "NVIDIA")
    assert all(0 < catalog.assumed_available(entry, size) < size for size in entry.memory_bytes)


def test_names_are_unique_and_lead_to_their_entry() -> None:
    assert [name for name, count in Counter(e.name for e in ENTRIES).items() if count > 1] == []
    for entry in ENTRIES:
        for name in (entry.name, *entry.aliases, f"{entry.vendor} {entry.name}".upper()):
            assert entry in catalog.lookup(name), name


def test_a_name_with_its_memory_always_means_one_entry_of_that_memory() -> None:
    for entry in ENTRIES:
        for size in entry.memory_bytes:
            assert catalog.resolve(entry.name, size).memory_bytes == size


def test_vendors_do_not_share_names() -> None:
    owners: dict[str, set[str]] = {}
    for entry in ENTRIES:
        for name in (entry.name, *entry.aliases):
            owners.setdefault(catalog.key(name), set()).add(entry.vendor)
    assert [name for name, vendors in owners.items() if len(vendors) > 1] == []


# Figures of the makers' data sheets that are widely printed, beside what the catalog has.
@pytest.mark.parametrize(
    ("name", "gib", "gb_per_second", "tflops"),
    [
        ("RTX 4090", 24, 1008, 165.2),
        ("RTX 3090", 24, 936, 71),
        ("RTX 5090", 32, 1792, 209.5),
        ("T4", 16, 320, 65),
        ("A100 SXM 80GB", 80, 2039, 312),
        ("H100 SXM", 80, 3350, 989),
        ("H200 SXM", 141, 4800, 989),
        ("RX 7900 XTX", 24, 960, 122.8),
        ("Instinct MI300X", 192, 5300, 1307),
        ("M4 Max", 128, 546, 17),
        ("GB10", 128, 273, None),
    ],
)
def test_well_known_figures(
    name: str, gib: int, gb_per_second: float, tflops: float | None
) -> None:
    entry = by_name(name)
    assert entry.memory_bytes[-1] == gib * units.GIB
    assert entry.bandwidth_bytes_per_second == pytest.approx(gb_per_second * 1e9, rel=0.01)
    assert entry.fp16_flops == (tflops and pytest.approx(tflops * 1e12, rel=0.02))


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("rtx4090", "RTX 4090"),
        ("4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "RTX 4090 Laptop"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM 80GB"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000 Blackwell"),
        ("Tesla T4", "T4"),
        ("Tesla V100-SXM2-32GB", "V100 SXM2 32GB"),
        ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"),
        ("AMD Instinct MI300X", "Instinct MI300X"),
        ("Intel(R) Arc(TM) A770 Graphics", "Arc A770 16GB"),
        ("Apple M4 Pro", "M4 Pro"),
        ("DGX Spark", "GB10"),
    ],
)
def test_names_as_drivers_and_people_write_them(written: str, known: str) -> None:
    assert known in [entry.name for entry in catalog.lookup(written)]


def test_a_shared_name_means_the_mainstream_variant_and_says_so() -> None:
    match = catalog.resolve("H100")
    assert match.entry.name == "H100 SXM"
    assert "H100 NVL" in match.note
    assert catalog.resolve("RTX 3060").entry.name == "RTX 3060 12GB"
    assert catalog.resolve("RTX 3060", 8 * units.GIB).entry.name == "RTX 3060 8GB"


def test_the_parts_of_a_chip_differ_in_bandwidth_by_their_memory() -> None:
    cut = catalog.resolve("M4 Max", 36 * units.GIB).entry
    full = catalog.resolve("M4 Max", 64 * units.GIB).entry
    assert (cut.bandwidth_bytes_per_second, full.bandwidth_bytes_per_second) == (410e9, 546e9)


@pytest.mark.parametrize("name", ["A100", "RTX 4060 Ti", "M4 Max", "Strix Halo", "V100"])
def test_a_name_that_leaves_the_memory_open_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        catalog.resolve(name)
    assert all(f"{size // units.GIB}GB" in refused.value.detail
               for entry in catalog.lookup(name) for size in entry.memory_bytes)  # fmt: skip


def test_a_near_miss_is_not_taken_for_its_neighbour() -> None:
    with pytest.raises(UsageError) as refused:
        catalog.resolve("H100 CNX")
    assert "H100 PCIe" in refused.value.detail
    with pytest.raises(UsageError, match="RTX 4090"):
        catalog.resolve("RTX 4091")
    with pytest.raises(UsageError, match="24GB"):
        catalog.resolve("RTX 4090", 64 * units.GIB)


# What Metal printed as recommendedMaxWorkingSetSize, in llama.cpp's logs: MB (decimal) or MiB as it was then.
@pytest.mark.parametrize(
    ("gib", "printed"),
    [(16, 11453.25e6), (24, 17179.89e6), (32, 21845.34 * 2**20), (96, 73728 * 2**20)],
)
def test_the_working_set_of_a_mac(gib: int, printed: float) -> None:
    assert catalog.working_set_limit(gib * units.GIB) == pytest.approx(printed, rel=1e-5)
