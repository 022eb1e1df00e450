"""Fits the speed model's coefficients to measured rows and prints how well they predict.

    python -m tests.benchmarks.fit_speed            # prints the errors
    python -m tests.benchmarks.fit_speed --write    # also writes explorer/fit/speed.toml

Decode: seconds a token = bytes / (efficiency * bandwidth) + layers * t_layer + expert layers * t_expert,
the times a layer stated at 800 GB/s and shorter with the root of the bandwidth, since wider devices
also finish the small kernels of a layer sooner (machines left out: NVIDIA GDDR 5.9 % -> 4.6 %, Apple
40 % -> 23 % in the median);
least squares of the relative error, a machine counting by the square root of its runs. Each class is
fitted twice: on all its rows, and with one machine left out at a time to see how a machine never seen
is predicted.
"""

import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from explorer.fit.speed import REFERENCE_BANDWIDTH, prefill_class
from explorer.hardware.catalog import lookup

DATA = Path(__file__).parents[1] / "fit_speed" / "data" / "speed.jsonl"
TARGET = Path(__file__).parents[2] / "explorer" / "fit" / "speed.toml"
GIB = 1024**3
DATE = "2026-11-23"

TITLES = {
    "nvidia-gddr": "NVIDIA GDDR",
    "nvidia-hbm": "NVIDIA HBM",
    "nvidia-gb10": "NVIDIA GB10",
    "apple": "Apple",
    "amd-apu": "AMD Strix Halo",
    "amd-rdna": "AMD RDNA",
    "intel-arc": "Intel Arc",
    "cpu": "processor",
}
# A bound rather than a fit: no memory delivers more than its peak, whatever few rows say.
LEAST_INVERSE_EFFICIENCY = 1 / 0.95


class Row(NamedTuple):
    """One measured run."""

    source: str
    machine: str
    device_class: str
    devices: int
    bandwidth: float
    weight_bytes: float
    kv_bytes: float | None
    layers: int
    expert_layers: int
    depth: float
    decode: float
    parameters: float
    prefill: float | None


class Fit(NamedTuple):
    """Coefficients of one class."""

    inverse_efficiency: float
    layer_seconds: float
    expert_seconds: float
    split_seconds: float


def rows() -> list[Row]:
    """llama.cpp's runs on devices of the classes above."""
    read = []
    for line in DATA.read_text(encoding="utf-8").splitlines():
        raw = json.loads(line)
        if raw["device_class"] not in TITLES or raw["engine"] != "llama.cpp":
            continue
        depth = raw["depth"] or 0
        kv = raw["kv_bytes_per_token"]
        read.append(
            Row(
                raw["source"], raw["hardware"].split(" * ")[0],
                raw["device_class"], raw["devices"],
                raw["bandwidth_gb_s"] * 1e9, raw["read_gib"] * GIB,
                kv * depth if kv is not None else None, raw["layers"], raw["expert_layers"], depth,
                raw["decode"], raw["parameters_b"] * 1e9, raw["prefill"],
            )
        )  # fmt: skip
    return read


def shallow(row: Row) -> bool:
    """Runs in which the KV cache hardly counts."""
    return row.depth <= 1500


def terms(row: Row) -> tuple[float, float, float, float]:
    """What each coefficient is multiplied by."""
    transfer = (row.weight_bytes + (row.kv_bytes or 0)) / row.bandwidth
    slower = math.sqrt(REFERENCE_BANDWIDTH / row.bandwidth)
    split = row.layers if row.devices > 1 else 0
    return transfer, row.layers * slower, row.expert_layers * slower, split * slower


def fit(sample: Sequence[Row]) -> Fit:
    """Bounded least squares of predicted over measured time, by coordinate descent."""
    counts: dict[str, int] = defaultdict(int)
    for row in sample:
        counts[row.machine] += 1
    design = [[term * row.decode for term in terms(row)] for row in sample]
    weight = [counts[row.machine] ** -0.5 for row in sample]
    lower = (LEAST_INVERSE_EFFICIENCY, 0.0, 0.0, 0.0)
    x = [1.3, 5e-5, 0.0, 0.0]
    for _ in range(3000):
        for column in range(4):
            norm = sum(w * a[column] ** 2 for w, a in zip(weight, design, strict=True))
            if norm == 0:
                continue
            gradient = sum(
                w * a[column] * (1 - sum(v * c for v, c in zip(x, a, strict=True)))
                for w, a in zip(weight, design, strict=True)
            )
            x[column] = max(lower[column], x[column] + gradient / norm)
    return Fit(*x)


