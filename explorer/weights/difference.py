"""What differs in structure between two checkpoints, never in values.

Tensors are compared by their logical name and shape, so that a quantized checkpoint is held against its
original weight by weight: ``q_proj.qweight`` of GPTQ is ``q_proj.weight`` there. Scales and the like are
no part of the comparison; their bytes are in the totals.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from explorer.weights.checkpoint import Checkpoint
from explorer.weights.counts import Counts
from explorer.weights.folding import fold
from explorer.weights.packing import Role
from explorer.weights.tensors import Tensor

_ENDINGS = {
    "qweight": "weight",
    "weight_packed": "weight",
    "_data": "",
    "W_q": "weight",
    "codes": "weight",
    "trellis": "weight",
    "weight_qdata": "weight",
    "_weight_qdata": "weight",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A folded run of tensors that differ in the same way."""

    pattern: str
    """Logical name with ranges: ``model.layers.[0-31].mlp.up_proj.weight``."""
    tensors: int
    before: str
    """Dtype and shape in the first checkpoint; empty if it has none."""
    after: str
    """Dtype and shape in the second; empty if it has none."""
    parameters: int
    """Of the one that has them, of the first where both do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a second checkpoint against a first."""

    added: tuple[Change, ...]
    removed: tuple[Change, ...]
    reshaped: tuple[Change, ...]
    """Another logical shape."""
    retyped: tuple[Change, ...]
    """The same logical shape in another dtype or container."""
    unchanged: int
    """Tensors that agree in logical name, shape and dtype."""
    before: Counts
    after: Counts

    @property
    def same(self) -> bool:
        """Nothing was added, removed, reshaped or retyped."""
        return not (self.added or self.removed or self.reshaped or self.retyped)


class _Logical(NamedTuple):
    dtype: str
    shape: tuple[int, ...] | None
    parameters: int

    def written(self) -> str:
        shape = "?" if self.shape is None else "×".join(map(str, self.shape))
        return f"{self.dtype} {shape}".rstrip()


_Pair = tuple[str, str, int]


def compare(first: Checkpoint, second: Checkpoint) -> Difference:
    """Return what was added, removed, reshaped and retyped from the first to the second."""
    old, new = _logical(first), _logical(second)
    reshaped, retyped = {}, {}
    unchanged = 0
    for name in old.keys() & new.keys():
        before, after = old[name], new[name]
        if not _same_shape(before, after):
            reshaped[name] = (before.written(), after.written(), before.parameters)
        elif before.dtype != after.dtype:
            retyped[name] = (before.written(), after.written(), before.parameters)
        else:
            unchanged += 1
    added = {
        name: ("", one.written(), one.parameters) for name, one in new.items() if name not in old
    }
    removed = {n: (one.written(), "", one.parameters) for n, one in old.items() if n not in new}
    return Difference(
        _folded(added, new),
        _folded(removed, old),
        _folded(reshaped, old),
        _folded(retyped, old),
        unchanged,
        first.counts,
        second.counts,
    )


def _same_shape(before: _Logical, after: _Logical) -> bool:
    """Equal shapes; where a container hides its shape, equal numbers of parameters."""
    if before.shape is None or after.shape is None:
        return before.parameters == after.parameters
    return before.shape == after.shape


def _logical(checkpoint: Checkpoint) -> dict[str, _Logical]:
    found = {}
    for _, tensor, kind in checkpoint.described():
        if kind.unpacked.role in (Role.WEIGHT, Role.BUFFER, Role.SCALAR):
            entry = _Logical(tensor.dtype, kind.unpacked.shape, kind.unpacked.parameters)
            found[_name(tensor.name)] = entry
    return found


def _name(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    plain = _ENDINGS.get(ending)
    if plain is None:
        # gpt-oss stores `gate_up_proj_blocks` for `gate_up_proj`.
        return name.removesuffix("_blocks")
    return f"{stem}{dot}{plain}" if plain else stem


def _folded(pairs: dict[str, _Pair], order: Iterable[str]) -> tuple[Change, ...]:
    """Fold what reads the same on both sides, in file order. The pair stands in for the dtype."""
    by_label: dict[str, _Pair] = {}
    stand_ins = []
    for name in order:
        pair = pairs.get(name)
        if pair is not None:
            label = f"{pair[0]}\n{pair[1]}"
            by_label[label] = pair
            stand_ins.append(Tensor(name, label, (), 0, pair[2]))
    return tuple(
        Change(run.pattern, run.count, *by_label[run.dtype][:2], run.size_bytes)
        for run in fold(stand_ins)
    )
