"""The quantizations a model can be run in: those its files hold, and those llama.cpp would make of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from explorer.fit.architecture import Architecture
from explorer.fit.conversion import convertible, rows_of
from explorer.fit.quantize import plan_rows
from explorer.fit.synthesis import plans_from_architecture
from explorer.fit.weight_map import WeightMap, from_tensors, scaled_to
from explorer.inspection.model import Model
from explorer.weights.layout import FileGroup
from explorer.weights.quantization import from_config

PLANNED = (
    "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "IQ4_XS", "Q3_K_M", "IQ3_XXS",
    "Q2_K", "IQ2_XXS",
)  # fmt: skip
"""What is offered of a 16-bit checkpoint, best first: what publishers of GGUF files offer."""


def of_model(model: Model) -> tuple[WeightMap, ...]:
    """The quantizations of an opened model, largest first; empty while no header has arrived.

    A GGUF repository offers the files it has, at their real sizes. A packed checkpoint (GPTQ, AWQ, FP8)
    offers itself. A 16-bit one offers what llama.cpp's rules would make of it, tensor by tensor.
    """
    if not model.checkpoint.counts.tensors or not model.complete:
        return ()
    if model.checkpoint.format == "gguf":
        options = _of_gguf(model)
    elif model.layout.kind == "diffusers":
        options = _of_pipeline(model)
    elif model.architecture is not None and _is_plain(model):
        options = _planned(model, model.architecture)
    else:
        options = (_stored(model),)
    return tuple(sorted(options, key=lambda option: -option.total_bytes))


def of_listing(
    architecture: Architecture, parameters: int | None, config: Mapping[str, Any]
) -> tuple[WeightMap, ...]:
    """The quantizations of a model known by its shape and published parameter count alone."""
    plans = plans_from_architecture(architecture, PLANNED, parameters)
    quantization = from_config(config)
    if quantization is None or quantization.bits is None:
        return plans
    bits = quantization.bits
    nearest = min(plans, key=lambda plan: abs(plan.total_bytes * 8 / (parameters or 1) - bits))
    return (replace(nearest, quantization=quantization.description),)


def _is_plain(model: Model) -> bool:
    return convertible(tensor for _, tensor in model.checkpoint.tensors())


def _layers(model: Model) -> int:
    return len(model.architecture.layers) if model.architecture else 0


def _stored(model: Model, label: str = "") -> WeightMap:
    """The checkpoint as it lies in its files."""
    counts, quantization = model.checkpoint.counts, model.checkpoint.quantization
    main = max(counts.bytes_by_dtype, key=lambda dtype: counts.bytes_by_dtype[dtype])
    name = label or (quantization.description if quantization else main)
    tensors = (tensor for _, tensor in model.checkpoint.tensors())
    tied = bool(model.architecture and model.architecture.tied_embeddings)
    stored = from_tensors(tensors, name, _layers(model), tied=tied)
    return replace(stored, components=tuple(counts.bytes_by_component.items()))


def _planned(model: Model, shape: Architecture) -> tuple[WeightMap, ...]:
    rows = rows_of((tensor for _, tensor in model.checkpoint.tensors()), shape)
    return tuple(plan_rows(rows, shape, name) for name in PLANNED)


def _of_pipeline(model: Model) -> tuple[WeightMap, ...]:
    """As stored, and where that is in single precision also at half of it, as pipelines are run."""
    stored, counts = _stored(model), model.checkpoint.counts
    single = counts.bytes_by_dtype.get("F32", 0)
    if single * 2 < stored.total_bytes:
        return (stored,)
    halved = scaled_to(stored, stored.total_bytes - single // 2, "F16")
    return (stored, replace(halved, exact=False))


def _of_gguf(model: Model) -> tuple[WeightMap, ...]:
    """The file that was read to the byte, the others of its repository by their sizes."""
    read = model.reading[0]
    own = _stored(model, read.label or read.name)
    others = [
        group
        for group in model.layout.groups
        if group.format == "gguf" and group.purpose == "weights" and group.files != read.files
    ]
    return (own, *(_by_size(own, read, group) for group in others))


def _by_size(own: WeightMap, read: FileGroup, other: FileGroup) -> WeightMap:
    """Another quantization of the same tensors: its bytes lie as those of the file that was read."""
    size = own.total_bytes * other.size_bytes // max(read.size_bytes, 1)
    return scaled_to(own, size, other.label or other.name)
