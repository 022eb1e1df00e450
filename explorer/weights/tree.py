"""The tensors as a tree of modules, opened branch by branch.

A node keeps what is below it by make: rows that differ in nothing but the indices in their names are
looked at together, so that opening 150,000 tensors touches few of them more than once. Layers of equal
make are one node, ``[0-47]``, which opens into what they have in common; ``members`` opens them one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from explorer.weights.components import layer_of
from explorer.weights.names import ranges
from explorer.weights.tensor_table import Row, TensorTable

Grouping: TypeAlias = Literal["module", "layer", "dtype", "file", "component"]

GROUPINGS: tuple[Grouping, ...] = ("module", "layer", "dtype", "file", "component")


class Make(NamedTuple):
    """What tensors must share to be looked at together."""

    pattern: str
    """Their name with the indices folded to ``*``."""
    dtype: str
    shape: tuple[int, ...]


class Alike(NamedTuple):
    """Rows of one make that hold equally many parameters and bytes."""

    make: Make
    steps: tuple[str, ...]
    """Of the pattern."""
    parameters: int
    """Logical, of one of them."""
    size_bytes: int
    """Of one of them."""
    rows: Sequence[int]
    """Their numbers in the table, never none."""


@dataclass(frozen=True, slots=True)
class Node:
    """A branch or a leaf of the tree."""

    name: str
    """One step of the path: ``mlp``, ``[0-47]``, ``weight``; the group's name at the top."""
    tensors: int
    parameters: int
    """Logical."""
    size_bytes: int
    below: tuple[Alike, ...] = field(repr=False)
    """Every tensor below, by make."""
    depth: int = 0
    """Steps of the tensors' names that are above and including this node."""
    repeats: int = 1
    """Layers or experts of equal make that this node stands for."""
    leaf: bool = False
    """A tensor, or the same tensor of each repeated layer."""
    table: TensorTable = field(default_factory=TensorTable, repr=False)

    @property
    def first(self) -> Row:
        """The row that stands first in the file of those below. There is one but under an empty tree."""
        return self.table.rows[_first(self.below)]

    @property
    def dtypes(self) -> frozenset[str]:
        """Stored dtypes below."""
        return frozenset(alike.make.dtype for alike in self.below)

    def children(self) -> tuple["Node", ...]:
        """Return what is directly below, in file order, equal layers folded; nothing for a leaf."""
        if self.leaf:
            return ()
        groups = _split(self.table, self.below, self.depth)
        numbered = {name: below for name, below in groups.items() if name.isdecimal()}
        if len(numbered) < 2:
            return tuple(self._below(name, below) for name, below in groups.items())
        folded = list(self._fold(numbered))
        rest = (item for item in groups.items() if item[0] not in numbered)
        return (*folded, *(self._below(name, below) for name, below in rest))

    def members(self) -> tuple["Node", ...]:
        """Return the layers that a folded node stands for, each on its own; nothing for others."""
        if self.repeats < 2:
            return ()
        groups = _split(self.table, self.below, self.depth - 1)
        return tuple(
            _node(self.table, name, below, self.depth)
            for name, below in sorted(groups.items(), key=lambda item: int(item[0]))
        )

    def _below(self, name: str, below: Sequence[Alike]) -> "Node":
        return _node(self.table, name, below, self.depth + 1)

    def _fold(self, numbered: dict[str, list[Alike]]) -> Iterable["Node"]:
        equal: dict[frozenset[tuple[Make, frozenset[str]]], list[str]] = {}
        for name, below in numbered.items():
            equal.setdefault(_make(self.table, below, self.depth + 1), []).append(name)
        for names in equal.values():
            if len(names) == 1:
                yield self._below(names[0], numbered[names[0]])
                continue
            together = _joined(alike for name in names for alike in numbered[name])
            title = f"[{ranges(set(map(int, names)))}]"
            yield _node(self.table, title, together, self.depth + 1, len(names))


