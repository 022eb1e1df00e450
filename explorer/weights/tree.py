"""The tensors as a tree of modules, opened branch by branch.

A node keeps the row numbers below it and splits them when it is opened: the first build of 150,000
tensors touches each of them once. Layers of equal make are one node, ``[0-47]``, which opens into what
they have in common; ``members`` opens them one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from explorer.weights.components import layer_of
from explorer.weights.names import ranges
from explorer.weights.tensor_table import Row, TensorTable

Grouping: TypeAlias = Literal["module", "layer", "dtype", "file", "component"]

GROUPINGS: tuple[Grouping, ...] = ("module", "layer", "dtype", "file", "component")


@dataclass(frozen=True, slots=True)
class Node:
    """A branch or a leaf of the tree."""

    name: str
    """One step of the path: ``mlp``, ``[0-47]``, ``weight``; the group's name at the top."""
    tensors: int
    parameters: int
    """Logical."""
    size_bytes: int
    rows: tuple[int, ...] = field(repr=False)
    """Numbers of the table's rows below."""
    depth: int = 0
    """Steps of the tensors' names that are above and including this node."""
    repeats: int = 1
    """Layers or experts of equal make that this node stands for."""
    leaf: bool = False
    """A tensor, or the same tensor of each repeated layer."""
    table: TensorTable = field(default_factory=TensorTable, repr=False)

    def children(self) -> tuple["Node", ...]:
        """Return what is directly below, in file order, equal layers folded; nothing for a leaf."""
        if self.leaf:
            return ()
        groups = _split(self.table, self.rows, self.depth)
        numbered = {name: rows for name, rows in groups.items() if name.isdecimal()}
        if len(numbered) < 2:
            return tuple(self._below(name, rows) for name, rows in groups.items())
        folded = list(self._fold(numbered))
        rest = (item for item in groups.items() if item[0] not in numbered)
        return (*folded, *(self._below(name, rows) for name, rows in rest))

    def members(self) -> tuple["Node", ...]:
        """Return the layers that a folded node stands for, each on its own; nothing for others."""
        if self.repeats < 2:
            return ()
        groups = _split(self.table, self.rows, self.depth - 1)
        return tuple(
            _node(self.table, name, rows, self.depth)
            for name, rows in sorted(groups.items(), key=lambda item: int(item[0]))
        )

    def _below(self, name: str, rows: Sequence[int]) -> "Node":
        return _node(self.table, name, rows, self.depth + 1)

    def _fold(self, numbered: dict[str, list[int]]) -> Iterable["Node"]:
        alike: dict[frozenset[tuple[str, str, tuple[int, ...]]], list[str]] = {}
        for name, rows in numbered.items():
            alike.setdefault(_make(self.table, rows, self.depth + 1), []).append(name)
        for names in alike.values():
            if len(names) == 1:
                yield self._below(names[0], numbered[names[0]])
                continue
            rows = [row for name in names for row in numbered[name]]
            title = f"[{ranges(set(map(int, names)))}]"
            yield _node(self.table, title, rows, self.depth + 1, len(names))


def build(
    table: TensorTable, by: Grouping = "module", rows: Iterable[int] | None = None
) -> tuple[Node, ...]:
    """Return the topmost nodes over all rows, or over those a filter left.

    Under every grouping but ``module`` the first level is the group, and modules follow below it.
    """
    numbers: Sequence[int] = range(len(table.rows)) if rows is None else tuple(rows)
    if by == "module":
        return _node(table, "", numbers, 0).children()
    key = _KEYS[by]
    groups: dict[str, list[int]] = {}
    for number in numbers:
        groups.setdefault(key(table.rows[number]), []).append(number)
    names = sorted(groups, key=_layer_order) if by == "layer" else sorted(groups)
    return tuple(_group(table, name, groups[name]) for name in names)


_KEYS: dict[str, Callable[[Row], str]] = {
    "dtype": lambda row: row.dtype,
    "file": lambda row: row.path,
    "component": lambda row: row.component,
    "layer": lambda row: _layer_name(row.name),
}


def _layer_name(name: str) -> str:
    layer = layer_of(name)
    return "outside the layers" if layer is None else f"layer {layer}"


def _layer_order(name: str) -> int:
    number = name.removeprefix("layer ")
    return int(number) if number.isdecimal() else -1


def _group(table: TensorTable, name: str, rows: list[int]) -> Node:
    node = _node(table, name, rows, 0)
    return node if not node.leaf else _node(table, name, rows, 0, branch=True)


def _split(table: TensorTable, rows: Iterable[int], depth: int) -> dict[str, list[int]]:
    """Rows by the step of their names at this depth."""
    groups: dict[str, list[int]] = {}
    names = table.rows
    for row in rows:
        step = names[row].name.split(".", depth + 1)
        name = step[depth] if depth < len(step) else step[-1]
        found = groups.get(name)
        if found is None:
            groups[name] = [row]
        else:
            found.append(row)
    return groups


def _make(
    table: TensorTable, rows: Iterable[int], depth: int
) -> frozenset[tuple[str, str, tuple[int, ...]]]:
    """What layers must share to be folded: names within the layer, dtypes and shapes."""
    found = table.rows
    return frozenset(
        (found[row].name.split(".", depth)[-1], found[row].dtype, found[row].shape) for row in rows
    )


def _node(
    table: TensorTable,
    name: str,
    rows: Sequence[int],
    depth: int,
    repeats: int = 1,
    *,
    branch: bool = False,
) -> Node:
    found = [table.rows[row] for row in rows]
    return Node(
        name,
        len(found),
        sum(row.parameters for row in found),
        sum(row.size_bytes for row in found),
        tuple(rows),
        depth,
        repeats,
        leaf=not branch and bool(found) and all(row.name.count(".") < depth for row in found),
        table=table,
    )
