"""Rows of a listing in the order of a figure that no hub sorts by."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias

from explorer.inspection.rows import Row

Figure: TypeAlias = "float | str | datetime"


def order_rows(rows: Iterable[Row], column: str, *, descending: bool) -> list[Row]:
    """Return the rows sorted by a column; those for which it is not known come last either way.

    Rows that are equal stay in the order they came in. Raises KeyError for a column of another name.
    """
    figure = _FIGURES[column]
    known: list[tuple[Figure, Row]] = []
    unknown: list[Row] = []
    for row in rows:
        value = figure(row)
        if value is None or value == "":
            unknown.append(row)
        else:
            known.append((value, row))
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return [*(row for _, row in known), *unknown]


def _memory(row: Row) -> int | None:
    return row.answer.needed.total if row.answer else None


def _speed(row: Row) -> float | None:
    decode = row.answer.speed.decode if row.answer else None
    return decode.expected if decode else None


_FIGURES: dict[str, Callable[[Row], "Figure | None"]] = {
    "model": lambda row: row.listing.id.lower(),
    "params": lambda row: row.parameters,
    "active": lambda row: row.active,
    "context": lambda row: row.context_tokens,
    "license": lambda row: row.license.lower(),
    "best": _memory,
    "speed": _speed,
    "downloads": lambda row: row.listing.downloads,
    "updated": lambda row: row.listing.updated,
    "created": lambda row: row.listing.created,
    "size": lambda row: row.listing.size_bytes,
    "task": lambda row: row.listing.task,
}
