"""The quantizations a model can be run in: those its files hold, and those an engine's tools would make."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.conversion import convertible, published_bits, rows_of
from explorer.fit.formats import FORMATS, format_from_architecture, plan_format
from explorer.fit.ladder import offered
from explorer.fit.quantize import plan_rows
from explorer.fit.quantize_rules import DEFAULTS
from explorer.fit.support import refusal
from explorer.fit.synthesis import plans_from_architecture
from explorer.fit.values import Engine
from explorer.fit.weight_map import WeightMap, from_tensors, scaled_to
from explorer.inspection.model import Model
from explorer.weights.layout import FileGroup
from explorer.weights.quantization import Quantization

_ENGINES_BY_METHOD: Mapping[str, Engine] = {
    "mlx": "mlx",
    "bitsandbytes": "transformers",
    "hqq": "transformers",
    "quanto": "transformers",
}
_CONVERTED = ("gguf", "mxfp4", "fp8")
"""llama.cpp's own files, and packed methods that its converter unpacks or keeps."""


_WHOLE = {"F32", "F16", "BF16"}
"""Types of a GGUF that is not quantized."""
_PUBLISHED_AS = {"mxfp4": "MXFP4"}
"""Packed methods that a plan of 16 bits keeps, so that it is called by their name: gpt-oss, whose experts
stay MXFP4 whatever the rest becomes."""


def engine_of(quantization: Quantization | None) -> Engine:
    """The engine people run such a checkpoint on: llama.cpp unless it was packed for another."""
    if quantization is None or quantization.method in _CONVERTED:
        return "llama.cpp"
    return _ENGINES_BY_METHOD.get(quantization.method, "vllm")


def of_model(
    model: Model, engine: Engine | None = None, *, wanted: str | None = None
) -> tuple[WeightMap, ...]:
    """The quantizations of an opened model, largest first; empty while headers are missing.

    A GGUF repository offers the files it has, at their real sizes; one in 16 bits also what llama-quantize
    would make of it. A packed checkpoint (GPTQ, AWQ, MLX) offers itself. A 16-bit one offers what the
    engine's own rules would make of it, tensor by tensor; one published at 8 bits nothing above them.
    ``wanted`` is planned beside what people choose from, if llama-quantize has such a file type. Raises
    UsageError if the engine does not run its format.
    """
    if not model.checkpoint.counts.tensors or not model.complete:
        return ()
    engine = engine or engine_of(model.checkpoint.quantization)
    check_format(model, engine)
    if model.checkpoint.format == "gguf":
        options = _of_gguf(model, wanted)
    elif model.layout.kind == "diffusers":
        options = _of_pipeline(model)
    elif model.architecture is not None and _is_plain(model):
        options = _planned(model, model.architecture, engine, wanted)
    else:
        options = (_stored(model),)
    return tuple(sorted(options, key=lambda option: -option.total_bytes))


def check_format(model: Model, engine: Engine) -> None:
    """Raises UsageError, with the engine to ask instead, if an engine does not run the model's format."""
    if model.checkpoint.format == "gguf":
        _demand(engine == "llama.cpp", model, engine, "GGUF files", "llama.cpp")
    elif model.layout.kind != "diffusers" and not _is_plain(model):
        packed = model.checkpoint.quantization
        home = engine_of(packed)
        if home == "llama.cpp":  # its format could be converted, but not the way this one is packed
            home = "vllm"
        runs = home != "mlx" and engine != "llama.cpp"
        if engine == "mlx":  # what it packs itself, and some of what others pack
            runs = home == "mlx" or (packed is not None and not refusal(engine, _label(packed)))
        _demand(runs, model, engine, "packed checkpoints", home)


def of_listing(
    architecture: Architecture, parameters: int | None, quantization: Quantization | None
) -> tuple[WeightMap, ...]:
    """The quantizations of a model known by its shape and published parameter count alone.

    ``quantization`` is what its configuration declares.
    """
    kept = quantization is not None and _PUBLISHED_AS.get(quantization.method)
    if kept and architecture.supposed:
        return (format_from_architecture(architecture, kept, parameters),)
    if quantization is None or engine_of(quantization) == "llama.cpp":
        names = [rung.name for rung in offered("llama.cpp")]
        if quantization is not None and quantization.method == "fp8":
            names.remove("BF16")
        plans = plans_from_architecture(architecture, names, parameters)
        return tuple(_as_published(plan, quantization) for plan in plans)
    planned = format_from_architecture(architecture, _format_of(quantization), parameters)
    return (replace(planned, quantization=_label(quantization)),)


def _format_of(quantization: Quantization) -> str:
    """The planned format nearest to a declared quantization, by its name and its bits."""
    bits = quantization.bits or 4
    if quantization.method == "mlx":
        return min(("MLX-4bit", "MLX-6bit", "MLX-8bit"), key=lambda name: abs(int(name[4]) - bits))
    if "nvfp4" in quantization.description.lower():
        return "NVFP4"
    if quantization.method == "bitsandbytes":
        return "NF4" if bits < 8 else "GPTQ-Int8"
    if bits >= 8:
        return "FP8" if "fp8" in quantization.description.lower() else "GPTQ-Int8"
    return "AWQ" if quantization.method == "awq" else "GPTQ-Int4"


