"""Tensors and their groups as CSV, for spreadsheets and scripts."""

import csv
import sys
from collections.abc import Iterable, Sequence

from explorer.safetext import safe_line
from explorer.weights.tensor_table import Row
from explorer.weights.tree import Node

TENSOR_COLUMNS = (
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


def tensors_csv(rows: Iterable[Row]) -> None:
    """Print a heading and a line a tensor. Shapes are ``4096x1024``, empty for a scalar or if unknown."""
    _write(
        TENSOR_COLUMNS,
        (
            (
                row.name,
                row.dtype,
                _shape(row.shape),
                row.parameters,
                row.size_bytes,
                row.path,
                row.tensor.start,
                _shape(row.logical_shape or ()),
                row.component,
                row.role,
            )
            for row in rows
        ),
    )


def groups_csv(nodes: Iterable[Node]) -> None:
    """Print a heading and a line a group."""
    _write(
        GROUP_COLUMNS,
        ((node.name, node.tensors, node.parameters, node.size_bytes) for node in nodes),
    )


def _write(columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        # A stranger's name must not move the cursor of a terminal.
        writer.writerow([safe_line(cell) if isinstance(cell, str) else cell for cell in row])


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
