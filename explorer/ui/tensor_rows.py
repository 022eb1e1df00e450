"""Tensors as rows of a table: one each, or as a tree of modules that opens branch by branch."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.units import count, file_size
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tree import Node

SHARE_CELLS = 8
INDENT = "  "
FIRST_LINES = 24
"""Lines of the tree that are open at first, at most."""

TENSOR_COLUMNS = (
    Column("name", "Tensor", 40, flex=4, most=72, cut="middle"),
    Column("dtype", "Dtype", 8),
    Column("shape", "Shape", 16, align="right", drop=2),
    Column("parameters", "Params", 7, align="right"),
    Column("size_bytes", "Size", 9, align="right"),
    Column("component", "Component", 12, drop=3),
    Column("path", "File", 20, flex=1, most=44, cut="middle", drop=4),
)
TREE_COLUMNS = (
    Column("name", "Module", 34, flex=4, most=72, cut="middle", sortable=False),
    Column("tensors", "Tensors", 8, align="right", drop=3, sortable=False),
    Column("params", "Params", 7, align="right", sortable=False),
    Column("size", "Size", 9, align="right", sortable=False),
    Column("share", "Share", SHARE_CELLS, drop=2, sortable=False),
    Column("dtype", "Dtype", 8, drop=1, sortable=False),
    Column("shape", "Shape", 16, align="right", drop=4, sortable=False),
)


@dataclass(frozen=True, slots=True)
class TensorRows:
    """The rows of a tensor table that a filter left, in the order they are to be shown."""

    table: TensorTable
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def row(self, index: int) -> Sequence[Cell]:
        """Cells of one tensor."""
        row = self.table.rows[self.indices[index]]
        return (
            row.name,
            row.dtype,
            dimensions(row.shape),
            count(row.parameters) if row.parameters else Run("-", "dim"),
            file_size(row.size_bytes),
            Run(row.component, "dim"),
            Run(row.path, "dim"),
        )

    def key(self, index: int) -> Hashable:
        """The file and the name."""
        row = self.table.rows[self.indices[index]]
        return row.path, row.name

    def find(self, key: Hashable) -> int | None:
        """Where a tensor stands now."""
        if not isinstance(key, tuple) or len(key) != 2:  # a branch of the tree
            return None
        path, name = key
        rows = self.table.rows
        for place, index in enumerate(self.indices):
            row = rows[index]
            if row.name == name and row.path == path:
                return place
        return None


@dataclass(frozen=True, slots=True)
class Branch:
    """One visible line of the tree."""

    node: Node
    path: tuple[str, ...]
    """Names from the top: what tells it from all others."""
    label: str
    level: int = 0
    """How far it is indented."""
    copies: int = 1
    """Layers that the folded branches above stand for."""
    opened: bool = False


@dataclass(frozen=True, slots=True)
class TreeRows:
    """The lines of the tree that are to be seen, the open ones with what is below them."""

    branches: tuple[Branch, ...]
    total_bytes: int

    def __len__(self) -> int:
        return len(self.branches)

    def row(self, index: int) -> Sequence[Cell]:
        """Cells of one module or tensor."""
        branch = self.branches[index]
        node = branch.node
        table_row = node.first if node.leaf and node.tensors else None
        return (
            title(branch),
            Run(f"{node.tensors:,}", "dim"),
            count(node.parameters) if node.parameters else Run("-", "dim"),
            file_size(node.size_bytes),
            Run(share_bar(node.size_bytes, self.total_bytes), "accent"),
            table_row.dtype if table_row else "",
            dimensions(table_row.shape) if table_row else "",
        )

    def key(self, index: int) -> Hashable:
        """The path from the top."""
        return self.branches[index].path

    def find(self, key: Hashable) -> int | None:
        """Where a path stands now."""
        return next((i for i, b in enumerate(self.branches) if b.path == key), None)


@dataclass(frozen=True, slots=True)
class Opened:
    """Which branches are open."""

    paths: frozenset[tuple[str, ...]] = frozenset()
    chosen: bool = False
    """The person opened or closed something: from then on nothing is opened for them."""
    apart: frozenset[tuple[str, ...]] = frozenset()
    """Folded layers that are shown one by one."""

    def toggle(self, path: tuple[str, ...]) -> "Opened":
        """A closed branch open, an open one closed."""
        return replace(self, chosen=True, paths=self.paths ^ {path})

    def toggle_apart(self, path: tuple[str, ...]) -> "Opened":
        """Folded layers one by one, or together again."""
        return Opened(self.paths | {path}, True, self.apart ^ {path})


class Tree:
    """Nodes with what is below those that were opened, so that nothing is split twice.

    Splitting 150,000 tensors takes a while: whoever asks is a thread, one at a time.
    """

    def __init__(self, roots: Sequence[Node]) -> None:
        self.roots = roots
        self._children: dict[tuple[tuple[str, ...], bool], tuple[Node, ...]] = {}

    def first_view(self) -> Opened:
        """The upper modules open, as many as make a good first view."""
        paths: set[tuple[str, ...]] = set()
        level: list[tuple[Node, tuple[str, ...]]] = [
            (node, (node.name,)) for node in self.roots if node.tensors > 1
        ]
        lines = len(self.roots)
        while level:
            opening = [(path, self._below(node, path, apart=False)) for node, path in level]
            lines += sum(len(below) for _, below in opening)
            if lines > FIRST_LINES:
                break
            paths.update(path for path, _ in opening)
            level = [
                (child, (*path, child.name))
                for path, below in opening
                for child in below
                if child.tensors > 1 and not child.leaf
            ]
        return Opened(frozenset(paths))

    def flatten(self, opened: Opened, *, everything: bool = False) -> TreeRows:
        """The visible lines from top to bottom; all there are if ``everything`` is open."""
        lines: list[Branch] = []
        waiting = [Branch(node, (node.name,), node.name) for node in reversed(self.roots)]
        while waiting:
            branch = self._joined(waiting.pop())
            path = branch.path
            is_open = not branch.node.leaf and (everything or path in opened.paths)
            lines.append(replace(branch, opened=is_open))
            if is_open:
                apart = path in opened.apart and branch.node.repeats > 1
                copies = 1 if apart else branch.copies * branch.node.repeats
                waiting += [
                    Branch(child, (*path, child.name), child.name, branch.level + 1, copies)
                    for child in reversed(self._below(branch.node, path, apart=apart))
                ]
        return TreeRows(tuple(lines), sum(node.size_bytes for node in self.roots))

    def _below(self, node: Node, path: tuple[str, ...], *, apart: bool) -> tuple[Node, ...]:
        key = (path, apart)
        if key not in self._children:
            self._children[key] = node.members() if apart else node.children()
        return self._children[key]

    def _joined(self, branch: Branch) -> Branch:
        """A module of one tensor as that tensor: ``norm.weight`` on one line."""
        while not branch.node.leaf and branch.node.tensors == branch.copies:
            child = self._below(branch.node, branch.path, apart=False)[0]
            path, label = (*branch.path, child.name), f"{branch.label}.{child.name}"
            branch = replace(branch, node=child, path=path, label=label)
        return branch


def title(branch: Branch) -> tuple[Run, ...]:
    """Indent, mark and name of a branch, with how many layers it stands for."""
    node = branch.node
    mark = "  " if node.leaf else "▾ " if branch.opened else "▸ "
    name = Run(INDENT * branch.level + mark + (branch.label or "(all)"))
    return (name, Run(f"  × {node.repeats}", "accent")) if node.repeats > 1 else (name,)


def share_bar(part: int, whole: int) -> str:
    """A share as a line of half cells: blocks would run into those of the rows above and below."""
    halves = round(part * SHARE_CELLS * 2 / whole) if whole else 0
    return "━" * (halves // 2) + "╸" * (halves % 2) if halves or not part else "╴"


def dimensions(shape: Sequence[int]) -> str:
    """``4096 × 11008``; a scalar has none."""
    return " × ".join(str(size) for size in shape) if shape else "scalar"
