"""The filter language of the tensor table.

    attn                 names that contain it, in any case
    *.experts.*          names that match it: * is anything, ? one character
    dtype:bf16           stored dtype; * allowed
    >100M  <1K  >=2e6    logical parameters; K, M, B and T are decimal
    shape:4096x*         stored shape; * is any one dimension
    file:00001-of        file path contains it, or matches with *
    is:vision  is:scale  component or role
    !word                the opposite of any of these

Words are and-ed. What cannot be read as one of these is looked for in the names.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from explorer.weights.tensor_table import Row, TensorTable

Narrowing: TypeAlias = Callable[[TensorTable, list[int]], list[int]]

_COMPARISON = re.compile(r"(>=|<=|>|<|=)([0-9]+(?:\.[0-9]+)?(?:e[0-9]{1,2})?)([kmbt]?)")
_SCALES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_MAX_WORDS = 32
_MAX_WORD = 200


@dataclass(frozen=True, slots=True)
class TensorFilter:
    """A filter that was parsed. Applies to any table."""

    text: str
    steps: tuple[tuple[Narrowing, bool], ...] = ()
    """What narrows, and whether it is negated."""

    def apply(self, table: TensorTable) -> list[int]:
        """Return indices of the rows that pass, in table order."""
        indices = list(range(len(table.rows)))
        for narrow, negated in self.steps:
            if negated:
                gone = set(narrow(table, indices))
                indices = [index for index in indices if index not in gone]
            else:
                indices = narrow(table, indices)
        return indices


def parse_filter(text: str) -> TensorFilter:
    """Return the filter that was typed. Everything that can be typed is a filter; nothing raises."""
    steps = []
    for word in text.lower().split()[:_MAX_WORDS]:
        negated = word.startswith("!") and len(word) > 1
        steps.append((_step(word[negated:][:_MAX_WORD]), negated))
    return TensorFilter(text, tuple(steps))


def _step(word: str) -> Narrowing:
    comparison = _COMPARISON.fullmatch(word)
    if comparison:
        return _compare(comparison[1], float(comparison[2]) * _SCALES[comparison[3]])
    key, colon, value = word.partition(":")
    if colon and value:
        if key == "dtype":
            return _by_value(lambda row: row.dtype, _glob(value))
        if key == "file":
            return _by_value(lambda row: row.path, _glob(value if "*" in value else f"*{value}*"))
        if key == "is":
            return _is(value)
        if key == "shape":
            return _shape(value)
    return _name(word)


def _name(word: str) -> Narrowing:
    if "*" not in word and "?" not in word:

        def contains(table: TensorTable, indices: list[int]) -> list[int]:
            lowered = table.lowered
            return [index for index in indices if word in lowered[index]]

        return contains

    matches = _glob(word)
    # Plain substring searches throw out most names before the slower match.
    literals = sorted(filter(None, re.split(r"[*?]", word)), key=len, reverse=True)

    def glob(table: TensorTable, indices: list[int]) -> list[int]:
        lowered = table.lowered
        candidates = indices
        for literal in literals:
            candidates = [index for index in candidates if literal in lowered[index]]
        if literals and word == f"*{literals[0]}*":
            return candidates
        return [index for index in candidates if matches(lowered[index])]

    return glob


def _glob(word: str) -> Callable[[str], object]:
    """A matcher of whole lower-case strings; runs of stars are one, so that it stays linear-ish."""
    parts = [re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", word)]
    # Atomic groups: once the earliest next literal is found, there is no going back for another.
    if len(parts) == 1:
        return re.compile(parts[0], re.DOTALL).fullmatch
    middle = "".join(f"(?>.*?{part})" for part in parts[1:-1] if part)
    return re.compile(f"{parts[0]}{middle}.*{parts[-1]}", re.DOTALL).fullmatch


def _by_value(value: Callable[[Row], str], matches: Callable[[str], object]) -> Narrowing:
    """A column with few different values: each of them is matched once."""

    def narrow(table: TensorTable, indices: list[int]) -> list[int]:
        rows = table.rows
        known: dict[str, bool] = {}
        passed = []
        for index in indices:
            found = value(rows[index])
            fits = known.get(found)
            if fits is None:
                fits = known[found] = matches(found.lower()) is not None
            if fits:
                passed.append(index)
        return passed

    return narrow


def _is(word: str) -> Narrowing:
    def narrow(table: TensorTable, indices: list[int]) -> list[int]:
        rows = table.rows
        return [i for i in indices if word in (rows[i].component.lower(), rows[i].role)]

    return narrow


def _compare(sign: str, limit: float) -> Narrowing:
    def narrow(table: TensorTable, indices: list[int]) -> list[int]:
        rows = table.rows
        if sign == ">":
            return [index for index in indices if rows[index].parameters > limit]
        if sign == ">=":
            return [index for index in indices if rows[index].parameters >= limit]
        if sign == "<":
            return [index for index in indices if rows[index].parameters < limit]
        if sign == "<=":
            return [index for index in indices if rows[index].parameters <= limit]
        return [index for index in indices if rows[index].parameters == limit]

    return narrow


def _shape(value: str) -> Narrowing:
    wanted = re.split(r"[x×,]", value.strip("[]()"))

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == len(wanted) and all(
            want in ("*", str(size)) for want, size in zip(wanted, shape, strict=True)
        )

    def narrow(table: TensorTable, indices: list[int]) -> list[int]:
        rows = table.rows
        known: dict[tuple[int, ...], bool] = {}
        passed = []
        for index in indices:
            shape = rows[index].shape
            if shape not in known:
                known[shape] = fits(shape)
            if known[shape]:
                passed.append(index)
        return passed

    return narrow
