"""A checkpoint's tensors as rows, with what sorting, filtering and the tree need worked out once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import starmap
from typing import NamedTuple

from explorer.weights.checkpoint import Checkpoint
from explorer.weights.counts import Described
from explorer.weights.packing import Role
from explorer.weights.tensors import Tensor


class Row(NamedTuple):
    """One tensor with its logical meaning."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """As stored."""
    parameters: int
    """Logical; 0 for scales and the like."""
    size_bytes: int
    """0 for what is another tensor's bytes again."""
    path: str
    """Of its file."""
    component: str
    role: str
    logical_shape: tuple[int, ...] | None
    """None where the file does not tell."""
    tensor: Tensor
    kind: Described
    """What follows from folded name, dtype and shape: one object for all tensors of a file it is true of."""

    @classmethod
    def of(cls, path: str, tensor: Tensor, kind: Described) -> "Row":
        """Return the row of a tensor of this file."""
        name, dtype, shape, _, size_bytes = tensor
        parameters, logical_shape, role, _ = kind.unpacked
        return cls(
            name,
            dtype,
            shape,
            parameters,
            size_bytes if role is not Role.SHARED else 0,
            path,
            kind.component,
            role,
            logical_shape,
            tensor,
            kind,
        )


@dataclass(frozen=True, slots=True)
class TensorTable:
    """Rows in file order. Grows with the checkpoint, shard by shard, by ``plus``."""

    rows: tuple[Row, ...] = field(default=(), repr=False)
    lowered: tuple[str, ...] = field(default=(), repr=False)
    """The names in lower case, row by row."""

    @classmethod
    def of(cls, checkpoint: Checkpoint, paths: Iterable[str] | None = None) -> "TensorTable":
        """Return all tensors that have arrived, or those of some files only."""
        wanted = None if paths is None else set(paths)
        rows = tuple(starmap(Row.of, checkpoint.described(wanted)))
        # A name that is in lower case already is shared, which halves the memory of this column.
        lowered = ((row.name.lower(), row.name) for row in rows)
        return cls(rows, tuple(name if name == low else low for low, name in lowered))

    def plus(self, other: "TensorTable") -> "TensorTable":
        """Return both, this one's rows first."""
        return TensorTable(self.rows + other.rows, self.lowered + other.lowered)

    def ordered(self, indices: Iterable[int], column: str, *, descending: bool) -> list[int]:
        """Return row indices sorted by a column of ``Row``; names in natural order (9 before 10).

        Raises KeyError for a column that cannot be sorted by.
        """
        key = _SORT_KEYS[column]
        rows = self.rows
        return sorted(indices, key=lambda index: key(rows[index]), reverse=descending)


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key under which ``layers.9`` comes before ``layers.10``."""
    return tuple(
        (int(part), "") if part.isdecimal() and len(part) < 10 else (-1, part)
        for part in name.split(".")
    )


_SortKey = Callable[[Row], int | str | tuple[int, ...] | tuple[tuple[int, str], ...]]
_SORT_KEYS: dict[str, _SortKey] = {
    "name": lambda row: natural_key(row.name),
    "dtype": lambda row: row.dtype,
    "shape": lambda row: row.shape,
    "parameters": lambda row: row.parameters,
    "size_bytes": lambda row: row.size_bytes,
    "path": lambda row: row.path,
    "component": lambda row: row.component,
    "role": lambda row: row.role,
}
