"""The weights of a model whose header was not read, from its architecture alone.

For rows of a listing: the matrices a block must have by its shape, at llama.cpp's types. Totals come
within a few percent; a published parameter count, where given, settles the rest.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.matrices import Matrix, matrices
from explorer.fit.quantize import traits_of
from explorer.fit.quantize_rules import (
    DEFAULTS,
    LayerShape,
    LayerTypes,
    Traits,
    category,
    embedding_type,
    fitted,
    head_type,
    known,
    layer_types,
)
from explorer.fit.weight_map import BlockWeights, WeightMap

_POSITION_TABLES = {"bert", "roberta", "xlm-roberta", "gpt2", "opt", "mpnet", "electra"}
_KEEPS_MXFP4 = {"gpt_oss", "gpt-oss"}
"""Published with MXFP4 experts, which a GGUF keeps whatever its file type."""


def parameters_of(architecture: Architecture) -> int:
    """Parameters of the language model its shape accounts for."""
    hidden = architecture.hidden
    blocks = sum(
        count * _block_parameters(layer, hidden, architecture.model_type)
        for layer, count in architecture.groups
    )
    return blocks + hidden * architecture.vocabulary * (1 if _is_tied(architecture) else 2)


def active_parameters_of(architecture: Architecture) -> int:
    """Parameters a token passes through: of the routed experts those the router picks.

    The input embedding is a look-up of one row and left out, unless it is the output head too.
    """
    blocks = _active_in_blocks(architecture.groups, architecture.hidden, architecture.model_type)
    return blocks + architecture.hidden * architecture.vocabulary


@lru_cache(maxsize=8192)
def _active_in_blocks(groups: tuple[tuple[Layer, int], ...], hidden: int, model_type: str) -> int:
    active = 0
    for layer, count in groups:
        whole = _block_parameters(layer, hidden, model_type)
        if layer.experts:
            routed = sum(
                row.columns * row.rows
                for row in matrices(layer, hidden, model_type)
                if row.role.endswith("_exps")
            )
            whole -= routed - routed * layer.experts_used // layer.experts
        active += count * whole
    return active


@lru_cache(maxsize=8192)
def _block_parameters(layer: Layer, hidden: int, model_type: str) -> int:
    weights = sum(row.columns * row.rows for row in matrices(layer, hidden, model_type))
    return weights + hidden * (2 + layer.experts)


def _is_tied(architecture: Architecture) -> bool:
    """One table for both ends; encoders and bare models have no head at all."""
    headless = architecture.kind == "encoder" or architecture.name.endswith("Model")
    return architecture.tied_embeddings or headless


@lru_cache(maxsize=65536)
def _block(layer: Layer, hidden: int, model_type: str, types: LayerTypes) -> BlockWeights:
    dense = 4 * hidden * (2 + layer.experts)  # two norms and the router, in F32
    experts = 0
    for row in matrices(layer, hidden, model_type):
        size = _matrix_bytes(row, types, model_type)
        if row.role.endswith("_exps"):
            experts += size
        else:
            dense += size
    return BlockWeights(dense, experts)


def matrix_bytes(
    architecture: Architecture, file_type: str
) -> list[tuple[tuple[str, int], ...]] | None:
    """Role and bytes of each matrix of every block in a GGUF file type; None for other types."""
    if file_type not in DEFAULTS:
        return None
    pattern_types = _types(
        (file_type,),
        tuple([_shape(layer) for layer in architecture.layers]),
        traits_of(architecture),
    )[0]
    hidden, kind = architecture.hidden, architecture.model_type
    found: dict[tuple[int, int], tuple[tuple[str, int], ...]] = {}
    sizes = []
    for layer, types in zip(architecture.layers, pattern_types, strict=True):
        key = (id(layer), id(types))
        if key not in found:
            found[key] = tuple(
                [
                    (row.role, _matrix_bytes(row, types, kind))
                    for row in matrices(layer, hidden, kind)
                ]
            )
        sizes.append(found[key])
    return sizes


def _matrix_bytes(row: Matrix, types: LayerTypes, model_type: str) -> int:
    chosen: str = getattr(types, category(row.role))
    dtype = types.stacked if types.stacked and row.stacked else chosen
    if row.stacked and model_type in _KEEPS_MXFP4:
        dtype = "MXFP4"
    return row.rows * known(fitted(dtype, row.columns)).size_bytes(row.columns)


def block_sizes(
    layer: Layer, hidden: int, model_type: str, weight_bytes: Callable[[int, int], float]
) -> BlockWeights:
    """A block's bytes where a weight of so many columns and rows takes what ``weight_bytes`` says."""
    dense, experts = 2.0 * hidden * (2 + layer.experts), 0.0  # two norms and the router, at 16 bits
    for row in matrices(layer, hidden, model_type):
        if row.role.endswith("_exps"):
            experts += layer.experts * weight_bytes(row.columns, row.rows // layer.experts)
        else:
            dense += weight_bytes(row.columns, row.rows)
    return BlockWeights(round(dense), round(experts))


@lru_cache(maxsize=8192)
def _shape(layer: Layer) -> LayerShape:
    has_values = layer.mixer is not Mixer.MLA and layer.heads > 0
    feeds = bool(layer.feed_forward) + bool(layer.experts) + bool(layer.shared_feed_forward)
    return LayerShape(has_values or layer.mixer is Mixer.GATED_DELTA, feeds, feeds)


def plan_from_architecture(
    architecture: Architecture, file_type: str, parameters: int | None = None
) -> WeightMap:
    """The weight map of a model in a GGUF file type, from its shape alone; KeyError for other types.

    ``parameters`` is the published count. Where the shape accounts for more, blocks are scaled to
    agree; where for less, the rest is a tower, or of a family that is not known other bytes.
    """
    return plans_from_architecture(architecture, (file_type,), parameters)[0]


def plans_from_architecture(
    architecture: Architecture, file_types: Iterable[str], parameters: int | None = None
) -> tuple[WeightMap, ...]:
    """As ``plan_from_architecture``, for several file types at once."""
    correction = _correction(architecture, parameters)
    return tuple(
        [
            _plan(architecture, pattern, correction)
            for pattern in _patterns(architecture, tuple(file_types))
        ]
    )


class _Pattern(NamedTuple):
    """A file type over the layers of one shape, whatever the parameter count."""

    file_type: str
    blocks: tuple[BlockWeights, ...]
    """The distinct ones."""
    order: tuple[int, ...]
    """Which of them each layer has."""
    traits: Traits


@lru_cache(maxsize=1024)
def _patterns(architecture: Architecture, file_types: tuple[str, ...]) -> tuple[_Pattern, ...]:
    """Listings ask for the same file types of many models of one shape, so this is kept."""
    layers = architecture.layers
    counted = {id(layer): _shape(layer) for layer in layers}
    layout = tuple([counted[id(layer)] for layer in layers])
    traits = traits_of(architecture)
    patterns = []
    for file_type, types in zip(file_types, _types(file_types, layout, traits), strict=True):
        places: dict[tuple[int, int], int] = {}
        blocks: list[BlockWeights] = []
        order = []
        for layer, chosen in zip(layers, types, strict=True):
            key = (id(layer), id(chosen))
            if key not in places:
                places[key] = len(blocks)
                blocks.append(_block(layer, architecture.hidden, architecture.model_type, chosen))
            order.append(places[key])
        patterns.append(_Pattern(file_type, tuple(blocks), tuple(order), traits))
    return tuple(patterns)


@lru_cache(maxsize=1024)
def _types(
    file_types: tuple[str, ...], layout: tuple[LayerShape, ...], traits: Traits
) -> tuple[tuple[LayerTypes, ...], ...]:
    return tuple(layer_types(file_type, layout, traits) for file_type in file_types)


def _scaled(block: BlockWeights, factor: float) -> BlockWeights:
    if factor == 1:
        return block
    return BlockWeights(round(block.dense_bytes * factor), round(block.expert_bytes * factor))


def needed_of(architecture: Architecture, parameters: int) -> int:
    """Of a published count what inference needs: no MTP layers, no stored copy of a tied head.

    Hubs count both where a checkpoint has them; the shape tells how large they are.
    """
    shaped = parameters_of(architecture)
    hidden = architecture.hidden
    copy = hidden * architecture.vocabulary if architecture.tied_embeddings else 0
    block = 0
    if architecture.mtp_layers and architecture.layers:
        block = _block_parameters(architecture.layers[-1], hidden, architecture.model_type)
    for extra in (copy, architecture.mtp_layers * (block + 2 * hidden * hidden)):
        if abs(parameters - extra - shaped) < abs(parameters - shaped):
            parameters -= extra
    return parameters


def _correction(architecture: Architecture, parameters: int | None) -> tuple[float, int]:
    """The factor for blocks, and parameters that the shape does not account for."""
    if not parameters:
        return 1.0, 0
    parameters = needed_of(architecture, parameters)
    shaped = parameters_of(architecture)
    ends = architecture.hidden * architecture.vocabulary * (1 if _is_tied(architecture) else 2)
    if shaped <= ends or parameters <= ends:
        return 1.0, max(parameters - shaped, 0)
    scale = (parameters - ends) / (shaped - ends)
    most = 1.0 if architecture.known else 1.05
    return (1.0, parameters - shaped) if scale > most else (scale, 0)


def _plan(
    architecture: Architecture, pattern: _Pattern, correction: tuple[float, int]
) -> WeightMap:
    hidden, file_type, traits = architecture.hidden, pattern.file_type, pattern.traits
    blocks = [_scaled(block, correction[0]) for block in pattern.blocks]
    tied = _is_tied(architecture)
    head = known(fitted(head_type(file_type, traits, hidden), hidden)).size_bytes(hidden)
    table = known(fitted(embedding_type(file_type), hidden)).size_bytes(hidden)
    rest = round(known(DEFAULTS[file_type]).bits / 8 * correction[1])
    # a GGUF of a family whose shape is known holds no more than that: towers are files of their own
    aside = rest if architecture.known else 0
    return WeightMap(
        quantization=file_type,
        blocks=tuple(map(blocks.__getitem__, pattern.order)),
        input_bytes=architecture.vocabulary * (head if tied else table),
        output_bytes=0 if tied else architecture.vocabulary * head,
        other_bytes=4 * hidden * (1 + _positions(architecture)) + rest - aside,
        vision_bytes=aside,
    )


def _positions(architecture: Architecture) -> int:
    """Rows of learned position tables."""
    learned = architecture.model_type in _POSITION_TABLES
    return (architecture.context_tokens or 0) if learned else 0
