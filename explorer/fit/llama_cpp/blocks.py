"""The graphs of transformer blocks, as llama.cpp builds them, by the sizes of their tensors.

Source: ``llama-graph.cpp`` and ``models/*.cpp`` of llama.cpp v0.5.0. Nodes stand in the order of its
depth-first expansion. Normalised, biased, scaled and rotated tensors take over the memory of what they
are made from, so that families which differ only in those need no graph of their own.
"""

from dataclasses import dataclass

from explorer.fit.architecture import Layer, Mixer
from explorer.fit.llama_cpp.allocator import Graph

UNGATED = frozenset({
    "apertus", "arcee", "bert", "bloom", "codegen", "codeshell", "falcon", "gpt2", "gpt_bigcode",
    "gpt_neox", "gptj", "gptneox", "jais2", "mpt", "nemotron", "nemotron_h", "nemotron_h_moe", "opt",
    "phi", "phi2", "plm", "roberta", "starcoder", "starcoder2", "xlm-roberta",
})  # fmt: skip
"""Feed-forward parts of one matrix up and one down."""
GATE_AND_UP_FUSED = frozenset({"phi3", "glm4", "chatglm", "glm"})
"""One matrix for gate and up."""
QUERY_KEY_VALUE_FUSED = frozenset({
    "bloom", "chatglm", "dbrx", "falcon", "gpt2", "gpt_bigcode", "gpt_neox", "gptneox", "jais", "mpt",
    "phi2", "phi3", "qwen", "starcoder",
})  # fmt: skip
"""One matrix for queries, keys and values."""
GATED_ATTENTION = frozenset({
    "qwen3next", "qwen35", "qwen35moe", "qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe",
    "qwen3_5_moe_text",
})  # fmt: skip
"""Queries come with a gate of their own size."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the blocks of one graph share."""

    row: int
    """Bytes of one f32 element a token: 4 x tokens of a micro-batch."""
    hidden: int
    """Bytes of the residual stream."""
    model_type: str
    flash_attention: bool
    sequences: int = 1
    streams: int = 1
    cuda: bool = False
    """CUDA fuses what follows rotations and the weighing of experts, which then take memory of their
    own, and makes f16 copies of a quantized cache for flash attention."""
    quantized_keys: bool = False
    quantized_values: bool = False


@dataclass(slots=True)
class Inputs:
    """Tensors that blocks read besides the residual stream."""

    position: int
    indices: int
    """The cells to write to."""
    masks: dict[bool, int]
    """The masks of windowed and of other layers."""


def mix(graph: Graph, shape: Shape, layer: Layer, normed: int, inputs: Inputs, cells: int) -> int:
    """The token mixer of a block, from the normalised stream to its output projection."""
    if layer.mixer is Mixer.MLA:
        return _latent(graph, shape, layer, normed, inputs, cells)
    if layer.mixer in (Mixer.MAMBA1, Mixer.MAMBA2):
        return _mamba(graph, shape, layer, normed)
    if layer.mixer in (Mixer.GATED_DELTA, Mixer.KIMI_DELTA, Mixer.LINEAR, Mixer.RWKV):
        return _delta(graph, shape, layer, normed)
    if layer.mixer is Mixer.SHORT_CONV:
        return _short_conv(graph, shape, layer, normed)
    return _attention(graph, shape, layer, normed, inputs, cells)


def _attention(
    graph: Graph, shape: Shape, layer: Layer, normed: int, inputs: Inputs, cells: int
) -> int:
    row, gated = shape.row, shape.model_type in GATED_ATTENTION
    size = layer.heads * layer.head_dim_k * row
    whole = query = -1
    if shape.model_type not in QUERY_KEY_VALUE_FUSED:
        whole = query = graph.new(2 * size if gated else size, normed)
    if gated:
        query = graph.new(size, graph.part(whole))
    keys, values = (layer.kv_heads * width * row for width in (layer.head_dim_k, layer.head_dim_v))
    if shape.model_type in QUERY_KEY_VALUE_FUSED:
        fused = graph.new(size + keys + values, normed)
        query, value = graph.part(fused), graph.part(fused)
        query = graph.new(size, query, inputs.position)
        key = graph.new(keys, graph.part(fused), inputs.position)
    else:
        turned = graph.new if shape.cuda else graph.over
        query = turned(size, graph.view(query), inputs.position)
        if shape.quantized_keys:
            query = _rotated(graph, query, size)
        value = graph.view(graph.new(values, normed))
        if shape.quantized_values:
            value = _rotated(graph, value, values)
        key = turned(keys, graph.view(graph.new(keys, normed)), inputs.position)
        if shape.quantized_keys:
            key = _rotated(graph, key, keys)
    graph.use(key, inputs.indices)
    graph.use(value, inputs.indices)
    mixed = _attend(graph, shape, layer, query, inputs, cells)
    if shape.quantized_values:
        mixed = _rotated(graph, mixed, layer.heads * layer.head_dim_v * row)
    if gated:
        gate = graph.new(size, graph.part(whole))
        mixed = graph.over(size, mixed, gate)
    return graph.new(shape.hidden, mixed)


