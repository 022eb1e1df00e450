"""Repeated tensors written once: ``model.layers.[0-47].mlp.up_proj.weight`` x 48."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from explorer.weights.names import pattern_of, ranges
from explorer.weights.tensors import Tensor


@dataclass(frozen=True, slots=True)
class Fold:
    """Tensors that differ in nothing but the indices in their names."""

    pattern: str
    """With the indices as ranges, gaps kept: ``model.layers.[3-60].mlp.experts.[0-255].w1.weight``."""
    dtype: str
    shape: tuple[int, ...]
    count: int
    size_bytes: int
    """All of them together."""


def fold(tensors: Iterable[Tensor]) -> tuple[Fold, ...]:
    """Return tensors folded by name, dtype and shape, in order of first appearance.

    Ranges are those of each index on its own: where not every combination exists ``count`` tells.
    """
    groups: dict[tuple[str, str, tuple[int, ...]], list[Tensor]] = {}
    for tensor in tensors:
        key = (pattern_of(tensor.name), tensor.dtype, tensor.shape)
        group = groups.get(key)
        if group is None:
            groups[key] = [tensor]
        else:
            group.append(tensor)
    return tuple(
        Fold(
            with_ranges(pattern, [tensor.name for tensor in group]),
            dtype,
            shape,
            len(group),
            sum(tensor.size_bytes for tensor in group),
        )
        for (pattern, dtype, shape), group in groups.items()
    )


def with_ranges(pattern: str, names: Sequence[str]) -> str:
    """Return the pattern that all of these names have, with ranges where its indices are.

    One index alone is a name rather than a range.
    """
    steps = pattern.split(".")
    places = [place for place, step in enumerate(steps) if step == "*"]
    if places:
        # Names of one pattern have equally many steps, so that a column is what one index takes.
        columns = list(zip(*(name.split(".") for name in names), strict=True))
        for place in places:
            seen = set(map(int, set(columns[place])))
            text = ranges(seen)
            steps[place] = text if len(seen) == 1 else f"[{text}]"
    return ".".join(steps)
