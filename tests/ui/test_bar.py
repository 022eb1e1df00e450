"""The memory bar adds up, fits its width and reads without colour."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from explorer.fit.values import Answer, Memory, Placed, Scenario, Speed, Verdict
from explorer.ui.widgets.bar import bars_of, draw, free, legend, share
from explorer.units import GIB
from tests.ui.support import machine

MEMORY = Memory(weights=12 * GIB, kv_cache=6 * GIB, compute=2 * GIB)


def answer(*placed: Placed) -> Answer:
    total = sum((one.memory for one in placed), Memory())
    speed = Speed(None, None, "")
    return Answer(machine(), Scenario(), Verdict.FITS, total, placed, 0, speed, exact=True)


def test_each_part_has_its_own_pattern_and_its_share_of_the_cells() -> None:
    assert draw(MEMORY, 24 * GIB, 24).plain == "▇▇▇▇▇▇▇▇▇▇▇▇▓▓▓▓▓▓##····"


def test_a_part_of_any_size_is_seen() -> None:
    assert draw(replace(MEMORY, overhead=1), 24 * GIB, 12).plain.count("=") == 1


def test_a_bar_is_no_longer_than_what_is_held() -> None:
    little = Memory(weights=GIB // 4, compute=GIB // 100, overhead=GIB // 10)
    assert draw(little, 60 * GIB, 20).plain == "▇···················"


def test_what_does_not_fit_runs_over_the_mark_of_the_capacity() -> None:
    assert draw(MEMORY, 10 * GIB, 20).plain == "▇▇▇▇▇▇▇▇▇▇┃▇▓▓▓▓▓▓##"


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=5), st.integers(5, 200))
def test_shares_fill_no_more_than_the_width(sizes: list[int], width: int) -> None:
    cells = share(sizes, max(sum(sizes), 1), width)
    assert sum(cells) == (width if any(sizes) else 0)
    assert all(count > 0 for count, size in zip(cells, sizes, strict=True) if size)


def test_a_legend_names_every_part_and_what_is_free() -> None:
    assert legend(MEMORY, 4 * GIB, 100).plain == (
        "▇ weights 12.0  ▓ KV 6.00  # compute 2.00  · free 4.00 GiB"
    )
    assert "┃ short of 4.00 GiB" in legend(MEMORY, -4 * GIB, 100).plain
    assert legend(MEMORY, 4 * GIB, 52).plain == "▇weights 12.0 ▓KV 6.00 #compute 2.00 ·free 4.00"


def test_a_legend_is_shortened_to_its_width() -> None:
    for width in (10, 20, 30, 40, 50):
        assert legend(MEMORY, 4 * GIB, width).cell_length <= width


def test_equal_devices_share_a_bar() -> None:
    one, host = Placed("A100", MEMORY, 80 * GIB), Placed("host", Memory(compute=GIB), 64 * GIB)
    bars = bars_of(answer(one, one, host))
    assert [(bar.device, bar.devices) for bar in bars] == [("A100", 2), ("host", 1)]


def test_the_host_s_memory_is_not_called_free_beside_an_accelerator() -> None:
    one, host = Placed("A100", MEMORY, 80 * GIB), Placed("host", Memory(compute=GIB), 64 * GIB)
    assert free(bars_of(answer(one, one, host))) == 120 * GIB
    assert free(bars_of(answer(host))) == 63 * GIB


def test_memory_that_a_device_shares_with_its_host_is_one_pool() -> None:
    mac = replace(answer(), machine=machine("M4 Max 64GB"))
    device, host = Placed("M4 Max", MEMORY, 48 * GIB), Placed("host", Memory(weights=GIB), 60 * GIB)
    both = replace(mac, placement=(device, host), memory=MEMORY + host.memory)
    [bar] = bars_of(both)
    assert (bar.device, bar.memory.total, bar.capacity_bytes) == (
        "M4 Max 64GB", 21 * GIB, 48 * GIB,
    )  # fmt: skip
    large = replace(both, memory=Memory(weights=50 * GIB))
    assert bars_of(large)[0].capacity_bytes == 60 * GIB
    assert both.needed == both.memory
