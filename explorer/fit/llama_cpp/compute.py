"""Compute buffers of llama.cpp: what its allocator needs for the graph of one micro-batch."""

from dataclasses import dataclass, replace
from functools import lru_cache

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.llama_cpp.allocator import CPU_ALIGNMENT, CUDA_ALIGNMENT, Graph
from explorer.fit.llama_cpp.blocks import Inputs, Shape, feed_forward, mix
from explorer.fit.llama_cpp.cache import cells
from explorer.fit.llama_cpp.settings import BLOCK_BYTES, Settings

COPIES = 4
"""Batches in flight over several devices (``GGML_SCHED_MAX_COPIES``)."""
DEEPSTACK = 3
"""Further streams of a picture that Qwen3-VL adds to its first blocks, which come with the embeddings."""
_DEEPSTACKED = frozenset({
    "qwen3vl", "qwen3vlmoe", "qwen3_vl", "qwen3_vl_text", "qwen3_vl_moe", "qwen3_vl_moe_text",
})  # fmt: skip
_SETTLED = 2
"""So many blocks of a kind, and the holes they leave no longer change."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Bytes of the compute buffers."""

    device: int
    """On an accelerator that holds every block."""
    host: int
    """Pinned host memory beside an accelerator: inputs, masks and the embedding rows."""
    alone: int
    """Of a processor without accelerator."""
    inputs: int
    """Of these, masks, positions and indices."""
    stream: int
    """The residual stream of a micro-batch."""
    blocks: int
    """On an accelerator whose inputs are kept beside the graph, which then cannot reuse their memory."""

    def pipelined(self, *, first: bool) -> int:
        """On one of several devices that hold all blocks, which work on four batches at a time.

        Each then keeps four copies of what it is given, which are never overwritten
        (``ggml-backend.cpp``, n_copies): inputs and the stream, and after the first device the stream
        within a block as well.
        """
        return self.blocks + COPIES * (self.inputs + (1 if first else 2) * self.stream)

    def towards(self, other: "Compute", share: float) -> "Compute":
        """So much of the way from this one to another."""
        return Compute(
            device=round(self.device + (other.device - self.device) * share),
            host=round(self.host + (other.host - self.host) * share),
            alone=round(self.alone + (other.alone - self.alone) * share),
            inputs=round(self.inputs + (other.inputs - self.inputs) * share),
            stream=self.stream,
            blocks=round(self.blocks + (other.blocks - self.blocks) * share),
        )

    @property
    def pipelined_host(self) -> int:
        """Of the host beside them."""
        return self.host + (COPIES - 1) * self.inputs


def compute(architecture: Architecture, settings: Settings, *, windowed: bool = True) -> Compute:
    """What a micro-batch needs beside weights and caches.

    The graph is laid out for contexts that are powers of two; between two of them the buffers grow in
    proportion, since masks and scores do.
    """
    sample = _sample(architecture)
    vocabulary = 0 if architecture.kind == "encoder" else architecture.vocabulary
    low = 1 << (settings.n_ctx.bit_length() - 1)
    found = [
        _compute(
            sample, architecture.hidden, vocabulary, architecture.model_type,
            replace(settings, n_ctx=context), windowed,
        )
        for context in ((low,) if low == settings.n_ctx else (low, 2 * low))
    ]  # fmt: skip
    return found[0] if len(found) == 1 else found[0].towards(found[1], settings.n_ctx / low - 1)


def _sample(architecture: Architecture) -> tuple[Layer, ...]:
    """Enough of the layers, in order, to meet every peak: the whole stack repeats them."""
    seen: dict[int, int] = {}
    kept = []
    for layer in architecture.layers:
        count = seen.get(id(layer), 0)
        seen[id(layer)] = count + 1
        if count < _SETTLED:
            kept.append(layer)
    return (*kept, architecture.layers[-1])


