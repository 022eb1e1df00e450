"""Fits the speed model's coefficients to measured rows and prints how well they predict.

    python -m tests.benchmarks.fit_speed            # prints the errors
    python -m tests.benchmarks.fit_speed --write    # also writes explorer/fit/speed.toml

Decode: seconds a token = bytes / (efficiency * bandwidth) + layers * t_layer + expert layers * t_expert.
On discrete NVIDIA cards the times a layer are stated at 800 GB/s and shorter with the root of the
bandwidth: their wider devices also finish the small kernels of a layer sooner (machines left out: 6.8 %
without, 5.2 % with). Chips of one generation from Apple or AMD launch as slowly whatever their width
(Apple 13 % with, 11 % without).

Least squares of the relative error, a machine counting by the square root of its runs. Each class is
fitted on all its rows, and with one machine, and one source, left out at a time to see how what was never
seen is predicted. The range is the 10th to 90th percentile of machines left out, and its coverage that of
machines which neither the fit nor the range saw.
"""

import json
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from explorer.fit.speed import HOST, REFERENCE_BANDWIDTH, prefill_class
from explorer.hardware.catalog import lookup

DATA = Path(__file__).parents[1] / "fit_speed" / "data" / "speed.jsonl"
TARGET = Path(__file__).parents[2] / "explorer" / "fit" / "speed.toml"
GIB = 1024**3
DATE = "2026-11-26"

TITLES = {
    "nvidia-gddr": "NVIDIA GDDR",
    "nvidia-pascal": "NVIDIA before Volta",
    "nvidia-hbm": "NVIDIA HBM",
    "nvidia-gb10": "NVIDIA GB10",
    "apple": "Apple",
    "apple-m1": "Apple M1",
    "amd-apu": "AMD Strix Halo",
    "amd-rdna": "AMD RDNA",
    "intel-arc": "Intel Arc",
    "cpu": "processor",
    "mlx": "Apple",
}
ENGINES = {"mlx": "MLX"}
SCALING = {"nvidia-gddr": 0.5, "nvidia-pascal": 0.5, "nvidia-hbm": 0.5}
"""Exponent of the bandwidth by which the times a layer shrink; 0 for the others."""
# A bound rather than a fit: no memory delivers more than its peak, whatever few rows say.
LEAST_INVERSE_EFFICIENCY = 1 / 0.95


class Row(NamedTuple):
    """One measured run, or the share of one that a device or the host had."""

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
    active: float
    """Share of the weights that a token reads."""


class Offloaded(NamedTuple):
    """A run of which the host did a part: what each of them read, and the measured tokens a second."""

    device: Row
    host: Row
    decode: float


class Fit(NamedTuple):
    """Coefficients of one class."""

    inverse_efficiency: float
    layer_seconds: float
    expert_seconds: float
    split_seconds: float


def by_machine(row: Row) -> str:
    """The box."""
    return row.machine


def by_source(row: Row) -> str:
    """Who published it."""
    return row.source.split(" ")[0].split("#")[0].rstrip(",")


def _row(raw: dict[str, Any]) -> Row:
    depth = raw["depth"] or 0
    kv = raw["kv_bytes_per_token"]
    return Row(
        raw["source"], raw["hardware"].split(" * ")[0],
        "mlx" if raw["engine"] == "mlx" else raw["device_class"], raw["devices"],
        raw["bandwidth_gb_s"] * 1e9, raw["read_gib"] * GIB,
        kv * depth if kv is not None else None, raw["layers"], raw["expert_layers"], depth,
        raw["decode"], raw["parameters_b"] * 1e9, raw["prefill"],
        min(raw["read_gib"] / raw["weights_gib"], 1.0),
    )  # fmt: skip


def _read() -> list[dict[str, Any]]:
    lines = map(json.loads, DATA.read_text(encoding="utf-8").splitlines())
    return [raw for raw in lines if raw["engine"] in ("llama.cpp", "mlx")]


