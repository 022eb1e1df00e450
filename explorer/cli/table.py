"""Plain text in columns, fitted to the terminal."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from explorer.safetext import safe_line


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is printed."""

    title: str
    right: bool = False
    """Numbers are aligned right."""
    flexible: bool = False
    """Is cut first when the terminal is narrow."""
    spare: int = 0
    """Left out when that is not enough: those with the highest number first, those with 0 never."""


LEAST_FLEXIBLE = 16
GAP = "  "


def terminal_width() -> int:
    """Columns of the terminal; 0 where output is not a terminal and lines need no end."""
    return shutil.get_terminal_size((0, 0)).columns


def lines(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None = None
) -> list[str]:
    """A heading and one line a row. ``width`` 0 never cuts; None asks the terminal.

    A row that has its first cell alone goes over the columns that it leaves empty.
    """
    cells = [[safe_line(cell) for cell in row] for row in rows]
    widths = [
        max([len(column.title), *(len(row[i]) for row in cells if not _is_heading(row))])
        for i, column in enumerate(columns)
    ]
    room = terminal_width() if width is None else width
    if room:
        kept = _kept(columns, widths, room)
        columns = [columns[i] for i in kept]
        cells = [[row[i] for i in kept] for row in cells]
        widths = _cut(columns, [widths[i] for i in kept], room)
    heading = [column.title for column in columns]
    return [_line(columns, widths, row) for row in (heading, *cells)]


def _kept(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The columns that there is room for when the flexible ones are as narrow as they get."""
    least = [
        min(width, LEAST_FLEXIBLE) if column.flexible else width
        for column, width in zip(columns, widths, strict=True)
    ]
    kept = list(range(len(columns)))
    for i in sorted(kept, key=lambda i: -columns[i].spare):
        if not columns[i].spare or _across([least[i] for i in kept]) <= room:
            break
        kept.remove(i)
    return kept


def _cut(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The widths with the flexible ones cut as far as it takes, and as they allow."""
    cut = list(widths)
    for i, column in enumerate(columns):
        if column.flexible:
            excess = max(_across(cut) - room, 0)
            cut[i] = max(min(LEAST_FLEXIBLE, cut[i]), cut[i] - excess)
    return cut


def _is_heading(row: Sequence[str]) -> bool:
    return len(row) > 1 and not any(row[1:])


def _across(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _line(columns: Sequence[Column], widths: Sequence[int], row: Sequence[str]) -> str:
    if _is_heading(row):
        return row[0][: _across(widths)]
    parts = []
    for column, width, cell in zip(columns, widths, row, strict=True):
        text = cell if len(cell) <= width else cell[: width - 1] + "…"
        parts.append(text.rjust(width) if column.right else text.ljust(width))
    return GAP.join(parts).rstrip()


def facts(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Label and value, values aligned and wrapped on a terminal; pairs without a value are left out."""
    shown = [(label, safe_line(value)) for label, value in pairs if value]
    width = max((len(label) for label, _ in shown), default=0)
    room = max(terminal_width() - width - len(GAP), LEAST_FLEXIBLE) if terminal_width() else 0
    return [
        f"{label.ljust(width)}{GAP}{line}"
        for name, value in shown
        for label, line in zip(chain([name], repeat("")), _wrapped(value, room), strict=False)
    ]


def _wrapped(text: str, room: int) -> list[str]:
    """The text in lines of so many characters; in one if ``room`` is 0."""
    if not room or len(text) <= room:
        return [text]
    from textwrap import wrap  # few answers have a line that is too long

    return wrap(text, room, break_long_words=False, break_on_hyphens=False)
