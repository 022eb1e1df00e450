"""The graphs of transformer blocks, as llama.cpp builds them, by the sizes of their tensors.

Source: ``llama-graph.cpp`` and ``models/*.cpp`` of llama.cpp v0.5.0. Nodes stand in the order of its
depth-first expansion. Normalised, biased, scaled and rotated tensors take over the memory of what they
are made from, so that families which differ only in those need no graph of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from explorer.fit.architecture import Layer, Mixer
from explorer.fit.llama_cpp.allocator import HOST, Graph
from explorer.fit.llama_cpp.settings import BLOCK_BYTES, row_bytes

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
UNROTATED = frozenset({
    "bloom", "gpt2", "gpt_bigcode", "jais", "mpt", "refact", "starcoder",
})  # fmt: skip
"""Keys know nothing of positions."""
PARALLEL = {
    "command-r": "late", "cohere": "late", "cohere2": "late", "falcon": "late", "gptneox": "apart",
    "gpt_neox": "apart", "phi2": "early", "phi": "early", "plamo": "early",
}  # fmt: skip
"""Attention and feed-forward part of a block both work on its normalised stream; the projection of attention
comes before the feed-forward part or after it, which has a norm of its own where they are ``apart``."""
LAYER_NORMED = frozenset({
    "bloom", "codegen", "codeshell", "cohere", "cohere2", "command-r", "dbrx", "falcon", "gpt2",
    "gpt_bigcode", "gpt_neox", "gptj", "gptneox", "jais", "mpt", "nemotron", "olmo", "opt", "orion", "phi",
    "phi2", "phimoe", "rwkv6", "rwkv7", "stablelm", "starcoder", "starcoder2",
})  # fmt: skip
"""Normalised by mean and variance, which is not done in place as by the root of squares."""
GATED_ATTENTION = frozenset({
    "qwen3next", "qwen35", "qwen35moe", "qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe",
    "qwen3_5_moe_text",
})  # fmt: skip
"""Queries come with a gate of their own size."""

MOST_EXPERTS_FUSED = 15
"""CUDA weighs and sums up to so many experts at once, and keeps what it works on until then."""


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
    type_k: str = "f16"
    type_v: str = "f16"

    @property
    def quantized_keys(self) -> bool:
        """Keys are kept in blocks of a shared scale."""
        return BLOCK_BYTES[self.type_k][0] > 1

    @property
    def quantized_values(self) -> bool:
        """Values are."""
        return BLOCK_BYTES[self.type_v][0] > 1


@dataclass(slots=True)
class Inputs:
    """Tensors that blocks read besides the residual stream."""

    position: int
    indices: int
    """The cells to write to."""
    masks: dict[bool, int]
    """The masks of windowed and of other layers."""


@dataclass(slots=True)
class Block:
    """One block of a graph that is being laid out."""

    graph: Graph
    shape: Shape
    layer: Layer
    inputs: Inputs
    cells: int
    """Tokens it attends to, a stream."""
    lent: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the weights that are on the host and worked with on a device."""
    hosted: bool = False
    """Its caches are on the host, though its nodes are on a device."""
    after: int = HOST
    """Where the next block is, whose recurrent state is fetched before this one ends: what follows that
    and has no weight is computed there."""

    def normed(self, stream: int) -> int:
        """The stream, normalised."""
        found = self.graph.new(self.shape.hidden, stream)
        if "norm" in self.lent:
            found = self.graph.over(self.shape.hidden, found, *self.weight("norm"))
        return found

    def times(self, role: str, size: int, *sources: int) -> int:
        """The product with a weight."""
        return self.graph.new(size, *self.weight(role), *sources)

    def weight(self, role: str) -> tuple[int, ...]:
        """A weight that is on the host; nothing where it is where it is needed."""
        size = self.lent.get(role)
        return (self.graph.stored(size, HOST, weight=True),) if size else ()

    def keep(self, *sources: int) -> None:
        """Write into a cache, where it is."""
        place = self.graph.place
        if self.hosted:
            self.graph.place = HOST
        self.graph.use(*sources)
        self.graph.place = place

    def cached(self, size: int) -> tuple[int, ...]:
        """What is read of a cache that is on the host; nothing where it is where it is needed."""
        return (self.graph.stored(size, HOST),) if self.hosted else ()


