"""Repeated tensors written once: ``model.layers.[0-47].mlp.up_proj.weight`` x 48."""

from collections.abc import Iterable
from dataclasses import dataclass

from explorer.weights.names import indices_of, pattern_of, ranges
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
    groups: dict[tuple[str, str, tuple[int, ...]], _Group] = {}
    for tensor in tensors:
        key = (pattern_of(tensor.name), tensor.dtype, tensor.shape)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(key[0].count("*"))
        group.add(tensor)
    return tuple(
        Fold(group.written(pattern), dtype, shape, group.count, group.size_bytes)
        for (pattern, dtype, shape), group in groups.items()
    )


class _Group:
    """Members of one fold while they are collected."""

    def __init__(self, depth: int) -> None:
        self.count = 0
        self.size_bytes = 0
        self._indices: tuple[set[int], ...] = tuple(set() for _ in range(depth))

    def add(self, tensor: Tensor) -> None:
        self.count += 1
        self.size_bytes += tensor.size_bytes
        for seen, index in zip(self._indices, indices_of(tensor.name), strict=False):
            seen.add(index)

    def written(self, pattern: str) -> str:
        parts = pattern.split("*")
        written = [parts[0]]
        for seen, part in zip(self._indices, parts[1:], strict=False):
            # One index alone is a name rather than a range.
            text = ranges(seen)
            written.append((text if len(seen) == 1 else f"[{text}]") + part)
        return "".join(written)
