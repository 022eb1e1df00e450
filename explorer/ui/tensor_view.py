"""How tensors are looked at, and what one pass over them gives for that."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from explorer.inspection.model import Model
from explorer.ui.tensor_rows import Opened, Tree, TreeRows
from explorer.weights.byte_map import ByteMap, byte_map
from explorer.weights.metadata_entries import Entry, entries
from explorer.weights.tensor_filter import parse_filter
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tree import Grouping, build

OPENED_BY_FILTER = 300
"""A filter that leaves this many tensors or fewer opens every module above them."""

Mode: TypeAlias = Literal["tree", "table", "bytes", "metadata"]

GROUPING_LABELS: dict[Grouping, str] = {
    "module": "module: the names' own tree",
    "layer": "layer",
    "dtype": "dtype",
    "file": "file",
    "component": "component: backbone, embeddings, vision …",
}


@dataclass(frozen=True, slots=True)
class View:
    """How the tensors are to be shown."""

    filter: str = ""
    by: Grouping = "module"
    mode: Mode = "tree"
    sort: str = ""
    """Column of the table; empty for file order."""
    descending: bool = True
    apart: bool = False
    """The picture of the bytes has a line for each layer."""

    opened: Opened = field(default_factory=Opened)
    """Branches of the tree; until the person chooses some, a good first view is opened."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one pass over the tensors gave for one view."""

    view: View
    table: TensorTable
    indices: tuple[int, ...] = ()
    tree: Tree | None = None
    opened: Opened = field(default_factory=Opened)
    """The branches that are open, chosen or not."""
    lines: TreeRows | None = None
    bytes: ByteMap = field(default_factory=ByteMap)
    entries: tuple[Entry, ...] = ()


def arrange(model: Model, table: TensorTable, view: View, before: Shown) -> Shown:
    """Filter, then group, sort or sum; ``before`` is what was shown last, whose tree may still do.

    Runs in a thread: 150,000 tensors take a moment.
    """
    if view.mode == "metadata":
        return Shown(view, table, entries=_matching(entries(model.checkpoint), view.filter))
    if view.mode == "tree":
        return _as_tree(table, view, before)
    indices = tuple(parse_filter(view.filter).apply(table))
    if view.mode == "bytes":
        return Shown(view, table, indices, bytes=byte_map(table, indices, folded=not view.apart))
    if view.sort:
        ordered = table.ordered(indices, view.sort, descending=view.descending)
        return Shown(view, table, tuple(ordered))
    return Shown(view, table, indices)


def _as_tree(table: TensorTable, view: View, before: Shown) -> Shown:
    known = (before.table is table, before.view.filter, before.view.by)
    if before.tree is not None and known == (True, view.filter, view.by):
        tree, indices = before.tree, before.indices
    else:
        indices = tuple(parse_filter(view.filter).apply(table))
        tree = Tree(build(table, view.by, indices))
    opened = view.opened if view.opened.chosen else tree.first_view()
    filtered = bool(view.filter) and len(indices) <= OPENED_BY_FILTER
    lines = tree.flatten(opened, everything=filtered)
    return Shown(view, table, indices, tree, opened, lines)


def grow(
    table: TensorTable, seen: frozenset[str], model: Model
) -> tuple[TensorTable, frozenset[str]]:
    """Add the tensors of the shards that arrived since; the work grows with those only."""
    came = [s.path for s in model.checkpoint.shards if s.header and s.path not in seen]
    if not came:
        return table, seen
    return table.plus(TensorTable.of(model.checkpoint, came)), seen | set(came)


def _matching(found: tuple[Entry, ...], text: str) -> tuple[Entry, ...]:
    words = text.lower().split()
    return tuple(
        entry
        for entry in found
        if all(word in entry.key.lower() or word in entry.value.lower() for word in words)
    )
