"""Compute buffers of llama.cpp: what its allocator needs for the graph of one micro-batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.llama_cpp.allocator import HOST, Graph
from explorer.fit.llama_cpp.block import FETCHED_FIRST, Block, Inputs, Shape
from explorer.fit.llama_cpp.blocks import ROTATION, add_own, feed_forward, mix, project
from explorer.fit.llama_cpp.cache import cells
from explorer.fit.llama_cpp.scheduler import replay
from explorer.fit.llama_cpp.settings import BLOCK_BYTES, Settings
from explorer.fit.llama_cpp.traits import (
    LAYER_NORMED,
    PARALLEL,
    POSITION_TABLE,
    POST_NORMED,
    ROWS_LAST,
    STREAM_FIRST,
    STREAM_FIRST_AFTER,
    UNNORMED,
)

_SETTLED = 3
"""So many blocks of a kind at one place, and the holes they leave no longer change."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a block is."""

    place: int
    """Where its nodes are computed."""
    hosted: bool = False
    """Its weights and caches are on the host, though its nodes are not."""
    lent: tuple[tuple[str, int], ...] = ()
    """Roles and bytes of the weights that are copied over from the host when they are needed."""


@dataclass(frozen=True)
class Compute:
    """Bytes of the compute buffers on one device, or on the host alone; each counted when it is asked."""

    architecture: Architecture
    settings: Settings
    windowed: bool

    @property
    def device(self) -> int:
        """On an accelerator that holds every block."""
        return self._beside[1]

    @property
    def host(self) -> int:
        """Pinned host memory beside an accelerator: inputs, masks and the embedding rows."""
        return self._beside[0]

    @cached_property
    def alone(self) -> int:
        """Of a processor without accelerator."""
        return self._at(HOST)[0]

    @cached_property
    def _beside(self) -> tuple[int, ...]:
        return self._at(0)

    def _at(self, place: int) -> tuple[int, ...]:
        spots = (Spot(place),) * len(self.architecture.layers)
        return buffers(self.architecture, self.settings, spots, windowed=self.windowed)


def compute(architecture: Architecture, settings: Settings, *, windowed: bool = True) -> Compute:
    """What a micro-batch needs beside weights and caches, on one device or on the host alone."""
    return Compute(architecture, settings, windowed)


def buffers(
    architecture: Architecture, settings: Settings, spots: Sequence[Spot], *, windowed: bool = True,
) -> tuple[int, ...]:  # fmt: skip
    """Bytes of the host's compute buffer and of each device's, with every block at its spot.

    The graph is laid out for contexts that are powers of two; between two of them the buffers grow in
    proportion, since masks and scores do.
    """
    sample = _sample(architecture.layers, spots)
    low = 1 << (settings.n_ctx.bit_length() - 1)
    contexts = (low,) if low == settings.n_ctx else (low, 2 * low)
    found = [
        _buffers(
            sample, _Ends.of(architecture), architecture.model_type,
            replace(settings, n_ctx=context), windowed,
        )
        for context in contexts
    ]  # fmt: skip
    if len(found) == 1:
        return found[0]
    share = settings.n_ctx / low - 1
    return tuple([round(less + (more - less) * share) for less, more in zip(*found, strict=True)])


def _sample(layers: Sequence[Layer], spots: Sequence[Spot]) -> tuple[tuple[Layer, Spot], ...]:
    """Enough of the layers, in order, to meet every peak: the whole stack repeats them."""
    seen: dict[tuple[int, int], int] = {}
    kept = []
    last = len(layers) - 1
    for index, (layer, spot) in enumerate(zip(layers, spots, strict=True)):
        key = (id(layer), id(spot))
        count = seen.get(key, 0)
        seen[key] = count + 1
        if count < _SETTLED or index == last:
            kept.append((layer, spot))
    return tuple(kept)


@lru_cache(maxsize=2048)
def _buffers(
    sample: tuple[tuple[Layer, Spot], ...], ends: "_Ends", model_type: str, settings: Settings,
    windowed: bool,
) -> tuple[int, ...]:  # fmt: skip
    layers = [layer for layer, _ in sample]
    places = {spot.place for _, spot in sample}
    row = 4 * settings.n_ubatch
    shape = Shape(
        row=row,
        hidden=ends.hidden * row,
        model_type=model_type,
        flash_attention=settings.flash_attention,
        sequences=settings.sequences,
        streams=1 if settings.unified else settings.sequences,
        cuda=places != {HOST},
        type_k=settings.type_k,
        type_v=settings.type_v,
    )
    spans = [_span(layer, settings, windowed=windowed) for layer in layers]
    outputs = min(settings.n_outputs, settings.n_ubatch)
    stack = _Stack(shape, sample, spans, _input_sizes(layers, spans, settings), ends)
    graph = stack.graph(outputs)
    pipelined = len(places) > 1 and not any(spot.hosted or spot.lent for _, spot in sample)
    found = replay(graph, pipelined=pipelined)
    return (found.peak(HOST), *(found.peak(place) for place in sorted(places - {HOST})))


