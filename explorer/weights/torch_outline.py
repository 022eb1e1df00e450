"""The tensors and scalars of a checkpoint, found in the value that its pickle describes."""

from collections.abc import Iterator
from typing import NamedTuple

from explorer.errors import HeaderError
from explorer.weights.problems import Problems
from explorer.weights.torch_values import Items, Opaque, Pairs, StoredTensor

_MOST_VISITS = 1_000_000
_DEEPEST = 64
_LONGEST_NAME = 4096
_MOST_SCALARS = 256
_LONGEST_TEXT = 1000

_MODULE_PARTS = ("_parameters", "_buffers", "_modules")
"""Where a pickled module keeps its children; state dicts leave these out of names."""


class Outline(NamedTuple):
    """What a checkpoint holds, by dotted names."""

    tensors: list[tuple[str, StoredTensor]]
    """In the order stored."""
    scalars: dict[str, str | int | float | bool]
    """Plain values beside the tensors, such as an epoch; the first 256 of them."""


def outline(path: str, value: object, problems: Problems) -> Outline:
    """Flatten nested containers. Raises HeaderError where there is no end to them."""
    walk = _Walk(path)
    walk.visit("", value, 0)
    if walk.cut:
        problems.add(f"what is nested more than {_DEEPEST} deep is left out")
    return walk.outline


class _Walk:
    """A walk over a value under way, which counts its steps."""

    def __init__(self, path: str) -> None:
        self.outline = Outline([], {})
        self.cut = False
        self._path = path
        self._visits = 0

    def visit(self, name: str, value: object, depth: int) -> None:
        # Names count as well: a few shared dicts can spell an astronomic number of paths.
        self._visits += 1 + len(name) // 64
        if self._visits > _MOST_VISITS:
            raise HeaderError(
                f"The pickle in {self._path} cannot be read", "it names too many values"
            )
        if isinstance(value, StoredTensor):
            self.outline.tensors.append((name, value))
        elif isinstance(value, str | int | float):
            if len(self.outline.scalars) < _MOST_SCALARS and _is_short(value):
                self.outline.scalars[name] = value
        elif depth > _DEEPEST or len(name) > _LONGEST_NAME:
            self.cut = True
        else:
            for part, child in _children(value):
                self.visit(f"{name}.{part}" if name and part else name or part, child, depth + 1)


def _children(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Pairs):
        for key, child in value.values:
            yield (key if isinstance(key, str) else _label(key)), child
    elif isinstance(value, Items):
        yield from ((str(index), child) for index, child in enumerate(value.values))
    elif isinstance(value, tuple):
        yield from ((str(index), child) for index, child in enumerate(value))
    elif isinstance(value, Opaque):
        yield from _children(value.items)
        for part, child in _children(value.state):
            yield ("" if part in _MODULE_PARTS else part), child


def _label(key: object) -> str:
    return str(key) if type(key) is int and abs(key) < 2**64 else "?"


def _is_short(value: str | int | float) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    return isinstance(value, float) or abs(value) < 2**64
