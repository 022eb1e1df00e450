"""How much memory ggml's graph allocator needs for a graph.

Follows ``ggml-alloc.c`` of llama.cpp v0.5.0: nodes are placed in order, in the best fitting hole or at the
end; a node may take over the memory of a parent that nobody else needs, if its operation can work in
place; memory is free again after its last use. What fragments there, fragments here.
"""

from bisect import bisect_left
from collections.abc import Sequence

CUDA_ALIGNMENT = 128
CPU_ALIGNMENT = 32


class Graph:
    """The tensors of a compute graph in the order they are computed, by their sizes in bytes."""

    __slots__ = ("_inplace", "_sizes", "_sources", "_view_of")

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._sources: list[tuple[int, ...]] = []
        self._view_of: list[int] = []
        self._inplace: list[bool] = []

    def new(self, size: int, *sources: int) -> int:
        """A tensor with memory of its own; an input has no sources."""
        return self._add(size, sources, -1, inplace=False)

    def over(self, size: int, *sources: int) -> int:
        """A tensor that takes over a source of the same size where nobody else needs it."""
        return self._add(size, sources, -1, inplace=True)

    def view(self, source: int, size: int | None = None) -> int:
        """Another look at a tensor, or at what it begins with."""
        root = self._view_of[source] if self._view_of[source] >= 0 else source
        return self._add(
            self._sizes[source] if size is None else size, (source,), root, inplace=False
        )

    def part(self, source: int) -> int:
        """A look at a part that cannot be worked on in place."""
        return self.view(source, 0)

    def use(self, *sources: int) -> None:
        """A node that writes elsewhere, such as into the KV cache."""
        self._add(0, sources, -1, inplace=False)

    def peak(self, alignment: int) -> int:
        """Bytes the buffer must have."""
        return _Run(self._sizes, self._sources, self._view_of, self._inplace, alignment).peak

    def _add(self, size: int, sources: tuple[int, ...], view_of: int, *, inplace: bool) -> int:
        self._sizes.append(size)
        self._sources.append(sources)
        self._view_of.append(view_of)
        self._inplace.append(inplace)
        return len(self._sizes) - 1


class _Run:
    """One pass over a graph."""

    __slots__ = ("_address", "_alignment", "_children", "_end", "_holes", "_sizes", "_view_of",
                 "_views", "peak")  # fmt: skip

    def __init__(
        self,
        sizes: Sequence[int],
        sources: Sequence[tuple[int, ...]],
        view_of: Sequence[int],
        inplace: Sequence[bool],
        alignment: int,
    ) -> None:
        self._sizes, self._view_of, self._alignment = sizes, view_of, alignment
        self._address = [-1] * len(sizes)
        self._children = [0] * len(sizes)
        self._views = [0] * len(sizes)
        self._holes: list[tuple[int, int]] = []  # (start, stop) in order, never touching
        self._end = 0  # from here on everything is free
        self.peak = 0
        for index, parents in enumerate(sources):
            for parent in parents:
                self._children[parent] += 1
            if view_of[index] >= 0:
                self._views[view_of[index]] += 1
        for index, parents in enumerate(sources):
            if view_of[index] < 0 and sizes[index]:
                self._place(index, parents if inplace[index] else ())
            for parent in parents:
                self._leave(parent)

    def _place(self, index: int, candidates: tuple[int, ...]) -> None:
        for parent in candidates:
            owner = self._view_of[parent] if self._view_of[parent] >= 0 else parent
            alone = (
                self._views[owner] == 1 and not self._children[owner]
                if owner != parent
                else self._children[parent] == 1 and not self._views[parent]
            )
            if alone and self._address[owner] >= 0 and self._sizes[parent] == self._sizes[index]:
                self._address[index] = start = self._address[owner]
                self._address[owner] = -1
                kept, had = self._padded(self._sizes[index]), self._padded(self._sizes[owner])
                if had > kept:
                    self._give_back(start + kept, start + had)
                return
        self._address[index] = self._take(self._padded(self._sizes[index]))

    def _leave(self, parent: int) -> None:
        """One user of a tensor is done with it."""
        self._children[parent] -= 1
        if self._children[parent] or self._views[parent]:
            return
        owner = self._view_of[parent]
        if owner < 0:
            self._free(parent)
            return
        self._views[owner] -= 1
        if not self._views[owner] and not self._children[owner]:
            self._free(owner)

    def _take(self, size: int) -> int:
        """Start of the smallest hole that is large enough, or of the free end."""
        best = -1
        for index, (start, stop) in enumerate(self._holes):
            if stop - start >= size and (
                best < 0 or stop - start <= self._holes[best][1] - self._holes[best][0]
            ):
                best = index
        if best < 0:
            start = self._end
            self._end += size
            self.peak = max(self.peak, self._end)
            return start
        start, stop = self._holes[best]
        if start + size == stop:
            del self._holes[best]
        else:
            self._holes[best] = (start + size, stop)
        return start

    def _free(self, tensor: int) -> None:
        start = self._address[tensor]
        if start >= 0:
            self._address[tensor] = -1
            self._give_back(start, start + self._padded(self._sizes[tensor]))

    def _give_back(self, start: int, stop: int) -> None:
        """Free a range, joined with the holes it touches."""
        at = bisect_left(self._holes, (start, stop))
        if at < len(self._holes) and self._holes[at][0] == stop:
            stop = self._holes.pop(at)[1]
        if at and self._holes[at - 1][1] == start:
            at -= 1
            start = self._holes.pop(at)[0]
        if stop == self._end:
            self._end = start
        else:
            self._holes.insert(at, (start, stop))

    def _padded(self, size: int) -> int:
        return -(-size // self._alignment) * self._alignment
