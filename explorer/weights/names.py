"""Names of tensors with their indices taken out, so that what is repeated is seen once."""

import re

# Whole path segments only: `experts.12.` is an index, `linear_1` and `w1` are names. Beginning with the
# dot, the search skips from one to the next, which makes it three times as fast.
_INDEX = re.compile(r"\.[0-9]{1,9}(?![^.])")
_FIRST = re.compile(r"[0-9]{1,9}(?![^.])")


def pattern_of(name: str) -> str:
    """Return the name with every index replaced: ``model.layers.*.mlp.experts.*.w1.weight``."""
    pattern = _INDEX.sub(".*", name)
    first = _FIRST.match(pattern)
    return f"*{pattern[first.end() :]}" if first else pattern


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
