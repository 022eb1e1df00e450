"""Tensors and their groups as text for other programs.

CSV for spreadsheets, JSON as ``weights tensors --json`` has it.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal, TypeAlias

from explorer.weights.tensor_table import Row
from explorer.weights.tree import Node

ExportFormat: TypeAlias = Literal["csv", "json"]

COLUMNS = (
    "name",
    "dtype",
    "shape",
    "parameters",
    "size_bytes",
    "file",
    "start",
    "logical_shape",
    "component",
    "role",
)
"""Stable, as the JSON's keys are: columns are added at the end."""
GROUP_COLUMNS = ("group", "tensors", "parameters", "size_bytes")
"""Stable likewise."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(rows: Iterable[Row], form: ExportFormat) -> Iterator[str]:
    """Yield the text of these rows in pieces, so that 150,000 tensors are never one string."""
    return _csv(rows) if form == "csv" else _json(rows)


def export_groups(nodes: Iterable[Node]) -> Iterator[str]:
    """Yield CSV: a heading and a line a group."""
    return _csv_lines(
        GROUP_COLUMNS,
        ((node.name, node.tensors, node.parameters, node.size_bytes) for node in nodes),
    )


def _csv(rows: Iterable[Row]) -> Iterator[str]:
    """A heading and a line a tensor, dimensions joined by ``x``.

    A name that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    return _csv_lines(
        COLUMNS,
        (
            (
                _plain(row.name),
                row.dtype,
                _dimensions(row.shape),
                row.parameters,
                row.size_bytes,
                _plain(row.path),
                row.tensor.start,
                _dimensions(row.logical_shape or ()),
                _plain(row.component),
                row.role,
            )
            for row in rows
        ),
    )


def _csv_lines(columns: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> Iterator[str]:
    line = _Line()
    writer = csv.writer(line, lineterminator="\n")
    for cells in chain((columns,), rows):
        writer.writerow(cells)
        yield line.text


def _json(rows: Iterable[Row]) -> Iterator[str]:
    """One array of objects, an object a line."""
    separator = "[\n"
    for row in rows:
        entry = {
            "name": row.name,
            "dtype": row.dtype,
            "shape": row.shape,
            "parameters": row.parameters,
            "size_bytes": row.size_bytes,
            "file": row.path,
            "start": row.tensor.start,
            "logical_shape": row.logical_shape,
            "component": row.component,
            "role": row.role,
        }
        yield separator + json.dumps(entry)
        separator = ",\n"
    yield "\n]\n" if separator != "[\n" else "[]\n"


class _Line:
    """Takes what a csv writer writes, a row at a time."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _dimensions(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))