def build(
    table: TensorTable, by: Grouping = "module", rows: Iterable[int] | None = None
) -> tuple[Node, ...]:
    """Return the topmost nodes over all rows, or over those a filter left.

    Under every grouping but ``module`` the first level is the group, and modules follow below it.
    """
    numbers: Iterable[int] = range(len(table.rows)) if rows is None else rows
    if by == "module":
        return _node(table, "", _by_make(table, numbers), 0).children()
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
    return _node(table, name, _by_make(table, rows), 0, branch=True)


def _by_make(table: TensorTable, numbers: Iterable[int]) -> tuple[Alike, ...]:
    """Rows by make, in order of first appearance."""
    rows = table.rows
    # Equal kinds of one file are one object, which the table keeps: its id stays its own.
    kinds: dict[tuple[int, int], list[int]] = {}
    for number in numbers:
        row = rows[number]
        key = (id(row.kind), row.size_bytes)
        found = kinds.get(key)
        if found is None:
            kinds[key] = [number]
        else:
            found.append(number)
    return _joined(_alike(rows[found[0]], found) for found in kinds.values())


def _alike(row: Row, numbers: list[int]) -> Alike:
    pattern = row.kind.pattern
    make = Make(pattern, row.dtype, row.shape)
    return Alike(make, tuple(pattern.split(".")), row.parameters, row.size_bytes, numbers)


def _joined(parts: Iterable[Alike]) -> tuple[Alike, ...]:
    """What is equal but for the rows as one, in order of first appearance."""
    found: dict[tuple[Make, int, int], list[Alike]] = {}
    for part in parts:
        found.setdefault((part.make, part.parameters, part.size_bytes), []).append(part)
    return tuple(
        alike[0]
        if len(alike) == 1
        else alike[0]._replace(rows=[number for part in alike for number in part.rows])
        for alike in found.values()
    )


def _split(table: TensorTable, below: Iterable[Alike], depth: int) -> dict[str, list[Alike]]:
    """What is below, by the step of its names at this depth, in the order of the rows."""
    groups: dict[str, list[Alike]] = {}
    for alike in below:
        place = min(depth, len(alike.steps) - 1)
        step = alike.steps[place]
        if step != "*":
            groups.setdefault(step, []).append(alike)
            continue
        for number, rows in _by_step(table, alike.rows, place).items():
            groups.setdefault(number, []).append(alike._replace(rows=rows))
    return dict(sorted(groups.items(), key=lambda item: _first(item[1])))


def _by_step(table: TensorTable, numbers: Iterable[int], place: int) -> dict[str, list[int]]:
    """Rows by one step of their names."""
    rows, parts = table.rows, place + 1
    found: dict[str, list[int]] = {}
    for number in numbers:
        step = rows[number].name.split(".", parts)[place]
        known = found.get(step)
        if known is None:
            found[step] = [number]
        else:
            known.append(number)
    return found


def _first(below: Iterable[Alike]) -> int:
    """The number of the row that comes first."""
    return min(alike.rows[0] for alike in below)


def _make(
    table: TensorTable, below: Iterable[Alike], depth: int
) -> frozenset[tuple[Make, frozenset[str]]]:
    """What layers must share to be folded: names within the layer, dtypes and shapes."""
    rows = table.rows
    found: dict[Make, set[str]] = {}
    for alike in below:
        names = found.setdefault(alike.make, set())
        if "*" in alike.steps[depth:]:
            names.update(rows[number].name.split(".", depth)[-1] for number in alike.rows)
    return frozenset((make, frozenset(names)) for make, names in found.items())


def _node(
    table: TensorTable,
    name: str,
    below: Sequence[Alike],
    depth: int,
    repeats: int = 1,
    *,
    branch: bool = False,
) -> Node:
    return Node(
        name,
        sum(len(alike.rows) for alike in below),
        sum(alike.parameters * len(alike.rows) for alike in below),
        sum(alike.size_bytes * len(alike.rows) for alike in below),
        tuple(below),
        depth,
        repeats,
        leaf=not branch and bool(below) and all(len(alike.steps) <= depth for alike in below),
        table=table,
    )