def _rotated(graph: Graph, tensor: int, size: int) -> int:
    """A Hadamard rotation, which spreads outliers before a cache is quantized."""
    return graph.view(graph.new(size, graph.view(tensor)))


def _attend(
    graph: Graph, shape: Shape, layer: Layer, query: int, inputs: Inputs, cells: int
) -> int:
    row = shape.row
    width = layer.heads * layer.head_dim_v * row
    mask = inputs.masks[layer.window_tokens is not None]
    looked = graph.view(query)
    if shape.flash_attention:
        copies = 0
        if shape.cuda and (shape.quantized_keys or shape.quantized_values):
            values = 0 if layer.mixer is Mixer.MLA else layer.head_dim_v
            copies = 2 * cells * shape.streams * layer.kv_heads * (layer.head_dim_k + values)
        return graph.view(graph.new(width + copies, looked, mask), width)
    scores = graph.new(layer.heads * cells * row, looked)
    scores = graph.over(layer.heads * cells * row, scores, mask)
    mixed = graph.new(width, scores)
    if layer.mixer is Mixer.MLA:
        return mixed
    return graph.new(width, graph.view(mixed))


def _latent(
    graph: Graph, shape: Shape, layer: Layer, normed: int, inputs: Inputs, cells: int
) -> int:
    """Multi-head latent attention with the key projection absorbed into the query."""
    row, heads, rank = shape.row, layer.heads, layer.head_dim_v
    rope = layer.head_dim_k - rank
    query = graph.new(heads * (layer.nope_dim + rope) * row, normed)
    absorbed = graph.view(graph.new(heads * rank * row, graph.part(query)))
    turned = graph.new(heads * rope * row, graph.part(query), inputs.position)
    joined = graph.new(heads * layer.head_dim_k * row, absorbed, turned)
    latent = graph.new(layer.head_dim_k * row, normed)
    value = graph.view(graph.new(rank * row, graph.part(latent)))
    turned = graph.new(rope * row, graph.part(latent), inputs.position)
    key = graph.new(layer.head_dim_k * row, value, turned)
    graph.use(key, inputs.indices)
    mixed = _attend(graph, shape, layer, joined, inputs, cells)
    spread = graph.new(heads * layer.value_dim * row, graph.view(mixed))
    spread = graph.new(heads * layer.value_dim * row, graph.view(spread))
    return graph.new(shape.hidden, spread)


def _convolved(graph: Graph, shape: Shape, layer: Layer, mixed: int) -> tuple[int, int]:
    """The input of a causal convolution, with the columns kept from before, and its output."""
    kept = graph.new(4 * shape.sequences * layer.conv_elements)
    width = layer.conv_channels * shape.row
    columns = graph.new(
        width + 4 * shape.sequences * layer.conv_elements, graph.view(kept), graph.part(mixed)
    )
    graph.use(graph.part(columns))
    return columns, width