def rows() -> list[Row]:
    """The runs of llama.cpp and MLX on devices of the classes above, each on devices of one kind."""
    known = [_row(raw) for raw in _read() if "host_gib" not in raw]
    return [row for row in known if row.device_class in TITLES]


def offloaded() -> list[Offloaded]:
    """The runs of llama.cpp that left layers, or experts, to the host."""
    found = []
    for raw in _read():
        if "host_gib" not in raw:
            continue
        whole, read = _row(raw), raw["host_gib"] * GIB
        on_host, experts = raw["host_layers"], raw["host_expert_layers"]
        device = whole._replace(
            weight_bytes=whole.weight_bytes - read,
            layers=whole.layers - on_host,
            expert_layers=max(whole.expert_layers - experts, 0),
        )
        host = whole._replace(
            machine=whole.machine.split(" + ")[1],
            device_class=HOST,
            bandwidth=raw["host_bandwidth_gb_s"] * 1e9,
            weight_bytes=read,
            kv_bytes=0,
            layers=on_host,
            expert_layers=experts,
        )
        found.append(Offloaded(device, host, whole.decode))
    return found


def shallow(row: Row) -> bool:
    """Runs in which the KV cache hardly counts."""
    return row.depth <= 2500


def terms(row: Row) -> tuple[float, float, float, float]:
    """What each coefficient is multiplied by."""
    transfer = (row.weight_bytes + (row.kv_bytes or 0)) / row.bandwidth
    slower = (REFERENCE_BANDWIDTH / row.bandwidth) ** SCALING.get(row.device_class, 0.0)
    split = row.layers if row.devices > 1 else 0
    return transfer, row.layers * slower, row.expert_layers * slower, split * slower


def fit(sample: Sequence[Row]) -> Fit:
    """Bounded least squares of predicted over measured time, by coordinate descent."""
    counts = Counter(row.machine for row in sample)
    design = [[term * row.decode for term in terms(row)] for row in sample]
    weight = [counts[row.machine] ** -0.5 for row in sample]
    lower = (LEAST_INVERSE_EFFICIENCY, 0.0, 0.0, 0.0)
    x = [1.3, 5e-5, 0.0, 0.0]
    for _ in range(1000):
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


def quantile(
    values: Sequence[float], share: float, weights: Sequence[float] | None = None
) -> float:
    """By linear interpolation between the middles of the weights; equal weights if not given."""
    pairs = sorted(zip(values, weights or [1.0] * len(values), strict=True))
    total, so_far = sum(weight for _, weight in pairs), 0.0
    before: tuple[float, float] | None = None
    for value, weight in pairs:
        place = (so_far + weight / 2) / total
        if place >= share:
            if before is None:
                return value
            left, low = before
            return low + (value - low) * (share - left) / (place - left)
        before, so_far = (place, value), so_far + weight
    return pairs[-1][0]


Held = list[tuple[Row, float]]
"""Measured over predicted speed of rows that the fit did not see."""


def ratios(sample: Sequence[Row], fitted: Fit) -> list[float]:
    """Measured over predicted speed, a row."""
    return [row.decode * predicted(row, fitted) for row in sample]


def left_out(sample: Sequence[Row], group: Callable[[Row], str]) -> Held:
    """Each group predicted by a fit to the others; nothing if there is one."""
    names = sorted({group(row) for row in sample})
    out: Held = []
    for name in names if len(names) > 1 else ():
        mine = [row for row in sample if group(row) == name]
        seen = fit([row for row in sample if group(row) != name])
        out += zip(mine, ratios(mine, seen), strict=True)
    return out


