"""The picture of where the bytes are: a line for each run of equal layers, its kinds drawn as a bar."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from textual.content import Content

from explorer.safetext import safe_line
from explorer.ui.text import many
from explorer.ui.verdicts import TONES
from explorer.ui.widgets.bar import share
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.units import file_size, percent
from explorer.weights.byte_map import Band, ByteMap, Kind

BYTE_COLUMNS = (
    Column("name", "Where", 18, flex=2, most=44, cut="middle", sortable=False),
    Column("layers", "Layers", 6, align="right", drop=3, sortable=False),
    Column("size", "Size", 9, align="right", sortable=False),
    Column("each", "A layer", 9, align="right", drop=2, sortable=False),
    Column("share", "Share", 7, align="right", drop=1, sortable=False),
    Column("bar", "What fills it", 16, flex=3, most=90, sortable=False),
)


LEAST_SHARE = 1000
"""A kind that is less than this part of the whole is not in the legend."""


class Fill(NamedTuple):
    """How a kind is drawn: a pattern that tells it from the others without colour too."""

    glyph: str
    tone: str


FILLS = {
    Kind.EXPERTS: Fill("█", "accent"),
    Kind.SHARED_EXPERTS: Fill("▆", "accent"),
    Kind.ROUTER: Fill("+", "warn"),
    Kind.FEED_FORWARD: Fill("▓", "accent"),
    Kind.ATTENTION: Fill("▒", "good"),
    Kind.RECURRENT: Fill("≋", "good"),
    Kind.EMBEDDING: Fill("░", "warn"),
    Kind.HEAD: Fill("=", "warn"),
    Kind.MODULATION: Fill("%", "bad"),
    Kind.CONVOLUTION: Fill("#", "good"),
    Kind.NORM: Fill(":", "dim"),
    Kind.OTHER: Fill("·", "dim"),
}


class ByteRows:
    """Bands as rows. ``bar_cells`` is asked at each painting, since the terminal may change."""

    def __init__(self, map_: ByteMap, bar_cells: Callable[[], int]) -> None:
        self.map = map_
        self._bar_cells = bar_cells
        self._largest = max((band.size_bytes for band in map_.bands), default=0)

    def __len__(self) -> int:
        return len(self.map.bands)

    def row(self, index: int) -> Sequence[Cell]:
        """Cells of one band."""
        band = self.map.bands[index]
        layers = len(band.layers)
        return (
            band.name,
            Run(f"{layers:,}" if layers else "", "dim"),
            file_size(band.size_bytes),
            Run(file_size(band.size_bytes / layers) if layers > 1 else "", "dim"),
            percent(band.size_bytes, self.map.size_bytes),
            bar(band, tuple(self.map.by_kind), self._largest, self._bar_cells()),
        )

    def key(self, index: int) -> Hashable:
        """The stack and its first layer, which stay when further layers arrive."""
        band = self.map.bands[index]
        return band.stack, band.layers[:1]

    def find(self, key: Hashable) -> int | None:
        """Where a band is now."""
        return next((i for i in range(len(self)) if self.key(i) == key), None)


def bar(band: Band, order: Sequence[Kind], largest: int, width: int) -> tuple[Run, ...]:
    """The kinds of a band in one order for all, as long as the band is large beside the largest.

    What would fill less than half a cell is left to the details.
    """
    kinds = [(kind, band.by_kind[kind]) for kind in order if kind in band.by_kind]
    length = max(round(width * band.size_bytes / largest), 1) if largest and width else 0
    told = [(kind, size) for kind, size in kinds if size * length * 2 >= band.size_bytes][:length]
    cells = share([size for _, size in told], sum(size for _, size in told), length)
    return tuple(
        Run(FILLS[kind].glyph * count, FILLS[kind].tone)
        for (kind, _), count in zip(told, cells, strict=True)
        if count
    ) or (Run(""),)


def legend(sizes: Sequence[tuple[Kind, int]], whole: int) -> Content:
    """Kinds with their patterns and shares, as far as they are worth a word."""
    told = [entry for entry in sizes if entry[1] * LEAST_SHARE >= whole] or sizes[:1]
    pieces = [
        Content.assemble(
            (f"{FILLS[kind].glyph * 2} ", TONES[FILLS[kind].tone]),
            f"{kind.value} ",
            (percent(size, whole), "$foreground-muted"),
        )
        for kind, size in told
    ]
    return Content("   ").join(pieces)


def band_details(band: Band, whole: ByteMap) -> Content:
    """One band: what it adds up to, and each kind in it."""
    size = f"{band.size_bytes:,} bytes in {many(band.tensors, 'tensor')}"
    kinds = sorted(band.by_kind.items(), key=lambda item: -item[1])
    return Content("\n").join(
        [
            Content.assemble((safe_line(band.name), "bold"), (f"  {size}", "$foreground-muted")),
            Content.assemble(("here    ", "$foreground-muted"), legend(kinds, band.size_bytes)),
            Content.assemble(
                ("in all  ", "$foreground-muted"),
                legend(tuple(whole.by_kind.items()), whole.size_bytes),
            ),
        ]
    )
