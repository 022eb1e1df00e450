"""How much memory ggml's graph allocator needs for a graph, on every place it is computed at.

Follows ``ggml-alloc.c`` of llama.cpp v0.5.0: nodes are placed in order, in the best fitting hole or at the
end; a node may take over the memory of a parent that nobody else needs, if its operation can work in
place and the parent is no view; memory is free again after its last use. What fragments there, fragments
here. What is needed at another place than it is at is copied first (``scheduler``).
"""

from bisect import bisect_left
from collections.abc import Sequence

HOST = -1
"""The place of a processor; devices are numbered from 0."""
CUDA_ALIGNMENT = 128
CPU_ALIGNMENT = 32


class Graph:
    """The tensors of a compute graph in the order they are computed, by their sizes in bytes."""

    __slots__ = ("inplace", "inputs", "lengths", "place", "places", "sizes", "sources", "stores",
                 "view_of", "weights")  # fmt: skip

    def __init__(self, place: int = HOST) -> None:
        self.place = place
        """Where the nodes that follow are computed."""
        self.sizes: list[int] = []
        self.lengths: list[int] = []
        """Bytes of a copy; those of a look at a part differ from its size."""
        self.sources: list[tuple[int, ...]] = []
        self.view_of: list[int] = []
        self.inplace: list[bool] = []
        self.places: list[int] = []
        self.inputs: list[int] = []
        """What the graph is given, on the host."""
        self.stores: set[int] = set()
        """Weights and caches, which have memory elsewhere."""
        self.weights: set[int] = set()

    def new(self, size: int, *sources: int) -> int:
        """A tensor with memory of its own."""
        return self._add(size, size, sources, -1, inplace=False)

    def over(self, size: int, *sources: int) -> int:
        """A tensor that takes over a source of the same size where nobody else needs it."""
        return self._add(size, size, sources, -1, inplace=True)

    def view(self, source: int, size: int | None = None) -> int:
        """Another look at a tensor, or at what it begins with."""
        size = self.sizes[source] if size is None else size
        return self._look(source, size, size)

    def part(self, source: int, length: int = 0) -> int:
        """A look at a part that cannot be worked on in place; ``length`` matters where it is copied."""
        return self._look(source, 0, length)

    def use(self, *sources: int) -> None:
        """A node that writes elsewhere, such as into the KV cache."""
        self._add(0, 0, sources, -1, inplace=False)

    def given(self, size: int, place: int = HOST) -> int:
        """An input, which is there before anything is computed."""
        found = self._add(size, size, (), -1, inplace=False)
        self.places[found] = place
        self.inputs.append(found)
        return found

    def stored(self, size: int, place: int, *, weight: bool = False) -> int:
        """A weight or a cache with memory of its own, from outside the graph."""
        found = self._add(0, size, (), -1, inplace=False)
        self.places[found] = place
        self.stores.add(found)
        if weight:
            self.weights.add(found)
        return found

    def _look(self, source: int, size: int, length: int) -> int:
        root = self.view_of[source] if self.view_of[source] >= 0 else source
        found = self._add(size, length, (source,), root, inplace=False)
        self.places[found] = self.places[root]
        return found

    def _add(
        self, size: int, length: int, sources: tuple[int, ...], view_of: int, *, inplace: bool
    ) -> int:
        self.sizes.append(size)
        self.lengths.append(length)
        self.sources.append(sources)
        self.view_of.append(view_of)
        self.inplace.append(inplace)
        self.places.append(self.place)
        return len(self.sizes) - 1


class Replay:
    """One pass over the nodes of a graph in their order."""

    __slots__ = ("_address", "_children", "_graph", "_kept", "_pools", "_views")

    def __init__(self, graph: Graph, order: Sequence[int], kept: frozenset[int]) -> None:
        """``kept`` are outputs, whose memory is never free again; inputs among them come first."""
        self._graph, self._kept = graph, kept
        self._pools: dict[int, _Pool] = {}
        count = len(graph.sizes)
        self._address = [-1] * count
        self._children = [0] * count
        self._views = [0] * count
        for index in (*graph.inputs, *sorted(kept.difference(graph.inputs))):
            self._place(index, ())
        sources, view_of, sizes, inplace = (
            graph.sources, graph.view_of, graph.sizes, graph.inplace,
        )  # fmt: skip
        for index in order:
            for parent in sources[index]:
                self._children[parent] += 1
            if view_of[index] >= 0:
                self._views[view_of[index]] += 1
        for index in order:
            if view_of[index] < 0 and sizes[index] and self._address[index] < 0:
                self._place(index, sources[index] if inplace[index] else ())
            for parent in sources[index]:
                self._leave(parent)

    def peak(self, place: int) -> int:
        """Bytes the buffer of a place must have."""
        pool = self._pools.get(place)
        return pool.peak if pool else 0

    def _place(self, index: int, candidates: tuple[int, ...]) -> None:
        sizes, view_of = self._graph.sizes, self._graph.view_of
        for parent in candidates:
            if (
                self._children[parent] == 1 and not self._views[parent] and view_of[parent] < 0
                and self._address[parent] >= 0 and sizes[parent] == sizes[index]
                and parent not in self._kept
            ):  # fmt: skip
                self._address[index] = self._address[parent]
                self._address[parent] = -1
                return
        pool = self._pool(self._graph.places[index])
        self._address[index] = pool.take(pool.padded(sizes[index]))

    def _leave(self, parent: int) -> None:
        """One user of a tensor is done with it."""
        self._children[parent] -= 1
        if self._children[parent] or self._views[parent]:
            return
        owner = self._graph.view_of[parent]
        if owner < 0:
            self._free(parent)
            return
        self._views[owner] -= 1
        if not self._views[owner] and not self._children[owner]:
            self._free(owner)

    def _free(self, tensor: int) -> None:
        start = self._address[tensor]
        if start >= 0 and tensor not in self._kept:
            self._address[tensor] = -1
            pool = self._pool(self._graph.places[tensor])
            pool.give_back(start, start + pool.padded(self._graph.sizes[tensor]))

    def _pool(self, place: int) -> "_Pool":
        pool = self._pools.get(place)
        if pool is None:
            pool = _Pool(CPU_ALIGNMENT if place == HOST else CUDA_ALIGNMENT)
            self._pools[place] = pool
        return pool


class _Pool:
    """The buffer of one place."""

    __slots__ = ("_alignment", "_end", "_holes", "peak")

    def __init__(self, alignment: int) -> None:
        self._alignment = alignment
        self._holes: list[tuple[int, int]] = []  # (start, stop) in order, never touching
        self._end = 0  # from here on everything is free
        self.peak = 0

    def take(self, size: int) -> int:
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

    def give_back(self, start: int, stop: int) -> None:
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

    def padded(self, size: int) -> int:
        """Rounded up to the alignment of the place."""
        return -(-size // self._alignment) * self._alignment
