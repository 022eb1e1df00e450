"""What is copied between places, and what of it stays: by hand, in small graphs."""

from explorer.fit.llama_cpp.allocator import HOST, Graph
from explorer.fit.llama_cpp.scheduler import replay

MIB = 1 << 20


def test_a_view_is_not_taken_over_though_nobody_else_needs_it() -> None:
    graph = Graph()
    made = graph.new(MIB, graph.given(64))
    graph.over(MIB, graph.view(made))
    assert replay(graph).peak(HOST) == 2 * MIB + 64


def test_what_is_made_in_place_takes_no_memory_of_its_own() -> None:
    graph = Graph()
    graph.over(MIB, graph.new(MIB, graph.given(64)))
    assert replay(graph).peak(HOST) == MIB + 64


def test_a_lent_weight_is_free_again_before_the_next_one() -> None:
    """Each of three matrices of 8 MiB is copied to the device: one at a time, in the same place."""
    graph = Graph()
    stream = graph.new(MIB, graph.given(64))
    graph.place = 0
    for _ in range(3):
        stream = graph.new(MIB, graph.stored(8 * MIB, HOST, weight=True), stream)
    found = replay(graph)
    assert found.peak(0) < 11 * MIB
    assert found.peak(HOST) == MIB + 64


def test_devices_that_work_in_turn_keep_four_copies_of_what_they_are_given() -> None:
    graph = Graph()
    mask = graph.given(4 * MIB)
    graph.place = 0
    stream = graph.new(MIB, mask)
    graph.place = 1
    graph.new(MIB, stream, mask)
    found = replay(graph, pipelined=True)
    assert found.peak(HOST) == 4 * 4 * MIB
    assert found.peak(0) == 4 * 4 * MIB + MIB
    assert found.peak(1) == 4 * (4 + 1) * MIB + MIB
