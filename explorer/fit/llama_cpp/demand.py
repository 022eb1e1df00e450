"""What one model needs under llama.cpp, before it is put anywhere: by block and altogether."""

from dataclasses import dataclass, replace
from functools import lru_cache

from explorer.fit.architecture import Architecture, Layer
from explorer.fit.llama_cpp.builds import (
    as_run,
    cached,
    draft_settings,
    effective,
    owns_values_only,
    value_width,
    windowed,
)
from explorer.fit.llama_cpp.cache import kv_bytes, state_bytes, values_only_bytes
from explorer.fit.llama_cpp.compute import Compute, compute
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.llama_cpp.spread import Spread, spread
from explorer.fit.weight_map import BlockWeights, WeightMap

__all__ = ["Demand", "aligned", "demand", "windowed"]


@dataclass(frozen=True, slots=True)
class Demand:
    """Bytes of every part. Blocks are in order; encoder blocks are blocks."""

    block_weights: tuple[int, ...]
    """Without routed experts."""
    block_experts: tuple[int, ...]
    block_kv: tuple[int, ...]
    block_state: tuple[int, ...]
    input_weights: int
    """The token embeddings, which stay on the host whatever is offloaded."""
    output_weights: int
    """Output head and final norms; with tied embeddings a second copy of them."""
    host_output_weights: int
    """The same on a processor alone, where tied embeddings are stored once."""
    compute: Compute
    """On one device, or on the host alone."""
    spread: Spread
    """What tells the compute buffers of every other placement."""
    draft: "Draft | None" = None
    """What drafting takes beside it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Blocks of multi-token prediction, in a context of their own beside the model's last block.

    Source: ``create_memory`` in ``llama-model.cpp``: that context caches for these blocks alone.
    """

    weights: int
    """Of every tensor of the blocks, embeddings and a head of their own included."""
    kv: int
    compute: Compute


def demand(
    architecture: Architecture, weights: WeightMap, settings: Settings, *, cuda: bool = False
) -> Demand:
    """The needs of a model in one quantization.

    Vision towers are not loaded, nor are blocks of multi-token prediction unless drafts are asked for.
    """
    if settings.drafts and not weights.mtp_bytes:
        settings = replace(settings, drafts=0, n_outputs=settings.sequences)
    context = _context(architecture, settings, cuda)
    blocks = aligned(weights.blocks, len(architecture.layers))
    headless = architecture.kind == "encoder" and not weights.output_bytes
    head = 0 if headless else weights.output_bytes or weights.input_bytes
    return Demand(
        block_weights=tuple([block.dense_bytes for block in blocks]),
        block_experts=tuple([block.expert_bytes for block in blocks]),
        block_kv=context[0],
        block_state=context[1],
        input_weights=weights.input_bytes,
        output_weights=head + weights.other_bytes,
        host_output_weights=weights.output_bytes + weights.other_bytes,
        compute=context[2],
        spread=spread(
            as_run(architecture), effective(architecture, settings), weights,
            windowed=windowed(architecture),
        ),
        draft=_draft(architecture, weights, settings, cuda=cuda) if settings.drafts else None,
    )  # fmt: skip


def _draft(
    architecture: Architecture, weights: WeightMap, settings: Settings, *, cuda: bool
) -> Draft | None:
    """The context that drafts."""
    layer, count = architecture.draft_layer, architecture.mtp_layers
    if layer is None:
        return None
    # one block more for the buffers: no block of this graph works on the rows with an output alone
    alone = replace(architecture, layers=(layer,) * (count + 1), mtp_layers=0)
    kv, _, buffers = _context(alone, draft_settings(settings), cuda)
    return Draft(weights.mtp_bytes, sum(kv[:count]), buffers)


@lru_cache(maxsize=8192)
def _context(
    architecture: Architecture, settings: Settings, cuda: bool
) -> tuple[tuple[int, ...], tuple[int, ...], Compute]:
    """KV cache and state of every block, and the compute buffers: the same in every quantization."""
    architecture, settings = as_run(architecture), effective(architecture, settings)
    slides, widest = windowed(architecture), value_width(architecture, settings)

    def caches(layer: Layer) -> int:
        if owns_values_only(architecture, layer):
            return values_only_bytes(settings, widest, cuda=cuda)
        layer = cached(architecture, layer)
        return kv_bytes(layer, settings, windowed=slides, cuda=cuda, widest=widest)

    sizes = {
        id(layer): (caches(layer), state_bytes(layer, settings))
        for layer in {id(layer): layer for layer in architecture.layers}.values()
    }
    return (
        tuple([sizes[id(layer)][0] for layer in architecture.layers]),
        tuple([sizes[id(layer)][1] for layer in architecture.layers]),
        compute(architecture, settings, windowed=slides),
    )


def aligned(blocks: tuple[BlockWeights, ...], layers: int) -> tuple[BlockWeights, ...]:
    """As many blocks as layers: what a header has beyond them is counted with the last one."""
    if len(blocks) == layers or not layers:
        return blocks
    if len(blocks) < layers:
        return blocks + (BlockWeights(0),) * (layers - len(blocks))
    rest = blocks[layers - 1 :]
    last = BlockWeights(
        sum(block.dense_bytes for block in rest), sum(block.expert_bytes for block in rest)
    )
    return (*blocks[: layers - 1], last)
