"""Where the bytes of a checkpoint are: each run of equal layers, and what kinds of tensors fill it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from explorer.weights.components import Component, Part, component_of, part_of
from explorer.weights.names import ranges
from explorer.weights.tensor_table import Row, TensorTable


class Kind(StrEnum):
    """What a tensor does in a model, in the words people use."""

    EXPERTS = "experts"
    SHARED_EXPERTS = "shared experts"
    ROUTER = "router"
    FEED_FORWARD = "feed-forward"
    ATTENTION = "attention"
    RECURRENT = "recurrent"
    EMBEDDING = "embeddings"
    HEAD = "output head"
    MODULATION = "modulation"
    """Scales and shifts made from the time step, in image and video models."""
    CONVOLUTION = "convolutions"
    NORM = "norms"
    OTHER = "other"


class Band(NamedTuple):
    """Layers that follow each other and hold the same bytes of each kind, or what is in no layer."""

    stack: str
    """What the layers are called, ``model.layers``; outside of layers the component."""
    layers: tuple[int, ...]
    """Their numbers; empty outside of layers."""
    by_kind: Mapping[Kind, int]
    """Bytes of all these layers together."""
    tensors: int

    @property
    def size_bytes(self) -> int:
        """Of everything in the band."""
        return sum(self.by_kind.values())

    @property
    def name(self) -> str:
        """``model.layers 0-47``, or the component."""
        return f"{self.stack} {ranges(set(self.layers))}" if self.layers else self.stack


@dataclass(frozen=True, slots=True)
class ByteMap:
    """Bands in the order a token passes through them, as far as names tell."""

    bands: tuple[Band, ...] = ()
    by_kind: Mapping[Kind, int] = field(default_factory=dict)
    """Bytes over all bands, most first."""

    @property
    def size_bytes(self) -> int:
        """Of everything on the map."""
        return sum(self.by_kind.values())


def byte_map(
    table: TensorTable, rows: Iterable[int] | None = None, *, folded: bool = True
) -> ByteMap:
    """Return where the bytes are, of all rows or of those a filter left.

    ``folded`` joins neighbouring layers that hold the same; otherwise each layer is a band.
    """
    numbers = range(len(table.rows)) if rows is None else rows
    layers: dict[tuple[str, int], _Sum] = {}
    for number in numbers:
        row = table.rows[number]
        stack, layer = _place(row)
        found = layers.setdefault((stack, layer), _Sum())
        kind = _kind_of(row.kind.pattern)
        found.by_kind[kind] = found.by_kind.get(kind, 0) + row.size_bytes
        found.tensors += 1
    ordered = sorted(layers.items(), key=lambda item: _order(*item[0]))
    bands: list[Band] = []
    for (stack, layer), found in ordered:
        band = Band(stack, () if layer < 0 else (layer,), found.by_kind, found.tensors)
        if folded and bands and _alike(bands[-1], band):
            bands[-1] = _joined(bands[-1], band)
        else:
            bands.append(band)
    return ByteMap(tuple(bands), _total(bands))


@dataclass(slots=True)
class _Sum:
    by_kind: dict[Kind, int] = field(default_factory=dict)
    tensors: int = 0


_OUTSIDE = -1
_LAYER = re.compile(r"(?:^|(.+?)\.)([0-9]{1,6})\.")
_FIRST = (Component.EMBEDDING,)
_LAST = (Component.OUTPUT_HEAD, Component.TIED_HEAD)


def _place(row: Row) -> tuple[str, int]:
    """The stack of layers a tensor is in and its number there."""
    folder = "" if row.component in tuple(Component) else f"{row.component}/"
    found = _LAYER.match(row.name)
    if found is None or (found[1] or "").endswith("experts"):
        return (row.component, _OUTSIDE)
    return f"{folder}{found[1] or 'layer'}", int(found[2])


def _order(stack: str, layer: int) -> tuple[int, str, int]:
    outside = layer == _OUTSIDE
    place = 0 if outside and stack in _FIRST else 2 if outside and stack in _LAST else 1
    return place, stack, layer


def _each(band: Band) -> dict[Kind, int]:
    return {kind: size // max(len(band.layers), 1) for kind, size in band.by_kind.items()}


def _alike(first: Band, second: Band) -> bool:
    follows = bool(first.layers) and bool(second.layers)
    return follows and first.stack == second.stack and _each(first) == _each(second)


def _joined(first: Band, second: Band) -> Band:
    sums = {kind: size + second.by_kind[kind] for kind, size in first.by_kind.items()}
    layers = first.layers + second.layers
    return Band(first.stack, layers, sums, first.tensors + second.tensors)


def _total(bands: Iterable[Band]) -> dict[Kind, int]:
    sums: dict[Kind, int] = {}
    for band in bands:
        for kind, size in band.by_kind.items():
            sums[kind] = sums.get(kind, 0) + size
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


_MODULATION = re.compile(r"norm\w*\.linear(\.|$)|adaln|modulation|(^|[._])mod(\.|_)|scale_shift")
_NORM = re.compile(r"norm|(^|[._])ln(_|\.|\d|$)")
_RECURRENT = re.compile(r"mamba|(^|[._])ssm|linear_attn|(^|\.)(a_log|dt_bias)|rwkv|time_mix|conv1d")
_ATTENTION = re.compile(
    r"attn|attention|(^|\.)(to_)?(q|k|v|o|qkv)(_proj|_a_proj|_b_proj)?\.|(^|\.)(wq|wk|wv|wo|wqkv)\.|qkv"
)
_FEED_FORWARD = re.compile(
    r"mlp|ffn|feed_?forward|(^|\.)ff(_context)?\.|(^|\.)(fc1|fc2|w1|w2|w3|wi_?\d?|up_proj|down_proj"
    r"|gate_proj|gate_up_proj|densereludense|intermediate|output)\."
)
_CONVOLUTION = re.compile(r"(^|[._])conv")


@lru_cache(maxsize=65536)
def _kind_of(pattern: str) -> Kind:
    """What a tensor does, by its name with the indices folded; the first rule that speaks decides."""
    part = part_of(pattern)
    if part is not Part.DENSE:
        return _PARTS[part]
    component = component_of(pattern)
    if component in _COMPONENTS:
        return _COMPONENTS[component]
    name = pattern.lower()
    return next((kind for rule, kind in _RULES if rule.search(name)), Kind.OTHER)


_PARTS = {
    Part.ROUTED_EXPERT: Kind.EXPERTS,
    Part.SHARED_EXPERT: Kind.SHARED_EXPERTS,
    Part.ROUTER: Kind.ROUTER,
}
_COMPONENTS = {
    Component.EMBEDDING: Kind.EMBEDDING,
    Component.OUTPUT_HEAD: Kind.HEAD,
    Component.TIED_HEAD: Kind.HEAD,
}
_RULES = (
    (_MODULATION, Kind.MODULATION),
    (_NORM, Kind.NORM),
    (_RECURRENT, Kind.RECURRENT),
    (_ATTENTION, Kind.ATTENTION),
    (_FEED_FORWARD, Kind.FEED_FORWARD),
    (_CONVOLUTION, Kind.CONVOLUTION),
)
