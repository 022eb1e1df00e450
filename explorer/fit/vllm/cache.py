"""vLLM's pool of cache blocks: groups of layers, pages, and how many tokens so much memory holds.

Every group of layers draws its blocks from one pool, so all groups' blocks are made equally large:
smaller pages take more tokens, recurrent states are padded to a page of attention, and groups are cut
to the same number of layers. Source: vLLM 0.33.0, ``vllm/v1/core/kv_cache_planning.py``,
``vllm/v1/kv_cache_interface.py`` and ``_align_hybrid_block_size`` of ``vllm/platforms/interface.py``.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.vllm.settings import Settings, stages

BLOCK_TOKENS = 16
MLA_BLOCK_TOKENS = 64
INDEXER_SCALE_BYTES = 4
"""A scale for each token's 8-bit key of the sparse-attention indexer."""
SPARSE_TOKEN_BYTES = 656
"""A token of DeepSeek's sparse attention in 8 bits (``fp8_ds_mla``): latent, scales, and rope in 16."""
ENCODER_TOKENS = 1500
"""Of an encoder whose length is not stated: Whisper's."""
ALIGNED_STATES = 2
"""Blocks of recurrent state a sequence holds with prefix caching, the default (``align`` mode)."""

_FLOAT32_STATES = frozenset({
    "nemotron_h", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text", "kimi_linear",
})  # fmt: skip
"""Model types whose recurrent state is kept in 32 bits; the others keep the model's own type."""

Kind: TypeAlias = Literal["full", "sliding", "chunked", "cross", "state"]


