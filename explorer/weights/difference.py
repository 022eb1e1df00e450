"""What differs in structure between two checkpoints, never in values.

Tensors are compared by their logical name and shape, so that a quantized checkpoint is held against its
original weight by weight: ``q_proj.qweight`` of GPTQ is ``q_proj.weight`` there. Scales and the like are
no part of the comparison; their bytes are in the totals. Modules that merely hang under another prefix
(``explorer.weights.renaming``) are compared under it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from explorer.weights.checkpoint import Checkpoint
from explorer.weights.counts import Counts, Described
from explorer.weights.folding import with_ranges
from explorer.weights.packing import Role
from explorer.weights.renaming import Kind, Renamed, find_renamed
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
_COMPARED = (Role.WEIGHT, Role.BUFFER, Role.SCALAR, Role.SHARED)


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
    renamed: tuple[Renamed, ...] = ()
    """Prefixes under which modules of the first are found in the second; they were compared so."""
    ambiguous: tuple[str, ...] = ()
    """Prefixes of the first whose modules might be any of several in the second: not compared."""
    comparable: bool = True
    """Names mean the same on both sides. A GGUF names its tensors in a way of its own: where only one
    side is one, nothing is compared but the totals."""

    @property
    def same(self) -> bool:
        """Nothing was added, removed, reshaped or retyped, whatever the modules' prefix."""
        changed = self.added or self.removed or self.reshaped or self.retyped
        return self.comparable and not changed


_How: TypeAlias = Literal["added", "removed", "reshaped", "retyped"]


def compare(first: Checkpoint, second: Checkpoint) -> Difference:
    """Return what was added, removed, reshaped and retyped from the first to the second."""
    if (first.format == "gguf") != (second.format == "gguf"):
        return Difference((), (), (), (), 0, first.counts, second.counts, comparable=False)
    known: dict[Kind, Kind] = {}
    old, new = _logical(first, known), _logical(second, known)
    pairs = _Pairs()
    removed = {name: kind for name, kind in old.items() if name not in new}
    added = {name: kind for name, kind in new.items() if name not in old}
    renaming = find_renamed(removed, added) if removed and added else None
    moved = renaming.names if renaming else {}
    arrived = set(moved.values())
    for name, kind in old.items():
        other = new.get(moved.get(name, name))
        if other is not kind:
            pairs.add(name, kind, other)
    for name, kind in added.items():
        if name not in arrived:
            pairs.add(name, None, kind)
    runs = pairs.folded()
    return Difference(
        runs["added"],
        runs["removed"],
        runs["reshaped"],
        runs["retyped"],
        unchanged=len(old) - pairs.changed,
        before=first.counts,
        after=second.counts,
        renamed=renaming.prefixes if renaming else (),
        ambiguous=renaming.ambiguous if renaming else (),
    )


class _Pairs:
    """Names gathered by what they are on either side, in file order."""

    def __init__(self) -> None:
        self.changed = 0
        """Names of the first checkpoint that differ."""
        self._groups: dict[tuple[int, int], tuple[Kind | None, Kind | None, list[str]]] = {}

    def add(self, name: str, before: Kind | None, after: Kind | None) -> None:
        """Take a name. Kinds are told apart by identity, as each is one object."""
        key = (id(before), id(after))
        found = self._groups.get(key)
        if found is None:
            self._groups[key] = (before, after, [name])
        else:
            found[2].append(name)
        if before is not None:
            self.changed += 1

    def folded(self) -> Mapping[_How, tuple[Change, ...]]:
        """Runs by how they differ. What is equal but for a prefix is in none of them."""
        runs: dict[_How, list[Change]] = {how: [] for how in get_args(_How)}
        for before, after, names in self._groups.values():
            how = _how(before, after)
            if how is None:
                self.changed -= len(names)
                continue
            kind = before or after
            if kind is not None:
                parameters = kind.parameters * len(names)
                texts = (_written(before), _written(after))
                pattern = with_ranges(kind.pattern, names)
                runs[how].append(Change(pattern, len(names), *texts, parameters))
        return {how: tuple(changes) for how, changes in runs.items()}


def _how(before: Kind | None, after: Kind | None) -> _How | None:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    if not before.same_shape(after):
        return "reshaped"
    same = before.dtype == after.dtype and before.stored == after.stored
    return None if same else "retyped"


def _written(kind: Kind | None) -> str:
    if kind is None:
        return ""
    shape = "?" if kind.shape is None else "×".join(map(str, kind.shape))
    stored = "×".join(map(str, kind.stored)) if kind.stored is not None else ""
    return f"{kind.dtype} {shape}".rstrip() + (f" stored as {stored}" if stored else "")


def _logical(checkpoint: Checkpoint, known: dict[Kind, Kind]) -> dict[str, Kind]:
    """Logical names of what is compared. Equal kinds become one object, in ``known``."""
    found: dict[str, Kind] = {}
    for shard in checkpoint.shards:
        folder = checkpoint.components.get(shard.path)
        prefix = f"{folder}/" if folder else ""
        # The shard holds the descriptions: an id stays its own.
        made: dict[int, tuple[Kind | None, int, str]] = {}
        tensors = shard.header.tensors if shard.header else ()
        for tensor, described in zip(tensors, shard.kinds, strict=True):
            entry = made.get(id(described))
            if entry is None:
                entry = made[id(described)] = _make(tensor, described, prefix, known)
            kind, cut, ending = entry
            if kind is not None:
                name = tensor.name
                if cut:
                    name = name[:-cut] + ending
                found[prefix + name if prefix else name] = kind
    return found


def _make(
    tensor: Tensor, described: Described, prefix: str, known: dict[Kind, Kind]
) -> tuple[Kind | None, int, str]:
    """A kind of tensor, and how its stored names end in another way than the logical ones."""
    unpacked = described.unpacked
    if unpacked.role not in _COMPARED:
        return None, 0, ""
    pattern, cut, ending = _logical_pattern(described.pattern)
    stored = tensor.shape if tensor.shape != unpacked.shape else None
    kind = Kind(prefix + pattern, tensor.dtype, unpacked.shape, unpacked.parameters, stored)
    return known.setdefault(kind, kind), cut, ending


def _logical_pattern(pattern: str) -> tuple[str, int, str]:
    """A pattern as it would be unquantized, the characters cut from its end, and those put there."""
    _, dot, ending = pattern.rpartition(".")
    plain = _ENDINGS.get(ending)
    if plain is not None:
        cut = len(ending) if plain else len(dot + ending)
        return pattern[: len(pattern) - cut] + plain, cut, plain
    # gpt-oss stores `gate_up_proj_blocks` for `gate_up_proj`.
    logical = pattern.removesuffix("_blocks")
    return logical, len(pattern) - len(logical), ""
