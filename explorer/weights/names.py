"""Names of tensors with their indices taken out, so that what is repeated is seen once."""

import re

# Whole path segments only: `experts.12.` is an index, `linear_1` and `w1` are names.
_INDEX = re.compile(r"(?<![^.])[0-9]{1,9}(?![^.])")


def pattern_of(name: str) -> str:
    """Return the name with every index replaced: ``model.layers.*.mlp.experts.*.w1.weight``."""
    return _INDEX.sub("*", name)


def indices_of(name: str) -> tuple[int, ...]:
    """Return the indices that ``pattern_of`` takes out, in order."""
    return tuple(map(int, _INDEX.findall(name)))


def ranges(indices: set[int]) -> str:
    """Write a set of indices with its gaps: ``0-2,5-47``."""
    ordered = sorted(indices)
    parts = []
    start = 0
    for position in range(1, len(ordered) + 1):
        if position == len(ordered) or ordered[position] != ordered[position - 1] + 1:
            first, last = ordered[start], ordered[position - 1]
            parts.append(str(first) if first == last else f"{first}-{last}")
            start = position
    return ",".join(parts)
