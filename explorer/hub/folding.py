"""Tensor lists of a model in the room of their pattern: layers and experts repeat, so they are counted.

A folded list holds each distinct name once, with ``*`` for its numbers, and the numbers it takes:
``model.layers.*.mlp.experts.*.up_proj.weight`` for layers 3-60 and experts 0-255. 92,000 tensors
fold into some fifty such groups.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple, TypeAlias

from explorer.errors import HeaderError

Runs: TypeAlias = tuple[tuple[int, int], ...]
"""Stretches of numbers, first and last included."""

MOST_TENSORS = 1_000_000
"""More than any model has; a damaged file is not unfolded without end."""

_NUMBER = re.compile(r"(?<![0-9])(?:0|[1-9][0-9]{0,8})(?![0-9])")
_UNFOLDABLE = re.compile(r'[*"\\\x00-\x1f\x7f]')


class Boxes(NamedTuple):
    """Tuples of numbers: every first number of ``runs`` with every tuple of ``rest``."""

    runs: Runs
    rest: "tuple[Boxes, ...]" = ()
    """Empty where the tuples end."""


class Group(NamedTuple):
    """Tensors of one type and shape whose names differ in numbers only."""

    template: str
    dtype: str
    shape: tuple[int, ...]
    boxes: tuple[Boxes, ...] = ()
    """Empty for a name without numbers."""

    def numbers(self) -> Iterator[tuple[int, ...]]:
        """The numbers of each tensor's name, ascending within a box."""
        return _tuples(self.boxes) if self.boxes else iter(((),))

    @property
    def tensors(self) -> int:
        """How many tensors it stands for."""
        return _count(self.boxes) if self.boxes else 1


def fold(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> tuple[Group, ...]:
    """Groups for tensors given as name to dtype and shape, in order of their templates.

    Raises HeaderError for a name with quotes, backslashes, control characters or ``*``.
    """
    found: dict[tuple[str, str, tuple[int, ...]], list[tuple[int, ...]]] = {}
    for name, (dtype, shape) in tensors.items():
        if _UNFOLDABLE.search(name):
            raise HeaderError(
                f"tensor name {name!r} has a character that the snapshot does not keep"
            )
        template = _NUMBER.sub("*", name)
        numbers = tuple(int(text) for text in _NUMBER.findall(name))
        found.setdefault((template, dtype, shape), []).append(numbers)
    return tuple(
        Group(*key, _boxes(sorted(numbers)) if numbers[0] else ())
        for key, numbers in sorted(found.items())
    )


def write_groups(groups: Iterable[Group]) -> list[object]:
    """Groups as plain lists for JSON."""
    return [[g.template, g.dtype, list(g.shape), _write(g.boxes)] for g in groups]


def read_groups(value: object) -> tuple[Group, ...]:
    """The inverse of ``write_groups``. Raises HeaderError if it is not what that wrote."""
    try:
        groups = tuple(_read_group(row) for row in _list(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise HeaderError("A tensor list of the snapshot is damaged", str(error)) from error
    if sum(group.tensors for group in groups) > MOST_TENSORS:
        raise HeaderError("A tensor list of the snapshot is damaged", "it has no end")
    return groups


def _read_group(row: object) -> Group:
    template, dtype, shape, boxes = _list(row)
    if not isinstance(template, str) or not isinstance(dtype, str):
        raise TypeError("names must be text")
    group = Group(template, dtype, tuple(_int(size) for size in _list(shape)), _read(boxes))
    if any(_depth(box) != template.count("*") for box in group.boxes):
        raise ValueError(f"{template} has other numbers than it has places for")
    return group


def _boxes(numbers: Sequence[tuple[int, ...]]) -> tuple[Boxes, ...]:
    """Sorted tuples of equal length, at least one number each, as boxes."""
    if len(numbers[0]) == 1:
        return (Boxes(_runs([first for (first,) in numbers])),)
    by_first: dict[int, list[tuple[int, ...]]] = {}
    for first, *rest in numbers:
        by_first.setdefault(first, []).append(tuple(rest))
    by_rest: dict[tuple[Boxes, ...], list[int]] = {}
    for first, rests in by_first.items():
        by_rest.setdefault(_boxes(rests), []).append(first)
    return tuple(Boxes(_runs(firsts), rest) for rest, firsts in by_rest.items())


def _runs(numbers: Sequence[int]) -> Runs:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return tuple(runs)


def _tuples(boxes: Iterable[Boxes]) -> Iterator[tuple[int, ...]]:
    for box in boxes:
        firsts = (number for first, last in box.runs for number in range(first, last + 1))
        if not box.rest:
            yield from ((first,) for first in firsts)
        else:
            rests = tuple(_tuples(box.rest))
            yield from ((first, *rest) for first, rest in product(firsts, rests))


def _count(boxes: Iterable[Boxes]) -> int:
    return sum(
        sum(last - first + 1 for first, last in box.runs) * (_count(box.rest) if box.rest else 1)
        for box in boxes
    )


def _depth(box: Boxes) -> int:
    return 1 + max(map(_depth, box.rest), default=0)


def _write(boxes: Iterable[Boxes]) -> list[object]:
    """``["0-3,7"]`` for plain runs, ``[["0-3", [...]]]`` for nested ones."""
    return [
        [_write_runs(box.runs), _write(box.rest)] if box.rest else _write_runs(box.runs)
        for box in boxes
    ]


def _write_runs(runs: Runs) -> str:
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def _read(value: object) -> tuple[Boxes, ...]:
    boxes = []
    for item in _list(value):
        if isinstance(item, str):
            boxes.append(Boxes(_read_runs(item)))
        else:
            runs, rest = _list(item)
            if not isinstance(runs, str) or not rest:
                raise TypeError("runs must be text")
            boxes.append(Boxes(_read_runs(runs), _read(rest)))
    return tuple(boxes)


def _read_runs(text: str) -> Runs:
    bounds = (run.partition("-") for run in text.split(","))
    runs = tuple((int(first), int(last or first)) for first, _, last in bounds)
    if any(first > last for first, last in runs):
        raise ValueError(f"{text} is not ascending")
    return runs


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return value


def _int(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is not a size")
    return value
