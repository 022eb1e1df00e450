"""Columns of a table: how wide each becomes, which give way when there is little room, how a cell fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from rich.cells import cell_len

from explorer.safetext import safe_line
from explorer.ui.text import fit_end, fit_middle

GAP = 2
"""Blank cells between two columns."""
STUB = 6
"""Cells that are left of a first run that gives way."""
SHRUNK = 8
"""Cells a flexible column keeps when even the columns that stay have no room."""


class Run(NamedTuple):
    """A piece of a cell in one tone: ``good``, ``warn``, ``bad``, ``dim``, ``strong``, ``accent``."""

    text: str
    tone: str = ""


Cell: TypeAlias = str | Run | tuple[Run, ...]
"""What a row gives for one column. Text needs no cleaning: the table makes it safe as it paints."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    key: str
    label: str
    width: int
    """Cells; for a flexible column the least it may have."""
    flex: int = 0
    """Share of the space that is left over; 0 keeps ``width``."""
    most: int = 0
    """Cells a flexible column takes at most; 0 for no limit."""
    align: Literal["left", "right"] = "left"
    cut: Literal["end", "middle", "first"] = "end"
    """Where text without room is cut; ``first``: the first of several runs gives way to the others."""
    drop: int = 0
    """On a narrow terminal the column with the highest number goes first; 0 stays."""
    sortable: bool = True
    """A click on its heading asks for a sort."""


class Placed(NamedTuple):
    """A column that is shown: which cell of a row is its, where it begins and how wide it is."""

    column: Column
    cell: int
    x: int
    width: int


def place(columns: Sequence[Column], width: int) -> tuple[Placed, ...]:
    """The columns that have room in ``width`` cells, with their places from left to right."""
    shown = list(enumerate(columns))
    while len(shown) > 1 and _least(shown) > width:
        droppable = [entry for entry in shown if entry[1].drop]
        if not droppable:
            break
        shown.remove(max(droppable, key=lambda entry: entry[1].drop))
    widths = _widths([column for _, column in shown], width)
    placed: list[Placed] = []
    x = 0
    for (index, column), cells in zip(shown, widths, strict=True):
        visible = min(cells, max(width - x, 0))
        if visible:
            placed.append(Placed(column, index, x, visible))
        x += cells + GAP
    return tuple(placed)


def _least(shown: Sequence[tuple[int, Column]]) -> int:
    return sum(column.width for _, column in shown) + GAP * (len(shown) - 1)


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Widths after the left-over space was shared out among the flexible columns."""
    widths = [column.width for column in columns]
    spare = width - sum(widths) - GAP * (len(columns) - 1)
    growing = [i for i, column in enumerate(columns) if column.flex]
    if spare < 0 and growing:
        widths[growing[0]] = max(widths[growing[0]] + spare, SHRUNK)
    while spare > 0 and growing:
        total = sum(columns[i].flex for i in growing)
        shares = {i: max(spare * columns[i].flex // total, 1) for i in growing}
        for i, share in shares.items():
            room = (columns[i].most or width) - widths[i]
            taken = min(share, room, spare)
            widths[i] += taken
            spare -= taken
        growing = [i for i in growing if widths[i] < (columns[i].most or width)]
    return widths


def runs(cell: Cell) -> tuple[Run, ...]:
    """A cell as its pieces, each safe to show."""
    if isinstance(cell, str):
        return (Run(safe_line(cell)),)
    if isinstance(cell, Run):
        return (Run(safe_line(cell.text), cell.tone),)
    return tuple(Run(safe_line(run.text), run.tone) for run in cell)


def fit(cell: Cell, placed: Placed) -> list[Run]:
    """The pieces of a cell, cut and padded to exactly the width of its column."""
    pieces = runs(cell)
    width = placed.width
    column = placed.column
    if len(pieces) == 1 and column.cut == "middle":
        return [Run(fit_middle(pieces[0].text, width), pieces[0].tone)]
    if len(pieces) > 1 and column.cut == "first":
        pieces = _yielding(pieces, width)
    fitted: list[Run] = []
    left = width
    for number, piece in enumerate(pieces):
        if left <= 0:
            break
        size = cell_len(piece.text)
        last = number == len(pieces) - 1
        if size > left or (size == left and not last):
            fitted.append(
                Run(fit_end(piece.text + (" " if size == left else ""), left), piece.tone)
            )
            left = 0
        else:
            fitted.append(piece)
            left -= size
    if left > 0:
        padding = Run(" " * left)
        fitted = [padding, *fitted] if column.align == "right" else [*fitted, padding]
    return fitted


def _yielding(pieces: tuple[Run, ...], width: int) -> tuple[Run, ...]:
    """The pieces with the first one cut as far as the others need its room; a stub of it stays."""
    first, *others = pieces
    size = cell_len(first.text)
    over = size + sum(cell_len(piece.text) for piece in others) - width
    if over <= 0 or size <= STUB:
        return pieces
    return (Run(fit_middle(first.text, max(size - over, STUB)), first.tone), *others)
