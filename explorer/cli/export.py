"""Tensors and their groups as CSV, for spreadsheets and scripts."""

import csv
import io
from collections.abc import Iterable

from explorer.safetext import safe_line
from explorer.weights.tensor_export import export
from explorer.weights.tensor_table import Row
from explorer.weights.tree import Node

GROUP_COLUMNS = ("group", "tensors", "parameters", "size_bytes")
"""Stable, as the JSON's keys are: columns are added at the end."""


def tensors_csv(rows: Iterable[Row]) -> None:
    """Print a heading and a line a tensor. A stranger's name must not move a terminal's cursor."""
    for line in export(rows, "csv"):
        print(safe_line(line.removesuffix("\n"), limit=len(line)))


def groups_csv(nodes: Iterable[Node]) -> None:
    """Print a heading and a line a group."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(GROUP_COLUMNS)
    writer.writerows(
        (safe_line(node.name), node.tensors, node.parameters, node.size_bytes) for node in nodes
    )
    print(text.getvalue(), end="")