def _as_published(option: WeightMap, quantization: Quantization | None) -> WeightMap:
    """A plan of 16 bits under the name of what it keeps."""
    name = _PUBLISHED_AS.get(quantization.method) if quantization else None
    return replace(option, quantization=name) if name and option.quantization == "BF16" else option


def _label(quantization: Quantization) -> str:
    """``AWQ 4-bit``, ``Q4_1``: the description without its details."""
    return quantization.description.partition(",")[0].removeprefix("mostly ")


def _demand(runs: bool, model: Model, engine: Engine, kind: str, instead: str) -> None:
    if not runs:
        raise UsageError(
            f"{engine} does not run {kind} such as {model.id}", hint=f"ask for --engine {instead}"
        )


def _is_plain(model: Model) -> bool:
    return convertible(model.checkpoint.stored())


def _layers(model: Model) -> int:
    return len(model.architecture.layers) if model.architecture else 0


def _stored(model: Model, label: str = "") -> WeightMap:
    """The checkpoint as it lies in its files."""
    counts, quantization = model.checkpoint.counts, model.checkpoint.quantization
    main = max(counts.bytes_by_dtype, key=lambda dtype: counts.bytes_by_dtype[dtype])
    name = label or (_label(quantization) if quantization else main)
    tied = bool(model.architecture and model.architecture.tied_embeddings)
    stored = from_tensors(model.checkpoint.stored(), name, _layers(model), tied=tied)
    return replace(stored, components=tuple(counts.bytes_by_component.items()))


def _planned(
    model: Model, shape: Architecture, engine: Engine, wanted: str | None
) -> tuple[WeightMap, ...]:
    """What the engine's tools would make of a 16-bit checkpoint; of one in FP8 or MXFP4, itself and less."""
    published = model.checkpoint.quantization
    tensors = list(model.checkpoint.stored())
    names = _names(engine, wanted)
    eight = published_bits(tensors) == 8
    if eight:
        names = [name for name in names if name not in ("BF16", "FP8")]
    if engine == "llama.cpp":
        rows = rows_of(tensors, shape)
        return tuple(_as_published(plan_rows(rows, shape, name), published) for name in names)
    if published is not None and published.method in _PUBLISHED_AS:
        return (_stored(model, _PUBLISHED_AS[published.method]),)
    if eight:
        return (_stored(model, "FP8"),)
    plans = [plan_format(tensors, shape, name) for name in names if name in FORMATS]
    if set(model.checkpoint.counts.bytes_by_dtype) <= {"BF16", "F16"}:  # as it lies there
        plans = [_stored(model, "BF16") if plan.quantization == "BF16" else plan for plan in plans]
    return tuple(plans)


def _of_pipeline(model: Model) -> tuple[WeightMap, ...]:
    """As stored, and where that is in single precision also at half of it, as pipelines are run."""
    stored, counts = _stored(model), model.checkpoint.counts
    single = counts.bytes_by_dtype.get("F32", 0)
    if single * 2 < stored.total_bytes:
        return (stored,)
    halved = scaled_to(stored, stored.total_bytes - single // 2, "F16")
    return (stored, replace(halved, exact=False))


def _of_gguf(model: Model, wanted: str | None) -> tuple[WeightMap, ...]:
    """The file that was read to the byte, the others of its repository by their sizes, then plans."""
    read = model.reading[0]
    own = _stored(model, read.label or "")
    others = [
        group
        for group in model.layout.groups
        if group.format == "gguf" and group.purpose == "weights" and group.files != read.files
    ]
    files = (own, *(_by_size(own, read, group) for group in others))
    held = {option.quantization for option in files} | {"BF16"}
    names = [name for name in _names("llama.cpp", wanted) if name not in held]
    return (*files, *_quantized(model, names))


def _names(engine: Engine, wanted: str | None) -> list[str]:
    """What can be chosen for an engine, and of llama-quantize's other file types the one that is wanted."""
    names = [rung.name for rung in offered(engine)]
    if wanted is not None and engine == "llama.cpp":
        names += [name for name in DEFAULTS if name == wanted.upper() and name not in names]
    return names


def _quantized(model: Model, names: Sequence[str]) -> tuple[WeightMap, ...]:
    """What llama-quantize would make of a GGUF file in 16 bits; nothing of one that is quantized."""
    shape = model.architecture
    if (
        shape is None
        or not shape.layers
        or not set(model.checkpoint.counts.bytes_by_dtype) <= _WHOLE
    ):
        return ()
    rows = rows_of(model.checkpoint.stored(), shape)
    return tuple(plan_rows(rows, shape, name) for name in names)


def _by_size(own: WeightMap, read: FileGroup, other: FileGroup) -> WeightMap:
    """Another quantization of the same tensors: its bytes lie as those of the file that was read."""
    size = own.total_bytes * other.size_bytes // max(read.size_bytes, 1)
    return scaled_to(own, size, other.label or other.name)
