"""How ggml's scheduler cuts a graph that is computed on several places, and what it copies between them.

Follows passes 5 and 6 of ``ggml_backend_sched_split_graph`` in ``ggml-backend.cpp`` of llama.cpp v0.5.0: a
split is a run of nodes of one place; what they need from elsewhere is copied to their place when the split
begins, once for all splits that follow; a weight that is lent begins a split of its own, so that the memory
of the one before is free again.
"""

from explorer.fit.llama_cpp.allocator import HOST, Graph, Replay

COPIES = 4
"""Batches in flight over several devices that hold all blocks (``GGML_SCHED_MAX_COPIES``)."""


def replay(graph: Graph, *, pipelined: bool = False) -> Replay:
    """The memory a graph needs at each place.

    ``pipelined`` keeps four copies of every input and of everything that is copied, which are never
    overwritten.
    """
    splits = _Splits(graph)
    kept: list[int] = []
    if pipelined:
        read = {source for sources in graph.sources for source in sources}
        given = [index for index in graph.inputs if index in read and graph.places[index] == HOST]
        for index in (*given, *splits.copies):
            kept.append(index)
            kept += [_twin(graph, index) for _ in range(COPIES - 1)]
    return Replay(graph, splits.order, frozenset(kept))


class _Splits:
    """The nodes of a graph in order, with the copies between its splits."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.order: list[int] = []
        self.copies: list[int] = []
        self._copied: dict[tuple[int, int], int] = {}
        self._head: list[int] = []
        self._body: list[int] = []
        place: int | None = None
        outside = graph.stores.union(graph.inputs)
        for index in range(len(graph.sizes)):
            if index in outside:
                continue
            if graph.view_of[index] < 0:
                if graph.places[index] != place or (self._head and self._is_lent(index)):
                    self._begin()
                    place = graph.places[index]
                self._fetch(index, place)
            self._body.append(index)
        self._begin()

    def _begin(self) -> None:
        self.order += self._head
        self.order += self._body
        self._head, self._body = [], []

    def _is_lent(self, index: int) -> bool:
        """Whether a node works with a weight from elsewhere."""
        graph = self._graph
        return any(
            source in graph.weights and graph.places[source] != graph.places[index]
            for source in graph.sources[index]
        )

    def _fetch(self, index: int, place: int) -> None:
        """Have a node's sources copied to its place."""
        graph = self._graph
        sources = graph.sources[index]
        if all(graph.places[source] == place for source in sources):
            return
        graph.sources[index] = tuple([self._here(source, place) for source in sources])

    def _here(self, source: int, place: int) -> int:
        graph = self._graph
        if graph.places[source] == place:
            return source
        found = self._copied.get((source, place))
        if found is None:
            graph.place = place
            graph.use(source)  # kept until it is copied
            found = graph.new(graph.lengths[source])
            self._head += [found - 1, found]
            self.copies.append(found)
            self._copied[source, place] = found
        return found


def _twin(graph: Graph, index: int) -> int:
    graph.place = graph.places[index]
    return graph.new(graph.sizes[index])
