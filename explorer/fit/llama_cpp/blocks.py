"""The graphs of transformer blocks, as llama.cpp builds them, by the sizes of their tensors.

Source: ``llama-graph.cpp`` and ``models/*.cpp`` of llama.cpp v0.5.0. Nodes stand in the order of its
depth-first expansion. Biased and scaled tensors take over the memory of what they are made from, so that
families which differ only in those need no graph of their own; in what else they differ: ``traits``.
"""

from explorer.fit.architecture import Mixer
from explorer.fit.llama_cpp.block import Block
from explorer.fit.llama_cpp.recurrent import mamba, recurrent
from explorer.fit.llama_cpp.settings import row_bytes
from explorer.fit.llama_cpp.traits import (
    GATE_AND_UP_FUSED,
    GATED_ATTENTION,
    MOST_EXPERTS_FUSED,
    PARALLEL,
    QUERY_KEY_VALUE_FUSED,
    UNGATED,
    UNROTATED,
    UNROTATED_UNWINDOWED,
)

ROTATION = 64
"""Elements a rotation works on at a time (``llama-kv-cache.cpp``)."""


def mix(block: Block, normed: int) -> int:
    """The token mixer of a block, from the normalised stream to its output projection.

    Blocks whose halves stand side by side project later (``project``).
    """
    if block.layer.mixer is Mixer.MLA:
        return _latent(block, normed)
    if block.layer.recurrent and not block.layer.heads:
        return recurrent(block, normed)
    return _attention(block, normed)


def _attention(block: Block, normed: int) -> int:
    graph, shape, layer = block.graph, block.shape, block.layer
    size = layer.heads * layer.head_dim_k * shape.row
    gate = None
    if shape.model_type in QUERY_KEY_VALUE_FUSED:
        query, key, value = _fused(block, normed)
    else:
        query, gate = _query(block, normed)
        if layer.mixer is Mixer.SHARED:
            key = value = -1
        elif block.inputs.windowed or layer.mixer is Mixer.NONE:
            key = _key(block, normed)
            value = _value(block, normed)
        else:
            value = _value(block, normed)
            key = _key(block, normed)
    own: tuple[int, ...] = ()
    if layer.mixer is Mixer.NONE:  # nothing is kept, so that keys and values are used as they are
        own = (graph.view(key), graph.view(value))
    elif layer.mixer is not Mixer.SHARED:
        block.keep(graph.view(key) if graph.sizes[key] else key, block.inputs.indices)
        block.keep(graph.view(value) if graph.sizes[value] else value, block.inputs.indices)
    mixed = _attend(block, query, own)
    place = graph.place
    if not layer.experts:
        block.look_ahead()
    graph.place = place
    if layer.recurrent:  # both side by side
        beside = mamba(block, block.normed(block.stream))
        return graph.over(shape.hidden, project(block, mixed), beside)
    if gate is not None:
        mixed = graph.over(size, mixed, graph.new(size, gate))
    return mixed if shape.model_type in PARALLEL else project(block, mixed)


def _turned(block: Block, tensor: int, size: int) -> int:
    """Queries or keys with their positions."""
    kind = block.shape.model_type
    if kind in UNROTATED or (kind in UNROTATED_UNWINDOWED and block.layer.window_tokens is None):
        return tensor
    return block.graph.new(size, tensor, block.inputs.position, *block.weight("rope_freqs"))


def _fused(block: Block, normed: int) -> tuple[int, int, int]:
    """Queries, keys and values, from one matrix."""
    graph, shape, layer = block.graph, block.shape, block.layer
    size = layer.heads * layer.head_dim_k * shape.row
    keys, values = (
        layer.kv_heads * width * shape.row for width in (layer.head_dim_k, layer.head_dim_v)
    )
    whole = size + keys + values  # a copy of a part spans nearly all of it
    fused = block.times("attn_qkv", whole, normed)
    query = _turned(block, graph.part(fused, whole), size)
    key = _turned(block, graph.part(fused, whole), keys)
    value = graph.part(fused, whole)
    query = _rotated(block, query, size)
    value = _rotated(block, value, values, values=True)
    return query, _rotated(block, key, keys), value


def _query(block: Block, normed: int) -> tuple[int, int | None]:
    """Queries, and the part of their product that is their gate."""
    graph, shape = block.graph, block.shape
    size = block.layer.heads * block.layer.head_dim_k * shape.row
    gate = None
    if shape.model_type in GATED_ATTENTION:
        whole = block.times("attn_q", 2 * size, normed)
        query, gate = graph.part(whole), graph.part(whole)
    else:
        query = graph.view(block.times("attn_q", size, normed))
    return _rotated(block, _turned(block, query, size), size), gate


def _key(block: Block, normed: int) -> int:
    graph = block.graph
    size = block.layer.kv_heads * block.layer.head_dim_k * block.shape.row
    key = _turned(block, graph.view(block.times("attn_k", size, normed)), size)
    return _rotated(block, key, size)


def _value(block: Block, normed: int) -> int:
    graph = block.graph
    size = block.layer.kv_heads * block.layer.head_dim_v * block.shape.row
    return _rotated(
        block, graph.view(block.times("attn_v", size, normed)), size, values=True
    )  # fmt: skip


def project(block: Block, mixed: int) -> int:
    """The output projection of attention, once what it gives is turned back."""
    shape, layer = block.shape, block.layer
    if layer.mixer is not Mixer.MLA:
        mixed = _rotated(block, mixed, layer.heads * layer.head_dim_v * shape.row, values=True)
    return block.times("attn_output", shape.hidden, mixed)


