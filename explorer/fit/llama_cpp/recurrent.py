"""The graphs of token mixers with a recurrent state, by the sizes of their tensors.

Source: ``models/mamba-base.cpp``, ``delta-net-base.cpp`` and ``lfm2.cpp`` of llama.cpp v0.5.0.
"""

from explorer.fit.architecture import Mixer
from explorer.fit.llama_cpp.allocator import HOST
from explorer.fit.llama_cpp.block import Block
from explorer.fit.llama_cpp.traits import NORMED_SCAN, REPEATED


def recurrent(block: Block, normed: int) -> int:
    """A mixer that keeps a state, from the normalised stream to its output projection."""
    mixer = block.layer.mixer
    if mixer is Mixer.SHORT_CONV:
        return _short_conv(block, normed)
    if mixer in (Mixer.GATED_DELTA, Mixer.KIMI_DELTA, Mixer.LINEAR, Mixer.RWKV):
        return _delta(block, normed)
    return mamba(block, normed)


def _columns(block: Block, mixed: int) -> tuple[int, int]:
    """The input of a causal convolution, with the columns kept from before, and its output's size."""
    graph = block.graph
    state = 4 * block.shape.sequences * block.layer.conv_elements
    width = block.layer.conv_channels * block.shape.row
    columns = graph.new(width + state, graph.view(block.fetched()), graph.part(mixed, width))
    block.keep(graph.part(columns, width))
    return columns, width


def mamba(block: Block, normed: int) -> int:
    """Mamba 1 and 2: one projection to the gate, the convolved part and the time step."""
    graph, shape, layer = block.graph, block.shape, block.layer
    first = layer.mixer is Mixer.MAMBA1
    row, inner = shape.row, layer.inner * shape.row
    state = 4 * shape.sequences * layer.state_elements
    heads = 0 if first else max(layer.inner // 64, 1) * row
    kept = block.fetched()
    projected = block.times("ssm_in", inner + layer.conv_channels * row + heads, graph.view(normed))
    block.kept = kept
    columns, width = _columns(block, projected)
    convolved = graph.new(width, columns)
    if first:
        small = block.times("ssm_x", inner // 32, convolved)
        step = block.times("ssm_dt", inner, graph.view(small))
    else:
        step = graph.new(heads, graph.part(projected, heads))
    place = graph.place
    if block.hosted:  # its weight is too small a reason to compute elsewhere
        graph.place = HOST
    parts = [graph.part(convolved, width) for _ in range(1 if first else 3)]
    scanned = graph.new(inner + state, *block.cached(state), *parts, step)
    graph.place = place
    block.keep(graph.part(scanned, state))
    output = graph.view(scanned, inner)
    place = graph.place
    if not layer.experts:
        block.look_ahead()
    gate = graph.new(inner, graph.part(projected, graph.sizes[projected]))
    graph.place = place
    skipped = graph.new(inner, graph.part(convolved))
    output = graph.over(inner, output, skipped)
    output = graph.new(inner, gate, output)
    if shape.model_type in NORMED_SCAN:
        output = graph.new(inner, graph.view(output))
    output = block.times("ssm_out", shape.hidden, graph.view(output))
    return graph.view(output) if first else output


def _delta(block: Block, normed: int) -> int:
    """Gated delta net, fused."""
    graph, shape, layer = block.graph, block.shape, block.layer
    row, inner = shape.row, layer.inner * shape.row
    state = 4 * shape.sequences * layer.state_elements
    keys = (layer.conv_channels - layer.inner) // 2 * row
    block.kept = block.fetched()
    mixed = block.times("attn_qkv", layer.conv_channels * row, normed)
    columns, width = _columns(block, graph.view(mixed))
    kept = graph.new(state, *block.cached(state))
    convolved = graph.new(width, columns)
    queries = graph.new(keys, graph.part(convolved))
    repeats = shape.model_type in REPEATED
    if repeats:
        queries = graph.new(inner, queries)
    repeated = graph.new(keys, graph.part(convolved))
    if repeats:
        repeated = graph.new(inner, repeated)
    output = graph.new(
        inner + state, graph.view(queries), graph.view(repeated), graph.part(convolved),
        graph.view(kept),
    )  # fmt: skip
    block.keep(graph.part(output, state))
    output = graph.over(inner, graph.view(output, inner))
    gate = graph.over(inner, graph.view(block.times("attn_gate", inner, normed)))
    output = graph.over(inner, output, gate)
    return graph.view(block.times("ssm_out", shape.hidden, graph.view(output)))


def _short_conv(block: Block, normed: int) -> int:
    """LFM2: a short convolution between two gates."""
    graph, hidden = block.graph, block.shape.hidden
    block.kept = block.fetched()
    projected = block.times("shortconv.in_proj", 3 * hidden, graph.view(normed))
    gated = graph.new(hidden, graph.part(projected), graph.part(projected))
    columns, width = _columns(block, gated)
    convolved = graph.new(width, columns)
    output = graph.over(width, graph.part(projected), convolved)
    return graph.view(block.times("shortconv.out_proj", hidden, output))