@lru_cache(maxsize=1024)
def _compute(
    layers: tuple[Layer, ...], hidden: int, vocabulary: int, model_type: str, settings: Settings,
    windowed: bool,
) -> Compute:  # fmt: skip
    spans = tuple([_span(layer, settings, windowed=windowed) for layer in layers])
    row = 4 * settings.n_ubatch
    shape = Shape(
        row=row,
        hidden=hidden * row,
        model_type=model_type,
        flash_attention=settings.flash_attention,
        sequences=settings.sequences,
        streams=1 if settings.unified else settings.sequences,
        quantized_keys=BLOCK_BYTES[settings.type_k][0] > 1,
        quantized_values=BLOCK_BYTES[settings.type_v][0] > 1,
    )
    outputs = min(settings.n_outputs, settings.n_ubatch)
    ends = (outputs * 4 * hidden, outputs * 4 * vocabulary)
    sizes = _input_sizes(layers, spans, settings)
    cuda = replace(shape, cuda=True)
    device = _graph(cuda, layers, spans, sizes, ends, host=False)
    blocks = _graph(cuda, layers, spans, sizes.beside(), ends, host=False, stream=0)
    alone = _graph(shape, layers, spans, sizes, ends, host=True)
    return Compute(
        device=device.peak(CUDA_ALIGNMENT),
        host=sizes.total + 2 * shape.hidden,
        alone=alone.peak(CPU_ALIGNMENT),
        inputs=sizes.total,
        stream=shape.hidden,
        blocks=blocks.peak(CUDA_ALIGNMENT),
    )


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

    @property
    def total(self) -> int:
        return sum(self.masks.values()) + self.indices + self.position

    def beside(self) -> "_InputSizes":
        """Of inputs that are kept beside the graph."""
        return _InputSizes(dict.fromkeys(self.masks, 0), 0, 0)


def _input_sizes(
    layers: tuple[Layer, ...], spans: tuple[int, ...], settings: Settings
) -> _InputSizes:
    element = 2 if settings.flash_attention else 4
    masks = {
        layer.window_tokens is not None: span * settings.n_ubatch * element
        for layer, span in zip(layers, spans, strict=True)
        if layer.kv_heads
    }
    values = 1
    if not settings.flash_attention:
        owners = (layer for layer in layers if layer.mixer is not Mixer.MLA)
        values = max((layer.kv_heads * layer.head_dim_v for layer in owners), default=0)
    indices = len(masks) * 8 * settings.n_ubatch * (1 + values)
    return _InputSizes(masks, indices, 4 * settings.n_ubatch)


def _graph(
    shape: Shape, layers: tuple[Layer, ...], spans: tuple[int, ...], sizes: _InputSizes,
    ends: tuple[int, int], *, host: bool, stream: int | None = None,
) -> Graph:  # fmt: skip
    """The whole graph; ``ends`` are the bytes of the last stream, of rows with an output, and of logits.

    ``stream`` is the size of the stream it is given: 0 where it is kept beside the graph.
    """
    graph = Graph()
    deep = 1 + DEEPSTACK if shape.model_type in _DEEPSTACKED else 1
    given = graph.new(deep * shape.hidden if stream is None else deep * stream)
    if host:  # the rows looked up, beside the input for those who bring embeddings of their own
        given = graph.new(shape.hidden)
        if deep > 1:
            given = graph.new(deep * shape.hidden, given)
    stream = graph.view(given, shape.hidden) if deep > 1 else given
    inputs = Inputs(
        position=graph.new(sizes.position),
        indices=graph.new(sizes.indices),
        masks={windowed: graph.new(size) for windowed, size in sizes.masks.items()},
    )
    outputs = graph.new(4)
    for layer, span in zip(layers[:-1], spans[:-1], strict=True):
        mixed = _mixed(graph, shape, layer, stream, inputs, span)
        stream = _fed(graph, shape, layer, graph.over(shape.hidden, mixed, stream))
        if deep > 1:
            stream = graph.over(shape.hidden, stream, graph.part(given))
    mixed = _mixed(graph, shape, layers[-1], stream, inputs, spans[-1])
    last, logits = ends
    mixed = graph.new(last, mixed, outputs)
    stream = graph.over(last, mixed, graph.new(last, stream, outputs))
    few = replace(shape, hidden=last, row=max(shape.row * last // shape.hidden, 4))
    stream = _fed(graph, few, layers[-1], stream)
    graph.new(logits, graph.over(last, stream))
    return graph


def _mixed(graph: Graph, shape: Shape, layer: Layer, stream: int, inputs: Inputs, span: int) -> int:
    """The token mixer's output; the stream itself where a block has none."""
    if layer.mixer is Mixer.NONE and not layer.heads:
        return stream
    return mix(graph, shape, layer, graph.new(shape.hidden, stream), inputs, span)


def _fed(graph: Graph, shape: Shape, layer: Layer, stream: int) -> int:
    """The stream after the feed-forward part, if there is one."""
    if not layer.experts and not layer.feed_forward:
        return stream
    fed = feed_forward(graph, shape, layer, graph.new(shape.hidden, stream))
    return graph.over(shape.hidden, fed, stream)
