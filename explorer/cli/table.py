"""Plain text in columns, fitted to the terminal."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from explorer.safetext import safe_line


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is printed."""

    title: str
    right: bool = False
    """Numbers are aligned right."""
    flexible: bool = False
    """Gives way first when the terminal is narrow."""


LEAST_FLEXIBLE = 16
GAP = "  "


def terminal_width() -> int:
    """Columns of the terminal; 0 where output is not a terminal and lines need no end."""
    return shutil.get_terminal_size((0, 0)).columns


def lines(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None = None
) -> list[str]:
    """A heading and one line a row. ``width`` 0 never cuts; None asks the terminal."""
    cells = [[safe_line(cell) for cell in row] for row in rows]
    widths = [
        max([len(column.title), *(len(row[i]) for row in cells)])
        for i, column in enumerate(columns)
    ]
    room = terminal_width() if width is None else width
    excess = sum(widths) + len(GAP) * (len(columns) - 1) - room
    if room and excess > 0:
        for i, column in enumerate(columns):
            if column.flexible:
                widths[i] = max(LEAST_FLEXIBLE, widths[i] - excess)
    heading = [column.title for column in columns]
    return [_line(columns, widths, row) for row in (heading, *cells)]


def _line(columns: Sequence[Column], widths: Sequence[int], row: Sequence[str]) -> str:
    parts = []
    for column, width, cell in zip(columns, widths, row, strict=True):
        text = cell if len(cell) <= width else cell[: width - 1] + "…"
        parts.append(text.rjust(width) if column.right else text.ljust(width))
    return GAP.join(parts).rstrip()


def facts(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Label and value, one pair a line, values aligned; pairs without a value are left out."""
    shown = [(label, safe_line(value)) for label, value in pairs if value]
    width = max((len(label) for label, _ in shown), default=0)
    return [f"{label.ljust(width)}{GAP}{value}" for label, value in shown]