def spread(held: Held) -> tuple[float, float]:
    """10th and 90th percentile, a machine counting as in the fit; of few machines, the medians of all."""
    counts = Counter(row.machine for row, _ in held)
    weights = [counts[row.machine] ** -0.5 for row, _ in held]
    values = [ratio for _, ratio in held]
    low, high = quantile(values, 0.1, weights), quantile(values, 0.9, weights)
    if len(counts) < 3:  # too few machines to know the spread: no narrower than a quarter
        low, high = min(low, 0.75), max(high, 1.25)
    if len(counts) < 6:
        mine = [[ratio for row, ratio in held if row.machine == name] for name in counts]
        medians = list(map(statistics.median, mine))
        low, high = min(low, *medians), max(high, *medians)
    return min(low, 1.0), max(high, 1.0)


def covered(held: Held) -> list[bool]:
    """Whether each machine's runs lie in the range that the other machines give."""
    inside = []
    for name in sorted({row.machine for row, _ in held}):
        others = [(row, ratio) for row, ratio in held if row.machine != name]
        low, high = spread(others)
        inside += [low <= ratio <= high for row, ratio in held if row.machine == name]
    return inside


def kv_efficiency(sample: Sequence[Row]) -> tuple[float, int]:
    """Median share of bandwidth at which the KV cache is read, from runs that differ in depth alone."""
    base = {(row.machine, row.weight_bytes, row.devices): row for row in sample if row.depth < 1500}
    shares = []
    for row in sample:
        start = base.get((row.machine, row.weight_bytes, row.devices))
        if row.depth < 8000 or not row.kv_bytes or start is None:
            continue
        slower = 1 / row.decode - 1 / start.decode
        if slower > 0:
            shares.append((row.kv_bytes - (start.kv_bytes or 0)) / row.bandwidth / slower)
    return (min(statistics.median(shares), 1.0), len(shares)) if shares else (0.0, 0)


def errors(values: Sequence[float]) -> str:
    """Median, 90th percentile and worst of the relative error."""
    if not values:
        return "nothing to hold out"
    off = [abs(1 / value - 1) for value in values]
    return (
        f"median {statistics.median(off):.1%}, p90 {quantile(off, 0.9):.1%}, worst {max(off):.1%}"
    )


def peak(machine: str) -> float | None:
    """The catalog's half-precision peak for a row's machine."""
    for name in (machine, machine.rsplit(" ", 1)[0]):
        if found := lookup(catalog_name(name)):
            return found[0].fp16_flops
    return None


def catalog_name(machine: str) -> str:
    """A machine's device as the catalog calls it; what stands after a comma tells boxes apart."""
    return CATALOG_NAMES.get(machine, machine.split(",", maxsplit=1)[0])


CATALOG_NAMES = {
    "3070 8GB": "RTX 3070", "3080 10GB": "RTX 3080", "3080 Ti 12GB": "RTX 3080 Ti",
    "3090 24GB": "RTX 3090", "4090 24GB": "RTX 4090", "4070 Ti 12GB": "RTX 4070 Ti",
    "4080 16GB": "RTX 4080", "H100 PCIe 80GB": "H100 PCIe", "A100 PCIe 80GB": "A100 80GB PCIe",
    "M1 Max 32‑Core GPU 64GB": "M1 Max", "M1 7‑Core GPU 8GB": "M1", "Apple M5 Max": "M5 Max",
    "M3 Max 40‑Core GPU 64GB": "M3 Max", "Apple M4 Pro": "M4 Pro",
    "RX 7900 XTX (ROCm)": "RX 7900 XTX", "RX 6700 XT (ROCm)": "RX 6700 XT",
    "RTX PRO 6000 Blackwell 600W": "RTX PRO 6000 Blackwell", "NVIDIA GB10 DGX Spark": "GB10",
}  # fmt: skip


def on_hosts(fits: dict[str, Fit]) -> list[Row]:
    """The hosts' shares of offloaded runs: what the devices' fitted times leave of the measured ones."""
    found = []
    for run in offloaded():
        seconds = 1 / run.decode - predicted(run.device, fits[run.device.device_class])
        found.append(run.host._replace(decode=1 / seconds))
    return found


