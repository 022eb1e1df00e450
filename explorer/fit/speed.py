"""How fast a model runs: tokens a second of decode and of prefill, with their spread and their basis.

Decode reads the active weights and the cache once a token: seconds = bytes / (efficiency * bandwidth) +
layers * t_layer, summed over the devices that hold them. Prefill is a share of the device's
half-precision peak at two operations a parameter and token. The coefficients by class of device are in
``speed.toml``, fitted to public runs of llama.cpp and MLX by ``tests/benchmarks/fit_speed.py``; the
spread is that of machines the fit did not see. Without measured runs of a class, or without its
bandwidth, there is no figure, and none is faster than every run that was measured: a token of a small
model waits for what no roofline knows.
"""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from explorer.fit.architecture import Architecture
from explorer.fit.families import DENSE
from explorer.fit.synthesis import active_parameters_of
from explorer.fit.values import Placed, Range, Speed
from explorer.fit.weight_map import BlockWeights, WeightMap
from explorer.hardware.machine import Device, Machine

_DATA = Path(__file__).with_name("speed.toml")
HOST = "cpu"
"""The class of a host's own memory and processor."""
MLX = "mlx"
"""The class of Apple's chips under MLX."""
REFERENCE_BANDWIDTH = 800e9
"""Bytes a second. Where the times a layer are stated, of classes whose wider devices are quicker there."""
FEW_EXPERT_RUNS = 5
FEW_EXPERTS_LOW = 0.6
"""Widens the low end where a class was hardly measured with experts: they cost up to that elsewhere."""

_GEFORCE = re.compile(r"(?:geforce|gtx|rtx) ?[1-5]0\d0|^titan", re.IGNORECASE)
_STRIX = re.compile(r"strix halo|8060s|8050s|ai max|gfx1151", re.IGNORECASE)
_GB10 = re.compile(r"gb10|dgx spark|gx10", re.IGNORECASE)
_M1 = re.compile(r"\bm1\b", re.IGNORECASE)
_VOLTA = (7, 0)
"""The first compute capability that adds integers beside floats, as unpacking quantized weights wants."""


@dataclass(frozen=True, slots=True)
class DecodeFit:
    """What was fitted to the decode runs of one class."""

    title: str
    engine: str
    """``llama.cpp`` or ``MLX``: whose runs they are."""
    rows: int
    machines: int
    expert_rows: int
    efficiency: float
    """Share of peak bandwidth that weights are read at."""
    layer_seconds: float
    """What a layer costs besides, at ``REFERENCE_BANDWIDTH``."""
    expert_seconds: float
    """More, for a layer with experts."""
    split_seconds: float
    """More, for a layer of a model split over several devices."""
    scaling: float
    """Exponent of the bandwidth by which the three times shrink; 0 where they are the same on all."""
    kv_efficiency: float
    """Share of peak bandwidth that the cache is read at; that of GB10 where a class was not measured."""
    low: float
    """10th percentile of measured over predicted."""
    high: float
    """90th."""
    median_error: float


@dataclass(frozen=True, slots=True)
class PrefillFit:
    """Share of the half-precision peak that prompt processing reached in one class."""

    rows: int
    low: float
    share: float
    high: float


@dataclass(frozen=True, slots=True)
class DeviceRead:
    """What one device reads for a token."""

    device_class: str
    bandwidth_bytes_per_second: float
    weight_bytes: float
    kv_bytes: float = 0
    """KV cache read, and recurrent state read and written."""
    layers: float = 0
    expert_layers: float = 0


def device_class(device: Device) -> str | None:
    """The class whose runs speak for a device; None where there are none."""
    if device.kind == "cpu":
        return HOST
    if device.kind == "metal":
        return "apple-m1" if _M1.search(device.name) else "apple"
    if _STRIX.search(device.name):
        return "amd-apu"
    if device.kind == "cuda" and _GB10.search(device.name):
        return "nvidia-gb10"
    if device.compute_capability and device.compute_capability < _VOLTA:
        return "nvidia-pascal"
    return _DISCRETE.get((device.kind, device.memory_kind))


_DISCRETE: dict[tuple[str, str | None], str] = {
    ("cuda", "hbm"): "nvidia-hbm",
    ("cuda", "gddr"): "nvidia-gddr",
    ("rocm", "gddr"): "amd-rdna",
    ("vulkan", "gddr"): "amd-rdna",
    ("xpu", "gddr"): "intel-arc",
}


def prefill_class(of_class: str, name: str) -> str:
    """The class for prefill: GeForce is apart, since its data sheets count tensor cores at half rate."""
    if of_class != "nvidia-gddr":
        return of_class
    return "nvidia-geforce" if _GEFORCE.search(name) else "nvidia-pro"