def mix(block: Block, normed: int) -> int:
    """The token mixer of a block, from the normalised stream to its output projection.

    Blocks whose halves stand side by side project later (``project``).
    """
    mixer = block.layer.mixer
    if mixer is Mixer.MLA:
        return _latent(block, normed)
    if mixer in (Mixer.MAMBA1, Mixer.MAMBA2):
        return _mamba(block, normed)
    if mixer in (Mixer.GATED_DELTA, Mixer.KIMI_DELTA, Mixer.LINEAR, Mixer.RWKV):
        return _delta(block, normed)
    if mixer is Mixer.SHORT_CONV:
        return _short_conv(block, normed)
    return _attention(block, normed)


def _attention(block: Block, normed: int) -> int:
    graph, shape, layer, inputs = block.graph, block.shape, block.layer, block.inputs
    row, gated = shape.row, shape.model_type in GATED_ATTENTION
    size = layer.heads * layer.head_dim_k * row
    whole = query = -1
    if shape.model_type not in QUERY_KEY_VALUE_FUSED:
        whole = query = block.times("attn_q", 2 * size if gated else size, normed)
    if gated:
        query = graph.new(size, graph.part(whole))
    keys, values = (layer.kv_heads * width * row for width in (layer.head_dim_k, layer.head_dim_v))
    if shape.model_type in QUERY_KEY_VALUE_FUSED:
        fused = block.times("attn_qkv", size + keys + values, normed)
        query, value = graph.part(fused, size), graph.part(fused, values)
        key = graph.part(fused, keys)
        if shape.model_type not in UNROTATED:
            query = graph.new(size, query, inputs.position)
            key = graph.new(keys, key, inputs.position)
        if shape.quantized_keys:
            query, key = _rotated(graph, query, size), _rotated(graph, key, keys)
        if shape.quantized_values:
            value = _rotated(graph, value, values)
    else:
        query = graph.new(size, graph.view(query), inputs.position)
        if shape.quantized_keys:
            query = _rotated(graph, query, size)
        value = graph.view(block.times("attn_v", values, normed))
        if shape.quantized_values:
            value = _rotated(graph, value, values)
        key = graph.new(keys, graph.view(block.times("attn_k", keys, normed)), inputs.position)
        if shape.quantized_keys:
            key = _rotated(graph, key, keys)
    block.keep(graph.view(key) if graph.sizes[key] else key, inputs.indices)
    block.keep(graph.view(value) if graph.sizes[value] else value, inputs.indices)
    mixed = _attend(block, query)
    if shape.quantized_values:
        mixed = _rotated(graph, mixed, layer.heads * layer.head_dim_v * row)
    if gated:
        gate = graph.new(size, graph.part(whole))
        mixed = graph.over(size, mixed, gate)
    return mixed if shape.model_type in PARALLEL else project(block, mixed)


def project(block: Block, mixed: int) -> int:
    """The output projection of attention."""
    return block.times("attn_output", block.shape.hidden, mixed)


def _rotated(graph: Graph, tensor: int, size: int) -> int:
    """A Hadamard rotation, which spreads outliers before a cache is quantized."""
    return graph.view(graph.new(size, graph.view(tensor)))


def _attend(block: Block, query: int) -> int:
    graph, shape, layer = block.graph, block.shape, block.layer
    row, latent = shape.row, layer.mixer is Mixer.MLA
    width = layer.heads * layer.head_dim_v * row
    mask = block.inputs.masks[layer.window_tokens is not None]
    looked = graph.view(query)
    rows = block.cells * shape.streams
    key = block.cached(rows * row_bytes(shape.type_k, layer.kv_heads * layer.head_dim_k))
    value = key if latent else block.cached(
        rows * row_bytes(shape.type_v, layer.kv_heads * layer.head_dim_v)
    )  # fmt: skip
    if shape.flash_attention:
        copies = 0
        if shape.cuda and (shape.quantized_keys or shape.quantized_values):
            values = 0 if latent else layer.head_dim_v
            copies = 2 * rows * layer.kv_heads * (layer.head_dim_k + values)
        mixed = graph.new(width + copies, looked, *key, *value, mask)
        return graph.view(mixed, width)
    scores = graph.new(layer.heads * block.cells * row, *key, looked)
    scores = graph.over(layer.heads * block.cells * row, scores, mask)
    mixed = graph.new(width, *value, scores)
    if latent:
        return mixed
    return graph.new(width, graph.view(mixed))