def _mamba(graph: Graph, shape: Shape, layer: Layer, normed: int) -> int:
    """Mamba 1 and 2: one projection to the gate, the convolved part and the time step."""
    row, inner = shape.row, layer.inner * shape.row
    state = 4 * shape.sequences * layer.state_elements
    heads = max(layer.inner // 64, 1) * row
    projected = graph.new(inner + layer.conv_channels * row + heads, graph.view(normed))
    columns, width = _convolved(graph, shape, layer, projected)
    convolved = graph.new(width, columns)
    step = graph.new(heads, graph.part(projected))
    scanned = graph.new(inner + state, graph.part(convolved), step)
    graph.use(graph.part(scanned))
    output = graph.view(scanned, inner)
    skipped = graph.new(inner, graph.part(convolved))
    parts = (skipped, output) if shape.cuda else (output, skipped)
    output = graph.over(inner, *parts)
    gate = graph.new(inner, graph.part(projected))
    output = graph.new(inner, gate, output)
    return graph.view(graph.new(shape.hidden, graph.view(output)))


def _delta(graph: Graph, shape: Shape, layer: Layer, normed: int) -> int:
    """Gated delta net, fused: queries and keys are repeated to as many heads as the values have."""
    row, inner = shape.row, layer.inner * shape.row
    state = 4 * shape.sequences * layer.state_elements
    keys = (layer.conv_channels - layer.inner) // 2 * row
    mixed = graph.new(layer.conv_channels * row, normed)
    columns, width = _convolved(graph, shape, layer, graph.view(mixed))
    convolved = graph.new(width, columns)
    queries = graph.new(inner, graph.view(graph.new(keys, graph.part(convolved))))
    repeated = graph.new(inner, graph.view(graph.new(keys, graph.part(convolved))))
    kept = graph.new(state)
    output = graph.new(
        inner + state, graph.view(queries), graph.view(repeated), graph.part(convolved),
        graph.view(kept),
    )  # fmt: skip
    graph.use(graph.part(output))
    output = graph.over(inner, graph.view(output, inner))
    gate = graph.new(inner, normed)
    output = graph.over(inner, output, graph.view(gate))
    return graph.view(graph.new(shape.hidden, graph.view(output)))


def _short_conv(graph: Graph, shape: Shape, layer: Layer, normed: int) -> int:
    """LFM2: a short convolution between two gates."""
    projected = graph.new(3 * shape.hidden, graph.view(normed))
    gated = graph.new(shape.hidden, graph.part(projected), graph.part(projected))
    columns, width = _convolved(graph, shape, layer, gated)
    convolved = graph.new(width, columns)
    output = graph.over(width, graph.part(projected), convolved)
    return graph.view(graph.new(shape.hidden, output))


def feed_forward(graph: Graph, shape: Shape, layer: Layer, normed: int) -> int:
    """The feed-forward half of a block: dense, or experts and what they share."""
    if not layer.experts:
        return _dense(graph, shape, layer.feed_forward, normed)
    output = _experts(graph, shape, layer, normed)
    for width in (layer.shared_feed_forward, layer.feed_forward):
        if width:
            output = graph.over(
                shape.hidden, output, _dense(graph, shape, width, normed, shared=True)
            )
    return output


def _dense(graph: Graph, shape: Shape, width: int, normed: int, *, shared: bool = False) -> int:
    size = width * shape.row
    if shape.model_type in UNGATED:
        return graph.new(shape.hidden, graph.new(size, normed))
    if shape.model_type in GATE_AND_UP_FUSED and not shared:
        return graph.new(shape.hidden, graph.new(size, graph.new(2 * size, normed)))
    up = graph.new(size, normed)
    gate = graph.new(size, normed)
    return graph.new(shape.hidden, graph.new(size, gate, up))


def _experts(graph: Graph, shape: Shape, layer: Layer, normed: int) -> int:
    """Router, then the experts of every token side by side, then their sum."""
    row, used = shape.row, layer.experts_used
    scores = graph.new(layer.experts * row, normed)
    chosen = graph.view(graph.new(layer.experts * row, scores))
    weights = graph.new(used * row, graph.view(scores), chosen)
    size = used * layer.expert_feed_forward * row
    stream = graph.view(normed)
    up = graph.new(size, stream, chosen)
    gate = graph.new(size, stream, chosen)
    active = graph.new(size, gate, up)
    down = graph.new(used * shape.hidden, active, chosen)
    unweighed = down
    weighed = graph.new if shape.cuda else graph.over
    down = weighed(used * shape.hidden, down, weights)
    each = [graph.view(down, shape.hidden) for _ in range(used)]
    output = each[0]
    for other in each[1:]:
        output = graph.over(shape.hidden, output, other)
    if shape.cuda:
        graph.use(unweighed)
    return output if used > 1 else graph.new(shape.hidden, output)