def decode(reads: Sequence[DeviceRead]) -> Range | None:
    """Tokens a second of one sequence: devices work one after another, so their times add.

    None if any device that reads something is of a class without measured runs.
    """
    busy = [read for read in reads if read.weight_bytes or read.kv_bytes]
    fits, fastest = _fits()[0], _fits()[2]
    seconds = low = high = 0.0
    split = sum(read.device_class != HOST for read in busy) > 1
    for read in busy:
        fit = fits.get(read.device_class)
        if fit is None or read.bandwidth_bytes_per_second <= 0:
            return None
        own = _seconds(read, fit, split=split)
        seconds += own
        doubtful = read.expert_layers > 0 and fit.expert_rows < FEW_EXPERT_RUNS
        low += own / (fit.low * (FEW_EXPERTS_LOW if doubtful else 1))
        high += own / fit.high
    if not seconds:
        return None
    # the same share of a range that is faster than any run there was
    slower = max(1.0, 1 / fastest / seconds)
    return Range(1 / low / slower, 1 / seconds / slower, 1 / high / slower)


def _seconds(read: DeviceRead, fit: DecodeFit, *, split: bool) -> float:
    weights = read.weight_bytes / (fit.efficiency * read.bandwidth_bytes_per_second)
    cache = read.kv_bytes / (fit.kv_efficiency * read.bandwidth_bytes_per_second)
    slower = math.pow(REFERENCE_BANDWIDTH / read.bandwidth_bytes_per_second, fit.scaling)
    per_layer = fit.layer_seconds + (fit.split_seconds if split else 0)
    small = read.layers * per_layer + read.expert_layers * fit.expert_seconds
    return weights + cache + small * slower


def prefill(device: Device, parameters: float, *, experts: bool = False) -> Range | None:
    """Tokens a second of prompt processing by one device at so many parameters a token.

    None without the device's half-precision peak or without runs of its class.
    """
    of_class = device_class(device)
    if of_class is None or not device.fp16_flops or parameters <= 0:
        return None
    name = prefill_class(of_class, device.name)
    fits = _fits()[1]
    fit = fits.get(f"{name} experts" if experts else name)
    if fit is not None:
        low, share, high = fit.low, fit.share, fit.high
    elif experts and name in fits:  # never measured with experts: as little as a third elsewhere
        low, share, high = fits[name].low / 3, fits[name].share / 2, fits[name].high
    else:
        return None
    most = device.fp16_flops / (2 * parameters)
    return Range(low * most, share * most, high * most)


def active_bytes(block: BlockWeights, used: int, experts: int) -> float:
    """Bytes of a block that one token reads."""
    return block.dense_bytes + (block.expert_bytes * used / experts if experts else 0)


def estimate(
    architecture: Architecture,
    weights: WeightMap,
    machine: Machine,
    placement: Sequence[Placed],
    *,
    gpu_layers: int,
    host_expert_layers: int = 0,
    depth: float = 1.0,
) -> Speed:
    """Decode and prefill of one sequence for a model placed on a machine.

    ``placement`` is one entry a device in use, and ``host`` if it holds anything; ``depth`` is how full
    the KV cache is, 0 to 1. The token embedding is not read but for one row, unless it is the head too.
    """
    active = active_weight_bytes(architecture, weights)
    reads, missing = _reads(
        architecture, weights, machine, placement, (gpu_layers, host_expert_layers, depth, active)
    )
    found = None if missing else decode(reads)
    if found is None:
        return Speed(None, None, missing or "No measured runs of this kind of device.")
    devices = _named(machine, placement)
    experts = any(layer.experts for layer, _ in architecture.groups)
    prompt = None
    if devices and gpu_layers >= len(weights.blocks) and not host_expert_layers:
        prompt = prefill(devices[0], active_parameters_of(architecture), experts=experts)
    return Speed(found, prompt, basis(reads, active))


def no_decode(architecture: Architecture) -> str:
    """Why a model has no decode speed on any machine and engine; empty for one that has."""
    if architecture.kind == "encoder":
        return "An encoder reads its whole input at once: it does not decode."
    if architecture.supposed and architecture.model_type not in DENSE:
        return "The shape was not read: if it is a mixture of experts, a token reads a part of it."
    return ""


def active_weight_bytes(architecture: Architecture, weights: WeightMap) -> float:
    """Bytes of weights that one token reads."""
    blocks, layers = weights.blocks, architecture.layers
    known = dict(zip(map(id, blocks), blocks, strict=True))
    shapes = dict(zip(map(id, layers), layers, strict=True))
    # a plan's equal blocks are one value: counted first, since listings ask this of every row
    pairs = Counter(zip(map(id, blocks), map(id, layers), strict=False))
    return (weights.output_bytes or weights.input_bytes) + sum(
        count * active_bytes(known[block], shapes[layer].experts_used, shapes[layer].experts)
        for (block, layer), count in pairs.items()
    )