def decode_table(sample: Sequence[Row], say: Callable[[str], None]) -> list[str]:
    """Lines of TOML for the decode coefficients."""
    lines: list[str] = []
    fits: dict[str, Fit] = {}
    inside_range: list[bool] = []
    for name, title in TITLES.items():
        every = [row for row in sample if row.device_class == name]
        mine = [row for row in every if shallow(row)]
        if name == HOST:
            mine += on_hosts(fits)
        fits[name] = fitted = fit(mine)
        held = left_out(mine, by_machine)
        known = held or list(zip(mine, ratios(mine, fitted), strict=True))
        low, high = spread(known)
        share, depths = kv_efficiency(every)
        machines = len({row.machine for row in mine})
        experts = sum(row.expert_layers > 0 for row in mine)
        engine = ENGINES.get(name, "llama.cpp")
        inside = covered(held) if machines > 2 else []
        inside_range += inside
        say(
            f"{title:18s} {engine} n={len(mine):3d} ({machines} machines, {experts} with experts) "
            f"eff={1 / fitted.inverse_efficiency:.3f} t_layer={fitted.layer_seconds * 1e6:.1f} us "
            f"t_expert={fitted.expert_seconds * 1e6:.1f} us t_split={fitted.split_seconds * 1e6:.1f} us "
            f"kv eff={share:.2f} (n={depths})"
        )
        say(f"    in sample          {errors(ratios(mine, fitted))}")
        say(f"    machines left out  {errors([ratio for _, ratio in held])}")
        say(f"    sources left out   {errors([ratio for _, ratio in left_out(mine, by_source)])}")
        covers = f"covers {statistics.mean(inside):.0%} of machines left out" if inside else "wide"
        say(f"    range {low:.2f} to {high:.2f}, {covers}")
        off = [abs(1 / ratio - 1) for _, ratio in known]
        lines += [
            "[[decode]]",
            f'class = "{name}"',
            f'title = "{title}"',
            f'engine = "{engine}"',
            f"rows = {len(mine)}",
            f"machines = {machines}",
            f"expert_rows = {experts}",
            f"efficiency = {1 / fitted.inverse_efficiency:.4f}",
            f"layer_us = {fitted.layer_seconds * 1e6:.2f}",
            f"expert_us = {fitted.expert_seconds * 1e6:.2f}",
            f"split_us = {fitted.split_seconds * 1e6:.2f}",
            f"scaling = {SCALING.get(name, 0.0)}",
            f"kv_efficiency = {share:.3f}",
            f"kv_rows = {depths}",
            f"low = {low:.3f}",
            f"high = {high:.3f}",
            f"median_error = {statistics.median(off):.3f}",
            f"held_out = {'true' if held else 'false'}",
            "",
        ]
    say(f"ranges cover {statistics.mean(inside_range):.0%} of {len(inside_range)} runs left out")
    return lines


def prefill_table(sample: Sequence[Row], say: Callable[[str], None]) -> list[str]:
    """Lines of TOML for the share of the peak that prompt processing reaches."""
    shares: dict[str, list[float]] = defaultdict(list)
    machines: dict[str, set[str]] = defaultdict(set)
    for row in sample:
        measured = row.prefill if row.devices == 1 and row.device_class != "mlx" else None
        flops = peak(row.machine) if measured and shallow(row) else None
        if flops is None or measured is None:
            continue
        name = prefill_class(row.device_class, catalog_name(row.machine))
        name = f"{name} experts" if row.expert_layers else name
        shares[name].append(2 * row.parameters * row.active * measured / flops)
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


def main() -> None:
    """Fit, print, and write when asked."""
    sample = rows()
    head = [
        "# Coefficients of the speed model, written by tests/benchmarks/fit_speed.py; do not edit.",
        "# Fitted to the public runs in tests/fit_speed/data/speed.jsonl (each names its source).",
        f'date = "{DATE}"',
        f"fastest = {max(row.decode for row in sample)}",
        "",
    ]
    lines = head + decode_table(sample, print) + prefill_table(sample, print)
    if "--write" in sys.argv:
        TARGET.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