def predicted(row: Row, fitted: Fit) -> float:
    """Seconds a token."""
    return sum(v * c for v, c in zip(fitted, terms(row), strict=True))


def quantile(values: Sequence[float], share: float) -> float:
    """By linear interpolation."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def ratios(sample: Sequence[Row], fitted: Fit) -> list[float]:
    """Measured over predicted speed, a row."""
    return [row.decode * predicted(row, fitted) for row in sample]


def left_out(sample: Sequence[Row]) -> list[float]:
    """Measured over predicted speed of machines the fit did not see."""
    machines = sorted({row.machine for row in sample})
    if len(machines) < 2:
        return []
    out: list[float] = []
    for machine in machines:
        seen = [row for row in sample if row.machine != machine]
        out += ratios([row for row in sample if row.machine == machine], fit(seen))
    return out


def kv_efficiency(sample: Sequence[Row]) -> tuple[float, int]:
    """Median share of bandwidth at which the KV cache is read, from runs that differ in depth alone."""
    base = {(row.machine, row.source, row.weight_bytes): row for row in sample if row.depth == 0}
    shares = []
    for row in sample:
        if row.depth < 8000 or not row.kv_bytes:
            continue
        start = base.get((row.machine, row.source, row.weight_bytes)) or next(
            (
                b
                for b in base.values()
                if b.machine == row.machine and b.weight_bytes == row.weight_bytes
            ),
            None,
        )
        if start and 1 / row.decode > 1 / start.decode:
            shares.append(row.kv_bytes / row.bandwidth / (1 / row.decode - 1 / start.decode))
    return (min(statistics.median(shares), 1.0), len(shares)) if shares else (0.0, 0)


def errors(values: Sequence[float]) -> str:
    """Median, 90th percentile and worst of the relative error."""
    if not values:
        return "one machine, nothing to hold out"
    off = [abs(1 / value - 1) for value in values]
    return (
        f"median {statistics.median(off):.1%}, p90 {quantile(off, 0.9):.1%}, worst {max(off):.1%}"
    )


def peak(machine: str) -> float | None:
    """The catalog's half-precision peak for a row's machine."""
    for name in (machine, machine.rsplit(" ", 1)[0]):
        if found := lookup(CATALOG_NAMES.get(name, name)):
            return found[0].fp16_flops
    return None


CATALOG_NAMES = {
    "3070 8GB": "RTX 3070", "3090 24GB": "RTX 3090", "4090 24GB": "RTX 4090",
    "4070 Ti 12GB": "RTX 4070 Ti", "H100 PCIe 80GB": "H100 PCIe", "A100 PCIe 80GB": "A100 80GB PCIe",
    "M1 Max 32‑Core GPU 64GB": "M1 Max", "M1 7‑Core GPU 8GB": "M1", "Apple M5 Max": "M5 Max",
    "Apple M4 Pro": "M4 Pro", "RX 7900 XTX (ROCm)": "RX 7900 XTX",
    "RX 6700 XT (ROCm)": "RX 6700 XT", "RTX PRO 6000 Blackwell 600W": "RTX PRO 6000 Blackwell",
    "NVIDIA GB10 DGX Spark": "GB10",
}  # fmt: skip


def decode_table(sample: Sequence[Row], say: Callable[[str], None]) -> list[str]:
    """Lines of TOML for the decode coefficients."""
    lines = []
    everything = defaultdict(list)
    for row in sample:
        everything[row.device_class].append(row)
    for name, title in TITLES.items():
        mine = [row for row in everything[name] if shallow(row)]
        fitted = fit(mine)
        inside = ratios(mine, fitted)
        outside = left_out(mine)
        spread = outside or inside
        share, depths = kv_efficiency(everything[name])
        machines = len({row.machine for row in mine})
        experts = sum(row.expert_layers > 0 for row in mine)
        low, high = quantile(spread, 0.1), quantile(spread, 0.9)
        if machines < 3:  # too few machines to know the spread: no narrower than a quarter
            low, high = min(low, 0.75), max(high, 1.25)
        say(
            f"{title:15s} n={len(mine):2d} ({machines} machines, {experts} with experts) "
            f"eff={1 / fitted.inverse_efficiency:.3f} t_layer={fitted.layer_seconds * 1e6:.1f} us "
            f"t_expert={fitted.expert_seconds * 1e6:.1f} us t_split={fitted.split_seconds * 1e6:.1f} us "
            f"kv eff={share:.2f} (n={depths})"
        )
        say(f"{'':15s} in sample {errors(inside)}; machine left out {errors(outside)}")
        off = [abs(1 / value - 1) for value in spread]
        lines += [
            "[[decode]]",
            f'class = "{name}"',
            f'title = "{title}"',
            f"rows = {len(mine)}",
            f"machines = {machines}",
            f"expert_rows = {experts}",
            f"efficiency = {1 / fitted.inverse_efficiency:.4f}",
            f"layer_us = {fitted.layer_seconds * 1e6:.2f}",
            f"expert_us = {fitted.expert_seconds * 1e6:.2f}",
            f"split_us = {fitted.split_seconds * 1e6:.2f}",
            f"kv_efficiency = {share:.3f}",
            f"kv_rows = {depths}",
            f"low = {low:.3f}",
            f"high = {high:.3f}",
            f"median_error = {statistics.median(off):.3f}",
            f"held_out = {'true' if outside else 'false'}",
            "",
        ]
    return lines


def prefill_table(sample: Sequence[Row], say: Callable[[str], None]) -> list[str]:
    """Lines of TOML for the share of the peak that prompt processing reaches."""
    shares: dict[str, list[float]] = defaultdict(list)
    machines: dict[str, set[str]] = defaultdict(set)
    for row in sample:
        flops = peak(row.machine) if row.prefill and row.devices == 1 and shallow(row) else None
        if flops is None or row.prefill is None:
            continue
        name = prefill_class(row.device_class, CATALOG_NAMES.get(row.machine, row.machine))
        active = row.parameters * min(row.weight_bytes / GIB / ROW_WEIGHTS[row], 1.0)
        name = f"{name} experts" if row.expert_layers else name
        shares[name].append(2 * active * row.prefill / flops)
        machines[name].add(row.machine)
    lines = []
    for name, values in sorted(shares.items()):
        low, middle, high = (quantile(values, share) for share in (0.1, 0.5, 0.9))
        if len(machines[name]) < 3:
            low, high = min(low, 0.6 * middle), max(high, 1.5 * middle)
        say(f"prefill {name:25s} n={len(values)} of peak {low:.3f} {middle:.3f} {high:.3f}")
        lines += [
            "[[prefill]]", f'class = "{name}"', f"rows = {len(values)}",
            f"machines = {len(machines[name])}", f"low = {low:.4f}", f"share = {middle:.4f}",
            f"high = {high:.4f}", "",
        ]  # fmt: skip
    return lines


ROW_WEIGHTS: dict[Row, float] = {}


def main() -> None:
    """Fit, print, and write when asked."""
    sample = rows()
    raw = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    kept = [
        line for line in raw if line["device_class"] in TITLES and line["engine"] == "llama.cpp"
    ]
    ROW_WEIGHTS.update({row: line["weights_gib"] for row, line in zip(sample, kept, strict=True)})
    head = [
        "# Coefficients of the speed model, written by tests/benchmarks/fit_speed.py; do not edit.",
        "# Fitted to the public runs in tests/fit_speed/data/speed.jsonl (each names its source).",
        f'date = "{DATE}"',
        "",
    ]
    lines = head + decode_table(sample, print) + prefill_table(sample, print)
    if "--write" in sys.argv:
        TARGET.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