def _reads(
    architecture: Architecture,
    weights: WeightMap,
    machine: Machine,
    placement: Sequence[Placed],
    settings: tuple[int, int, float, float],
) -> tuple[list[DeviceRead], str]:
    """What every device reads a token, or why that cannot be said."""
    gpu_layers, host_experts, depth, active = settings
    on_host = _on_host(architecture, weights, gpu_layers, host_experts)
    on_devices = active - on_host
    by_name = {device.name: device for device in machine.devices}
    held = sum(placed.memory.weights for placed in placement if placed.device in by_name)
    blocks = len(weights.blocks)
    experts = sum(count for layer, count in architecture.groups if layer.experts) / max(blocks, 1)
    reads = []
    for placed in placement:
        device = by_name.get(placed.device)
        cache = placed.memory.kv_cache * depth + 2 * placed.memory.recurrent_state
        if device is None:
            of_class: str | None = HOST
            bandwidth = machine.host_bandwidth_bytes_per_second
            layers, read = float(max(blocks - gpu_layers, 0)), on_host
            of_experts = max(layers, host_experts) * experts
        else:
            of_class, bandwidth = device_class(device), device.bandwidth_bytes_per_second
            share = placed.memory.weights / held if held else 1.0
            layers, read = min(gpu_layers, blocks) * share, on_devices * share
            of_experts = min(gpu_layers, blocks - host_experts) * share * experts
        if not read and not layers:
            continue
        if of_class is None:
            return [], f"No measured runs of devices like {placed.device}."
        if not bandwidth:
            return [], f"The memory bandwidth of {placed.device} is not known."
        reads.append(DeviceRead(of_class, bandwidth, read, cache, layers, of_experts))
    return reads, ""


def _on_host(
    architecture: Architecture, weights: WeightMap, gpu_layers: int, host_experts: int
) -> float:
    """Bytes the host reads a token: whole blocks first, or the experts of the first blocks."""
    first = max(len(weights.blocks) - gpu_layers, 0)
    if not first and not host_experts:
        return 0.0
    pairs = list(zip(weights.blocks, architecture.layers, strict=False))
    bytes_read = sum(
        active_bytes(block, layer.experts_used, layer.experts) for block, layer in pairs[:first]
    )
    for block, layer in pairs[first : max(first, host_experts)]:
        bytes_read += block.expert_bytes * layer.experts_used / max(layer.experts, 1)
    if gpu_layers == 0:
        bytes_read += weights.output_bytes or weights.input_bytes
    return bytes_read


def _named(machine: Machine, placement: Sequence[Placed]) -> list[Device]:
    names = {placed.device for placed in placement}
    return [device for device in machine.devices if device.name in names]


def basis(reads: Sequence[DeviceRead], active: float) -> str:
    """What the figure rests on, in a sentence."""
    cache = sum(read.kv_bytes for read in reads)
    cached = f" and {cache / 1e9:.1f} GB of cache" if cache >= 5e7 else ""
    parts = []
    for read in {read.device_class: read for read in reads}.values():
        fit = _fits()[0][read.device_class]
        mixed = f", {fit.expert_rows or 'none'} with experts" if read.expert_layers else ""
        runs = f"{fit.rows} run{'s' if fit.rows > 1 else ''} of {fit.engine}{mixed}"
        few = fit.rows <= 3 or fit.machines < 2
        known = "too few to know the error" if few else f"median error {fit.median_error:.0%}"
        parts.append(
            f"{read.bandwidth_bytes_per_second / 1e9:,.0f} GB/s ({fit.title}, {runs}, {known})"
        )
    return f"{active / 1e9:.1f} GB of weights{cached} read a token at {' and '.join(parts)}."


@lru_cache(maxsize=1)
def _fits() -> tuple[dict[str, DecodeFit], dict[str, PrefillFit], float]:
    """The coefficients of ``speed.toml``, which the project ships and its tests validate.

    The last is the fastest of all measured runs, in tokens a second.
    """
    raw = tomllib.loads(_DATA.read_text(encoding="utf-8"))
    fallback = next(row["kv_efficiency"] for row in raw["decode"] if row["class"] == "nvidia-gb10")
    decodes = {
        row["class"]: DecodeFit(
            row["title"],
            row["engine"],
            row["rows"],
            row["machines"],
            row["expert_rows"],
            row["efficiency"],
            row["layer_us"] / 1e6,
            row["expert_us"] / 1e6,
            row["split_us"] / 1e6,
            row["scaling"],
            row["kv_efficiency"] or fallback,
            row["low"],
            row["high"],
            row["median_error"],
        )
        for row in raw["decode"]
    }
    prefills = {
        row["class"]: PrefillFit(row["rows"], row["low"], row["share"], row["high"])
        for row in raw["prefill"]
    }
    return decodes, prefills, raw["fastest"]