@dataclass(frozen=True, slots=True)
class Pages:
    """What one layer keeps of the tokens of a block."""

    kind: Kind
    token_bytes: int
    """Attention: bytes a token; for a state 0."""
    block_tokens: int
    page_bytes: int
    """Bytes of a block, padding included."""
    window_tokens: int = 0
    """Sliding and chunked attention; for cross attention the encoder's length."""
    beside_attention: bool = False
    """A state in a model that has attention too, whose prefixes are cached."""


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that share one table of blocks."""

    layers: tuple[tuple[int, Pages], ...]
    """The layer's number and its pages. All need the same number of blocks."""

    @property
    def pages(self) -> Pages:
        """Those of the first layer, whose kind and tokens a block are everyone's."""
        return self.layers[0][1]

    def blocks(self, settings: Settings) -> int:
        """Blocks a request of the whole context takes of this group."""
        pages, context = self.pages, settings.context_tokens
        if pages.kind == "state":
            kept = ALIGNED_STATES if pages.beside_attention else 1
            return kept + settings.draft_tokens
        tokens = context
        if pages.kind == "sliding":
            tokens = min(pages.window_tokens - 1 + settings.in_flight_tokens, context)
        elif pages.kind == "chunked":
            tokens = min(pages.window_tokens + settings.in_flight_tokens, context)
        elif pages.kind == "cross":
            tokens = pages.window_tokens
        # a window may begin inside a block
        return -(-tokens // pages.block_tokens) + (pages.kind == "sliding")


@dataclass(frozen=True, slots=True)
class Pool:
    """The groups of a model, and what follows from them."""

    groups: tuple[Group, ...]
    attention: int
    """Blocks of attention a request of the whole context takes."""
    states: int
    """Blocks of recurrent state it takes."""
    stage_bytes: tuple[int, ...]
    """Bytes a block takes on a rank of every pipeline stage."""

    @property
    def request_blocks(self) -> int:
        """Blocks a request of the whole context takes, over all groups."""
        return self.attention + self.states

    def blocks_in(self, available_bytes: int, stage: int = 0) -> int:
        """Blocks that so much memory of a rank holds."""
        size = self.stage_bytes[stage]
        return max(available_bytes, 0) // size if size else 0

    def tokens(self, blocks: int, context_tokens: int) -> int:
        """What vLLM prints as “GPU KV cache size”: concurrency times the context."""
        return int(blocks / self.request_blocks * context_tokens) if self.request_blocks else 0


@lru_cache(maxsize=8192)
def pool(architecture: Architecture, settings: Settings) -> Pool:
    """The pool of a model under these settings; one without groups for a model that caches nothing."""
    groups = _grouped(_unified(_layer_pages(architecture, settings)))
    attention = sum(group.blocks(settings) for group in groups if group.pages.kind != "state")
    states = sum(group.blocks(settings) for group in groups if group.pages.kind == "state")
    per_stage = tuple(
        max((_held(group, stage) for group in groups), default=0)
        for stage in _stages(architecture, settings)
    )
    return Pool(groups, attention, states, per_stage)


def _stages(architecture: Architecture, settings: Settings) -> list[range]:
    """The layers of every stage; those that draft are numbered on, and stand on the last."""
    count = len(architecture.layers)
    found = list(stages(count, settings.pipeline_parallel))
    found[-1] = range(found[-1].start, count + architecture.mtp_layers)
    return found


def _held(group: Group, stage: range) -> int:
    return sum(pages.page_bytes for layer, pages in group.layers if layer in stage)


def _layer_pages(architecture: Architecture, settings: Settings) -> list[tuple[int, Pages]]:
    """The pages of every layer before they are made equal; a block with attention and a state has both.

    Layers of multi-token prediction come last, when tokens are drafted.
    """
    wide = architecture.model_type in _FLOAT32_STATES
    made: dict[int, tuple[Pages, ...]] = {}
    found: list[tuple[int, Pages]] = []
    drafting = architecture.draft_layer if settings.draft_tokens else None
    drafts = (drafting,) * architecture.mtp_layers if drafting else ()
    for number, layer in enumerate((*architecture.layers, *drafts)):
        if id(layer) not in made:
            states = _state(layer, settings, wide=wide)
            made[id(layer)] = (*_attention(layer, settings), *states)
        found += [(number, pages) for pages in made[id(layer)]]
    return found


def _attention(layer: Layer, settings: Settings) -> tuple[Pages, ...]:
    if not layer.caches:
        return ()
    if layer.mixer is Mixer.MLA:
        return _latent(layer, settings)
    heads = max(1, layer.kv_heads // settings.tensor_parallel)
    size = heads * (layer.head_dim_k + layer.head_dim_v) * settings.kv_bytes
    if layer.mixer is Mixer.CROSS:
        cross = _paged("cross", size, BLOCK_TOKENS, layer.window_tokens or ENCODER_TOKENS)
        return _paged("full", size, BLOCK_TOKENS), cross
    kind = _WINDOWED.get(layer.mixer)
    if kind and layer.window_tokens:
        return (_paged(kind, size, BLOCK_TOKENS, layer.window_tokens),)
    return (_paged("full", size, BLOCK_TOKENS),)


_WINDOWED: dict[Mixer, Kind] = {Mixer.SLIDING: "sliding", Mixer.CHUNKED: "chunked"}


def _latent(layer: Layer, settings: Settings) -> tuple[Pages, ...]:
    """One head for all, which every rank keeps whole; beside it the keys of a sparse indexer."""
    size = layer.head_dim_k * settings.kv_bytes
    if not layer.indexer_dim:
        return (_paged("full", size, MLA_BLOCK_TOKENS),)
    if settings.kv_bytes == 1:
        size = SPARSE_TOKEN_BYTES
    latent = _paged("full", size, MLA_BLOCK_TOKENS)
    return latent, _paged("full", layer.indexer_dim + INDEXER_SCALE_BYTES, MLA_BLOCK_TOKENS)


def _paged(kind: Kind, token_bytes: int, tokens: int, window: int = 0) -> Pages:
    return Pages(kind, token_bytes, tokens, tokens * token_bytes, window)


def _state(layer: Layer, settings: Settings, *, wide: bool) -> tuple[Pages, ...]:
    """Convolution in 16 bits, with a column for each drafted token; state in 16 or 32; divided by ranks."""
    if not layer.recurrent:
        return ()
    convolved = layer.conv_elements + settings.draft_tokens * layer.conv_channels
    size = 2 * convolved + (4 if wide else 2) * layer.state_elements
    return (Pages("state", 0, settings.context_tokens, size // settings.tensor_parallel),)


def _unified(layers: list[tuple[int, Pages]]) -> list[tuple[int, Pages]]:
    """The same layers with equal pages, where their kinds differ."""
    kinds = {(pages.kind, pages.window_tokens) for _, pages in layers}
    if len(kinds) <= 1:
        return layers
    layers = _beside_states(layers)
    page = max(pages.page_bytes for _, pages in layers)
    return [(number, _enlarged(pages, page)) for number, pages in layers]


def _beside_states(layers: list[tuple[int, Pages]]) -> list[tuple[int, Pages]]:
    """Blocks of attention made long enough for a page to hold a recurrent state."""
    state = max((pages.page_bytes for _, pages in layers if pages.kind == "state"), default=0)
    widest = max((pages.token_bytes for _, pages in layers), default=0)
    if not state or not widest:
        return layers
    step = max(pages.block_tokens for _, pages in layers if pages.kind != "state")
    if step == MLA_BLOCK_TOKENS:  # kernels of latent attention want blocks of 128 beside states
        step *= 2
    tokens = max(step, step * -(-state // (step * widest)))
    return [
        (number, pages)
        if pages.kind == "state"
        else (number, replace(pages, block_tokens=tokens, page_bytes=tokens * pages.token_bytes))
        for number, pages in layers
    ]


def _enlarged(pages: Pages, page: int) -> Pages:
    """More tokens a block where they fill the page exactly, padding otherwise."""
    if pages.kind == "state":
        return replace(pages, page_bytes=page, beside_attention=True)
    times, rest = divmod(page, pages.page_bytes)
    if rest:
        return replace(pages, page_bytes=page)
    return replace(pages, block_tokens=pages.block_tokens * times, page_bytes=page)


def _grouped(layers: list[tuple[int, Pages]]) -> tuple[Group, ...]:
    """One group if all layers need as many blocks; else groups of as many layers as the rarest kind.

    If the commonest kind is less than half as common again, its number of layers is taken instead.
    """
    kinds: dict[tuple[object, ...], list[tuple[int, Pages]]] = {}
    for number, pages in layers:
        key = (pages.kind, pages.window_tokens, pages.block_tokens)
        kinds.setdefault(key, []).append((number, pages))
    if not kinds:
        return ()
    if len(kinds) == 1:
        return (Group(tuple(layers)),)
    counts = [len(members) for members in kinds.values()]
    size = max(counts) if max(counts) < 1.5 * min(counts) else min(counts)
    groups: list[Group] = []
    for members in kinds.values():
        parts = -(-len(members) // size)
        groups += [Group(tuple(members[part::parts])) for part in range(parts)]
    return tuple(groups)