def _latent(block: Block, normed: int) -> int:
    """Multi-head latent attention with the key projection absorbed into the query."""
    graph, shape, layer, inputs = block.graph, block.shape, block.layer, block.inputs
    row, heads, rank = shape.row, layer.heads, layer.head_dim_v
    rope = layer.head_dim_k - rank
    query = block.times("attn_q", heads * (layer.nope_dim + rope) * row, normed)
    absorbed = graph.view(block.times("attn_k_b", heads * rank * row, graph.part(query)))
    turned = graph.new(heads * rope * row, graph.part(query), inputs.position)
    joined = graph.new(heads * layer.head_dim_k * row, absorbed, turned)
    latent = block.times("attn_kv_a_mqa", layer.head_dim_k * row, normed)
    value = graph.view(graph.new(rank * row, graph.part(latent)))
    turned = graph.new(rope * row, graph.part(latent), inputs.position)
    key = graph.new(layer.head_dim_k * row, value, turned)
    block.keep(graph.view(key), inputs.indices)
    mixed = _attend(block, joined)
    spread = block.times("attn_v_b", heads * layer.value_dim * row, graph.view(mixed))
    spread = graph.new(heads * layer.value_dim * row, graph.view(spread))
    return block.times("attn_output", shape.hidden, spread)


def _convolved(block: Block, mixed: int) -> tuple[int, int]:
    """The input of a causal convolution, with the columns kept from before, and its output's size."""
    graph, sequences = block.graph, block.shape.sequences
    state = 4 * sequences * block.layer.conv_elements
    kept = graph.new(state, *block.cached(state))
    width = block.layer.conv_channels * block.shape.row
    columns = graph.new(width + state, graph.view(kept), graph.part(mixed))
    block.keep(graph.part(columns, state))
    return columns, width