@dataclass(frozen=True, slots=True)
class _Ends:
    """What a graph begins and ends with."""

    hidden: int
    vocabulary: int
    """0 without logits."""
    per_layer: int
    """Elements a token of the embeddings that a layer has of its own."""
    all_layers: int
    pictures: int
    sparse: int
    """Blocks with an indexer."""

    @classmethod
    def of(cls, architecture: Architecture) -> "_Ends":
        """Those of an architecture."""
        width = architecture.per_layer_width
        return cls(
            architecture.hidden,
            0 if architecture.kind == "encoder" else architecture.vocabulary,
            width, width * len(architecture.layers), architecture.picture_streams,
            sum([count for layer, count in architecture.groups if layer.indexer_dim]),
        )  # fmt: skip


def _span(layer: Layer, settings: Settings, *, windowed: bool) -> int:
    """Tokens a block attends to: those in its cache, or without one those of the micro-batch."""
    if layer.mixer is Mixer.NONE:
        return settings.n_ubatch
    return cells(layer, settings, windowed=windowed)


@dataclass(frozen=True, slots=True)
class _InputSizes:
    """Bytes of the tensors a graph is given."""

    masks: dict[bool, int]
    """Of windowed and of other layers."""
    indices: int
    """The cells to write to; for a transposed value cache, which goes without flash attention, one a
    value element."""
    position: int
    turn_keys: int = 0
    """Of the matrices that keys and values are rotated by."""
    turn_values: int = 0


def _input_sizes(layers: Sequence[Layer], spans: Sequence[int], settings: Settings) -> _InputSizes:
    element = 2 if settings.flash_attention else 4
    masks = {
        layer.window_tokens is not None: span * settings.n_ubatch * element
        for layer, span in zip(layers, spans, strict=True)
        if layer.kv_heads
    }
    owners = [layer for layer in layers if layer.mixer is not Mixer.NONE]
    values = 1
    if not settings.flash_attention:
        widths = [
            layer.kv_heads * layer.head_dim_v for layer in owners if layer.mixer is not Mixer.MLA
        ]
        values = max(widths, default=0)
    indices = len(masks) * 8 * settings.n_ubatch * (1 + values) if owners else 0
    widths = [layer.head_dim_k for layer in owners if layer.kv_heads] or [0]
    side = max(widths) & -max(widths)  # the largest power of two in it
    return _InputSizes(
        masks, indices, 4 * settings.n_ubatch,
        turn_keys=4 * side * side if BLOCK_BYTES[settings.type_k][0] > 1 else 0,
        turn_values=4 * ROTATION * ROTATION if BLOCK_BYTES[settings.type_v][0] > 1 else 0,
    )  # fmt: skip


