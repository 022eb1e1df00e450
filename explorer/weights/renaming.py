"""Modules that hang under another prefix in a second checkpoint: ``model.`` became ``model.language_model.``.

A prefix is taken for another only if the names behind it agree in step and shape, and no third prefix
would do nearly as well.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_DEEPEST = 6
_MOST_CANDIDATES = 64
_CLEAR = 2
"""How many times more names than the next best a prefix must explain."""


class Kind(NamedTuple):
    """What tensors of equal make have in common."""

    pattern: str
    """Logical name with indices folded."""
    dtype: str
    shape: tuple[int, ...] | None
    """Logical; None where the container hides it."""
    parameters: int
    """Of one tensor."""
    stored: tuple[int, ...] | None = None
    """Shape in the file, of weights that are packed."""

    def same_shape(self, other: "Kind") -> bool:
        """Equal shapes; where a container hides its shape, equal numbers of parameters."""
        if self.shape is None or other.shape is None:
            return self.parameters == other.parameters
        return self.shape == other.shape


@dataclass(frozen=True, slots=True)
class Renamed:
    """A prefix of the first checkpoint and what stands for it in the second, dots included."""

    before: str
    after: str
    tensors: int
    """Names that were found again in this way."""


@dataclass(frozen=True, slots=True)
class Renaming:
    """What was renamed, and what could not be told."""

    names: Mapping[str, str]
    """Name in the first checkpoint to name in the second."""
    prefixes: tuple[Renamed, ...]
    ambiguous: tuple[str, ...]
    """Prefixes of the first for which two others would do."""


def find_renamed(removed: Mapping[str, Kind], added: Mapping[str, Kind]) -> Renaming:
    """Return which of the names that only the first has are names that only the second has."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for before, after in _candidates(removed, added):
        names = _explained(before, after, removed, added)
        if names:
            found.setdefault(before, {})[after] = names
    names, prefixes, ambiguous = {}, [], []
    taken: set[str] = set()
    by_weight = sorted(found.items(), key=lambda item: -max(map(len, item[1].values())))
    for before, afters in by_weight:
        best, *others = sorted(afters, key=lambda after: -len(afters[after]))
        if others and len(afters[best]) < _CLEAR * len(afters[others[0]]):
            ambiguous.append(before)
            continue
        new = {
            old: name
            for old, name in afters[best].items()
            if old not in names and name not in taken
        }
        if new:
            names.update(new)
            taken.update(new.values())
            prefixes.append(_spelt_out(before, best, new))
    return Renaming(names, tuple(prefixes), tuple(ambiguous))


def _spelt_out(before: str, after: str, names: Mapping[str, str]) -> Renamed:
    """A prefix that is merely put in front, with the one module it is put in front of."""
    if not before:
        modules = {name.partition(".")[0] for name in names}
        if len(modules) == 1:
            before = f"{modules.pop()}."
            after += before
    return Renamed(before, after, len(names))


def _candidates(
    removed: Mapping[str, Kind], added: Mapping[str, Kind]
) -> Iterator[tuple[str, str]]:
    """Pairs of prefixes behind which a name goes on in the same way, the most promising first."""
    behind: dict[tuple[str, tuple[int, ...] | None, int], list[str]] = {}
    for kind in dict.fromkeys(added.values()):
        for prefix, rest in _cuts(kind.pattern):
            behind.setdefault((rest, kind.shape, kind.parameters), []).append(prefix)
    votes: Counter[tuple[str, str]] = Counter()
    for kind, number in Counter(removed.values()).items():
        for prefix, rest in _cuts(kind.pattern):
            afters = behind.get((rest, kind.shape, kind.parameters))
            if afters:
                votes.update({(prefix, after): number for after in afters})
                break
    return (pair for pair, _ in votes.most_common(_MOST_CANDIDATES))


def _cuts(pattern: str) -> Iterator[tuple[str, str]]:
    """A pattern cut after each of its first steps, as long as no index is among them; two steps remain."""
    steps = pattern.split(".")
    for depth in range(min(len(steps) - 1, _DEEPEST)):
        if depth and steps[depth - 1] == "*":
            return
        prefix = "".join(f"{step}." for step in steps[:depth])
        yield prefix, pattern[len(prefix) :]


def _explained(
    before: str, after: str, removed: Mapping[str, Kind], added: Mapping[str, Kind]
) -> dict[str, str]:
    """The names that are found again with one prefix put in the place of another."""
    names = {}
    for name, kind in removed.items():
        if name.startswith(before):
            moved = after + name[len(before) :]
            other = added.get(moved)
            if other is not None and kind.same_shape(other):
                names[name] = moved
    return names