def _mamba(block: Block, normed: int) -> int:
    """Mamba 1 and 2: one projection to the gate, the convolved part and the time step."""
    graph, shape, layer = block.graph, block.shape, block.layer
    row, inner = shape.row, layer.inner * shape.row
    state = 4 * shape.sequences * layer.state_elements
    heads = max(layer.inner // 64, 1) * row
    projected = block.times("ssm_in", inner + layer.conv_channels * row + heads, graph.view(normed))
    columns, width = _convolved(block, projected)
    convolved = graph.new(width, columns)
    step = graph.new(heads, graph.part(projected))
    scanned = graph.new(inner + state, *block.cached(state), graph.part(convolved), step)
    block.keep(graph.part(scanned, state))
    output = graph.view(scanned, inner)
    place, graph.place = graph.place, block.after
    gate = graph.new(inner, graph.part(projected, graph.sizes[projected]))
    graph.place = place
    skipped = graph.new(inner, graph.part(convolved))
    output = graph.over(inner, output, skipped)
    output = graph.new(inner, gate, output)
    return graph.view(block.times("ssm_out", shape.hidden, graph.view(output)))


def _delta(block: Block, normed: int) -> int:
    """Gated delta net, fused: queries and keys are repeated to as many heads as the values have."""
    graph, shape, layer = block.graph, block.shape, block.layer
    row, inner = shape.row, layer.inner * shape.row
    state = 4 * shape.sequences * layer.state_elements
    keys = (layer.conv_channels - layer.inner) // 2 * row
    mixed = block.times("attn_qkv", layer.conv_channels * row, normed)
    columns, width = _convolved(block, graph.view(mixed))
    convolved = graph.new(width, columns)
    queries = graph.new(inner, graph.view(graph.new(keys, graph.part(convolved))))
    repeated = graph.new(inner, graph.view(graph.new(keys, graph.part(convolved))))
    kept = graph.new(state, *block.cached(state))
    output = graph.new(
        inner + state, graph.view(queries), graph.view(repeated), graph.part(convolved),
        graph.view(kept),
    )  # fmt: skip
    block.keep(graph.part(output, state))
    output = graph.over(inner, graph.view(output, inner))
    gate = block.times("attn_gate", inner, normed)
    output = graph.over(inner, output, graph.view(gate))
    return graph.view(block.times("ssm_out", shape.hidden, graph.view(output)))


def _short_conv(block: Block, normed: int) -> int:
    """LFM2: a short convolution between two gates."""
    graph, hidden = block.graph, block.shape.hidden
    projected = block.times("shortconv.in_proj", 3 * hidden, graph.view(normed))
    gated = graph.new(hidden, graph.part(projected), graph.part(projected))
    columns, width = _convolved(block, gated)
    convolved = graph.new(width, columns)
    output = graph.over(width, graph.part(projected), convolved)
    return graph.view(block.times("shortconv.out_proj", hidden, output))


def feed_forward(block: Block, normed: int) -> int:
    """The feed-forward half of a block: dense, or experts and what they share."""
    layer = block.layer
    if not layer.experts:
        return _dense(block, layer.feed_forward, normed)
    output = _experts(block, normed)
    for width in (layer.shared_feed_forward, layer.feed_forward):
        if width:
            output = block.graph.over(
                block.shape.hidden, output, _dense(block, width, normed, suffix="_shexp")
            )
    return output


def _dense(block: Block, width: int, normed: int, *, suffix: str = "") -> int:
    graph, shape = block.graph, block.shape
    size = width * shape.row
    if shape.model_type in UNGATED:
        active = block.times(f"ffn_up{suffix}", size, normed)
    elif shape.model_type in GATE_AND_UP_FUSED and not suffix:
        active = graph.new(size, block.times("ffn_up", 2 * size, normed))
    else:
        up = block.times(f"ffn_up{suffix}", size, normed)
        gate = block.times(f"ffn_gate{suffix}", size, normed)
        active = graph.new(size, gate, up)
    return block.times(f"ffn_down{suffix}", shape.hidden, active)


def _experts(block: Block, normed: int) -> int:
    """Router, then the experts of every token side by side, then their sum."""
    graph, shape, layer = block.graph, block.shape, block.layer
    row, used = shape.row, layer.experts_used
    chosen, weights = _routed(block, normed)
    size = used * layer.expert_feed_forward * row
    stream = graph.view(normed)
    up = block.times("ffn_up_exps", size, stream, chosen)
    gate = block.times("ffn_gate_exps", size, stream, chosen)
    active = graph.new(size, gate, up)
    down = block.times("ffn_down_exps", used * shape.hidden, active, chosen)
    fused = shape.cuda and 1 < used <= MOST_EXPERTS_FUSED
    weighed = graph.over(used * shape.hidden, down, weights)
    each = [graph.view(weighed, shape.hidden) for _ in range(used)]
    output = each[0]
    for other in each[1:]:
        output = graph.over(shape.hidden, output, other)
    if fused:
        graph.use(down, weights)
    return output if used > 1 else graph.new(shape.hidden, output)


def _routed(block: Block, normed: int) -> tuple[int, int]:
    """The experts of every token, and their weights. CUDA fuses the steps, which then keep their memory."""
    graph, layer, row = block.graph, block.layer, block.shape.row
    scores = block.times("ffn_gate_inp", layer.experts * row, normed)
    likely = graph.over(layer.experts * row, scores)
    sorted_ = graph.new(layer.experts * row, likely)
    chosen = graph.view(sorted_)
    picked = graph.new(layer.experts_used * row, graph.view(likely), chosen)
    total = graph.new(row, graph.view(picked))
    weights = graph.view(graph.new(layer.experts_used * row, graph.view(picked), total))
    if block.shape.cuda:
        graph.use(scores, likely, sorted_, picked, total)
    return chosen, weights