@dataclass(slots=True)
class _Stack:
    """The whole graph of a micro-batch."""

    shape: Shape
    sample: tuple[tuple[Layer, Spot], ...]
    spans: list[int]
    sizes: _InputSizes
    ends: _Ends

    def graph(self, outputs: int) -> Graph:
        """The nodes of a micro-batch with so many rows of logits."""
        graph, shape, ends = Graph(), self.shape, self.ends
        deep = 1 + ends.pictures
        graph.given(deep * shape.hidden)  # for those who bring embeddings of their own
        inputs = Inputs(
            position=graph.given(self.sizes.position),
            turn_keys=graph.given(self.sizes.turn_keys),
            turn_values=graph.given(self.sizes.turn_values),
            indices=graph.given(self.sizes.indices),
            masks={windowed: graph.given(size) for windowed, size in self.sizes.masks.items()},
            per_layer=ends.per_layer * shape.row,
            all_layers=ends.all_layers * shape.row,
        )
        if any(layer.indexer_dim for layer, _ in self.sample):
            inputs.indexed = graph.given(max(self.spans) * shape.row // 2)  # in f16
        chosen = graph.given(4)
        stream, pictures = self._begun(graph, inputs)
        blocks = [
            Block(graph, shape, layer, inputs, span, dict(spot.lent), spot.hosted, place=spot.place)
            for (layer, spot), span in zip(self.sample, self.spans, strict=True)
        ]
        self._give_zeros(graph, blocks)
        for block, after in pairwise(blocks):
            block.following = after
        whole = _side if shape.model_type in PARALLEL else _whole
        for index, block in enumerate(blocks[:-1]):
            stream = whole(block, stream)
            if index < ends.pictures:
                stream = graph.over(shape.hidden, stream, graph.part(pictures))
        last = outputs * 4 * ends.hidden
        rows = None if shape.model_type in ROWS_LAST else _Rows(last, chosen)
        stream = whole(blocks[-1], stream, rows)
        self._ended(graph, stream, rows or _Rows(last, chosen), outputs, chosen=rows is not None)
        return graph

    def _give_zeros(self, graph: Graph, blocks: list[Block]) -> None:
        """What indexers are given: of every block of the whole stack, from the start."""
        sparse = [block for block in blocks if block.layer.indexer_dim]
        for number, block in enumerate(sparse):
            size = block.layer.indexer_top * block.shape.row
            block.zeros = graph.given(size, block.place)
            if number + 1 == len(sparse) and self.ends.sparse > len(sparse):
                graph.given((self.ends.sparse - len(sparse)) * size, block.place)

    def _begun(self, graph: Graph, inputs: Inputs) -> tuple[int, int]:
        """The stream of embeddings, and those of pictures beside it."""
        shape, deep = self.shape, 1 + self.ends.pictures
        stream = graph.new(shape.hidden)
        table = graph.new(shape.hidden) if shape.model_type in POSITION_TABLE else None
        if inputs.all_layers:
            inputs.looked_up = graph.new(inputs.all_layers)
        graph.place = self.sample[0][1].place
        if inputs.all_layers:
            inputs.looked_up = graph.over(inputs.all_layers, inputs.looked_up)
            stream = graph.over(shape.hidden, stream)
            inputs.embedded = stream
        if table is not None:
            stream = graph.over(shape.hidden, table, stream)
        if shape.model_type in POST_NORMED:
            stream = graph.new(shape.hidden, stream)
        if deep == 1:
            return stream, -1
        pictures = graph.new(deep * shape.hidden, stream)
        return graph.view(pictures, shape.hidden), pictures

    def _ended(
        self, graph: Graph, stream: int, rows: "_Rows", outputs: int, *, chosen: bool
    ) -> None:
        """The last norm and the logits."""
        kind, logits = self.shape.model_type, outputs * 4 * self.ends.vocabulary
        if kind not in POST_NORMED:
            ending = graph.new if kind in LAYER_NORMED else graph.over
            stream = ending(rows.size if chosen else self.shape.hidden, stream)
        if chosen:
            graph.new(logits, stream)
        else:  # the stream is an output too, which keeps its memory
            graph.new(logits, graph.new(rows.size, stream, rows.chosen), stream)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows with an output, which alone the last block's feed-forward part works on."""

    size: int
    """Bytes of their stream."""
    chosen: int

    def of(self, block: Block, tensor: int) -> int:
        """These rows of a tensor."""
        return block.graph.new(self.size, tensor, self.chosen)

    def narrow(self, block: Block) -> None:
        """What follows works on these rows."""
        shape = block.full = block.shape
        row = max(shape.row * self.size // shape.hidden, 4)
        block.shape = replace(shape, hidden=self.size, row=row)


def _whole(block: Block, stream: int, rows: _Rows | None = None) -> int:
    """The stream after a block, whose feed-forward part follows its token mixer."""
    mixed = _mixed(block, stream)
    if rows:
        mixed, stream = rows.of(block, mixed), rows.of(block, stream)
        rows.narrow(block)
    parts = (mixed, stream)
    if block.shape.model_type in STREAM_FIRST:
        parts = (stream, mixed)
    stream = block.graph.over(block.shape.hidden, *parts)
    if block.shape.model_type in POST_NORMED:
        stream = block.graph.new(block.shape.hidden, stream)
        return block.graph.new(block.shape.hidden, _fed(block, stream))
    stream = _fed(block, stream)
    return add_own(block, stream) if block.inputs.per_layer else stream


def _side(block: Block, stream: int, rows: _Rows | None = None) -> int:
    """The stream after a block with both parts side by side."""
    graph, order = block.graph, PARALLEL[block.shape.model_type]
    normed = block.normed(stream)
    graph.place = block.place
    mixed = mix(block, normed)
    whole, late = block.shape, order != "early"
    if not late:
        mixed = project(block, mixed)
        mixed = rows.of(block, mixed) if rows else mixed
    if order == "apart":
        normed = stream
    if rows:
        normed = rows.of(block, normed)
        rows.narrow(block)
    fed = feed_forward(block, block.normed(normed) if order == "apart" else normed)
    size = block.shape.hidden
    if not late:
        fed = graph.over(size, mixed, fed)
    stream = rows.of(block, stream) if rows else stream
    fed = graph.over(size, fed, stream)
    if not late:
        return fed
    block.shape = whole
    mixed = project(block, mixed)
    return graph.over(size, fed, rows.of(block, mixed) if rows else mixed)


def _mixed(block: Block, stream: int) -> int:
    """The token mixer's output; the stream itself where a block has none.

    The first norm of a device's blocks is computed on the device before, so that both it and the stream
    are handed on.
    """
    block.stream = stream
    if block.layer.mixer is Mixer.NONE and not block.layer.heads:
        block.graph.place = block.place
        return stream
    if block.layer.mixer in FETCHED_FIRST:
        block.fetched()
    normed = stream if block.shape.model_type in UNNORMED | POST_NORMED else block.normed(stream)
    block.graph.place = block.place
    return mix(block, normed)


def _fed(block: Block, stream: int) -> int:
    """The stream after the feed-forward part, if there is one."""
    if not block.layer.experts and not block.layer.feed_forward:
        return stream
    kind = block.shape.model_type
    fed = feed_forward(block, stream if kind in UNNORMED | POST_NORMED else block.normed(stream))
    parts = (stream, fed) if kind in STREAM_FIRST_AFTER else (fed, stream)
    if block.layer.experts and not block.layer.shared_feed_forward:
        block.look_ahead()
    return block.graph.over(block.shape.hidden, *parts)
