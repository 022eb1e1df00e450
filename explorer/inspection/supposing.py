"""What a model needs of which some weight files could not be read: supposed, and said to be."""

from dataclasses import replace

from explorer.fit.architecture import Architecture
from explorer.fit.conversion import convertible
from explorer.fit.formats import FORMATS, format_from_architecture
from explorer.fit.ladder import offered
from explorer.fit.values import Engine
from explorer.fit.weight_map import WeightMap, scaled_to
from explorer.inspection.documents import promised_bytes
from explorer.inspection.model import Model
from explorer.inspection.quantizations import check_format, of_listing
from explorer.weights.dtypes import SAFETENSORS

_NAMED = 3


def suppose(model: Model, engine: Engine) -> tuple[Architecture, tuple[WeightMap, ...]] | None:
    """The shape and the quantizations of a model from what is known without the missing files.

    That is the shape in config.json and the size: the hub's parameter count, the index's total, or the sizes
    of the files. None if too little is known, or while headers are still on their way. Raises UsageError
    for an engine that does not run the model's format.
    """
    shape, counts = model.architecture, model.checkpoint.counts
    if shape is None or not shape.layers or not counts.tensors or not model.errors:
        return None
    if model.shards_read < model.shards_total:
        return None
    check_format(model, engine)
    size = _total_bytes(model)
    quantization = model.checkpoint.quantization
    plain = convertible(tensor for _, tensor in model.checkpoint.tensors())
    if plain and model.checkpoint.format != "gguf":
        parameters, basis = _parameters(model, size)
        if parameters is None and not shape.known:
            return None
        if engine == "llama.cpp":
            options = of_listing(shape, parameters, quantization)
        else:
            names = [rung.name for rung in offered(engine) if rung.name in FORMATS]
            options = tuple(format_from_architecture(shape, name, parameters) for name in names)
    elif size is None:
        return None
    else:
        basis = " and the size of its files"
        base = of_listing(shape, None, None)[0]
        label = model.reading[0].label or (quantization.description if quantization else "stored")
        options = (scaled_to(base, size, label.partition(",")[0]),)
    return _told(model, shape, basis), tuple(sorted(options, key=lambda one: -one.total_bytes))


def _told(model: Model, shape: Architecture, basis: str) -> Architecture:
    """The shape, with the sentence that says what was supposed."""
    missing = model.checkpoint.missing
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    said = (
        f"{', '.join(missing[:_NAMED])}{more} could not be read: "
        f"weights are supposed from the model's shape{basis}."
    )
    return replace(shape, assumptions=(*shape.assumptions, said))


def _parameters(model: Model, size: int | None) -> tuple[int | None, str]:
    """The logical parameters of a model that is not packed, and what they are told from."""
    published = model.published_parameters
    if published is not None:
        return published, " and the hub's parameter count"
    by_bytes = model.checkpoint.counts.bytes_by_dtype
    main = SAFETENSORS.get(max(by_bytes, key=lambda dtype: by_bytes[dtype]))
    if size is None or main is None:
        return None, ""
    return size * 8 // int(main.bits), " and the size of its files"


def _total_bytes(model: Model) -> int | None:
    """Bytes of all the model's tensors: by the index, or by the sizes of its files if all have one."""
    total = 0
    for group in model.reading:
        promised = promised_bytes(model.documents, group)
        if promised is None and not group.complete:
            return None
        total += promised or group.size_bytes
    return total