def _rotated(block: Block, tensor: int, size: int, *, values: bool = False) -> int:
    """A Hadamard rotation, which spreads outliers before a cache is quantized, of heads it can divide."""
    shape, layer, graph = block.shape, block.layer, block.graph
    if not (shape.quantized_values if values else shape.quantized_keys):
        return tensor
    if (layer.head_dim_v if values else layer.head_dim_k) % ROTATION:
        return tensor
    by = block.inputs.turn_values if values else block.inputs.turn_keys
    return graph.view(graph.new(size, by, graph.view(tensor)))


def _attend(block: Block, query: int, own: tuple[int, ...] = (), *, mask: int | None = None) -> int:
    """Scores and their weighted values, over a cache or over keys and values of the block's ``own``."""
    graph, shape, layer = block.graph, block.shape, block.layer
    row, latent = shape.row, layer.mixer is Mixer.MLA
    width = layer.heads * layer.head_dim_v * row
    if mask is None:
        mask = block.inputs.masks[layer.window_tokens is not None]
    looked = graph.view(query)
    rows = block.cells * shape.streams
    key, value = own[:1], own[1:]
    if own and shape.flash_attention:
        heads = layer.kv_heads * row // 2  # in f16
        key = (graph.new(heads * layer.head_dim_k, *key),)
        value = (graph.new(heads * layer.head_dim_v, *value),)
    elif own:  # the scores take values transposed
        value = (graph.new(layer.kv_heads * layer.head_dim_v * row, *value),)
    else:
        key = block.cached(rows * row_bytes(shape.type_k, layer.kv_heads * layer.head_dim_k))
        value = key if latent else block.cached(
            rows * row_bytes(shape.type_v, layer.kv_heads * layer.head_dim_v)
        )  # fmt: skip
    if shape.flash_attention:
        copies = 0
        if shape.cuda and not own and (shape.quantized_keys or shape.quantized_values):
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
    if layer.indexer_dim:
        _index_key(block, normed)
    query = block.times("attn_q", heads * (layer.nope_dim + rope) * row, normed)
    absorbed = graph.view(block.times("attn_k_b", heads * rank * row, graph.part(query)))
    turned = graph.new(heads * rope * row, graph.part(query), inputs.position)
    joined = graph.new(heads * layer.head_dim_k * row, absorbed, turned)
    latent = block.times("attn_kv_a_mqa", layer.head_dim_k * row, normed)
    value = graph.view(graph.new(rank * row, graph.part(latent)))
    turned = graph.new(rope * row, graph.part(latent), inputs.position)
    key = graph.new(layer.head_dim_k * row, value, turned)
    block.keep(graph.view(key), inputs.indices)
    mask = _picked(block, normed) if layer.indexer_dim else None
    mixed = _attend(block, joined, mask=mask)
    spread = block.times("attn_v_b", heads * layer.value_dim * row, graph.view(mixed))
    spread = graph.new(heads * layer.value_dim * row, graph.view(spread))
    return block.times("attn_output", shape.hidden, spread)


def _index_key(block: Block, normed: int) -> None:
    """The key of an indexer, which has a cache of its own."""
    graph, size = block.graph, block.layer.indexer_dim * block.shape.row
    key = graph.new(size, block.times("indexer.attn_k", size, normed))
    key = graph.new(size, graph.view(key), block.inputs.position)
    block.keep(graph.view(graph.new(size, graph.view(key))), block.inputs.indices)


def _picked(block: Block, normed: int) -> int:
    """The mask of what an indexer picks (DeepSeek's sparse attention)."""
    graph, layer, shape, inputs = block.graph, block.layer, block.shape, block.inputs
    size = layer.indexer_heads * layer.indexer_dim * shape.row
    zeros = graph.over(layer.indexer_top * shape.row, block.zeros)
    query = block.times("indexer.attn_q_b", size, normed)
    query = graph.new(size, graph.view(query), inputs.position)
    query = graph.new(size, graph.view(query))
    scores = graph.new(block.cells * shape.row, graph.view(query), inputs.indexed)
    top = graph.new(layer.indexer_top * shape.row, scores)
    top = graph.new(layer.indexer_top * shape.row, top)
    mask = inputs.masks[False]
    filled = graph.new(graph.sizes[mask], mask)
    graph.use(filled, zeros, top)
    return graph.new(graph.sizes[mask], graph.view(filled), mask)


def feed_forward(block: Block, normed: int) -> int:
    """The feed-forward half of a block: dense, or experts and what they share."""
    layer = block.layer
    if not layer.experts:
        return _dense(block, layer.feed_forward, normed)
    output = _experts(block, normed)
    if layer.shared_feed_forward:
        place = block.graph.place
        block.look_ahead()
        block.graph.place = place
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


def add_own(block: Block, stream: int) -> int:
    """The stream with what a layer's own embeddings make of it (Gemma 4).

    The first block also makes all layers' embeddings, from those looked up and those of the tokens.
    """
    graph, shape, inputs = block.graph, block.shape, block.inputs
    row = inputs.per_layer * shape.hidden // block.whole.hidden
    gate = block.times("inp_gate", row, stream)
    if inputs.made < 0:
        size = inputs.all_layers
        wide = graph.new(size, inputs.embedded)
        wide = graph.over(size, graph.new(size, graph.view(wide)), inputs.looked_up)
        inputs.made = graph.new(size, graph.view(wide))
    gate = graph.over(row, gate, graph.part(inputs.made, inputs.per_layer))
    return graph.over(shape.hidden, stream, block.times("proj", shape.hidden, gate))
