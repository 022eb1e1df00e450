"""Counts, bytes, tokens and times as people read and write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import units
from explorer.errors import UsageError


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 KiB"),
        (36_864, "36 KiB"),
        (512 * units.MIB, "512 MiB"),
        (int(18.94 * units.GIB), "18.9 GiB"),
        (24 * units.GIB, "24.0 GiB"),
        (141 * units.GIB, "141 GiB"),
    ],
)
def test_memory_is_binary_and_says_so(size: int, text: str) -> None:
    assert units.memory(size) == text


def test_files_are_decimal_as_hubs_show_them() -> None:
    assert units.file_size(4_967_215_360) == "4.97 GB"
    assert units.file_size(90_868_376) == "90.9 MB"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "?"),
        (850, "850"),
        (22_713_728, "22.7 M"),
        (999_960_000, "1.00 B"),
        (8_030_261_248, "8.03 B"),
        (30_532_122_624, "30.5 B"),
        (684_489_845_504, "684 B"),
        (1_026_879_376_368, "1.03 T"),
    ],
)
def test_counts_keep_three_figures(number: int | None, text: str) -> None:
    assert units.count(number) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.44, "~0.4/s"), (9.9, "~9.9/s"), (94.6, "~95/s"), (6942.3, "~6,942/s")]
)
def test_speeds_are_read_at_a_glance(rate: float, text: str) -> None:
    assert units.speed(rate) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "?"), (512, "512"), (2048, "2K"), (40_960, "40K"), (131_072, "128K"), (1 << 20, "1M")],
)
def test_contexts_are_binary_thousands(number: int | None, text: str) -> None:
    assert units.tokens(number) == text


def test_the_most_context_says_where_no_limit_is_known() -> None:
    assert units.most_tokens(40960, 40960) == "40K"
    assert units.most_tokens(1 << 20, None) == "1M, limit ?"


def test_ages_take_the_largest_unit_that_fits() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert units.age(datetime(2026, 11, 22, 19, tzinfo=UTC), now) == "5 h"
    assert units.age(datetime(2026, 8, 20, tzinfo=UTC), now) == "3 mo"
    assert units.age(None, now) == "?"


@pytest.mark.parametrize(
    ("text", "number"), [("32768", 32768), ("32k", 32768), ("128K", 131_072), ("1M", 1 << 20)]
)
def test_contexts_are_read_as_they_are_written(text: str, number: int) -> None:
    assert units.parse_tokens(text) == number


@pytest.mark.parametrize("text", ["", "0", "-4", "many", "12 parsecs", "1e999", "９", "9" * 400])
def test_what_is_no_context_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="not a number of tokens"):
        units.parse_tokens(text)


@given(st.integers(1, 1 << 24))
def test_every_whole_context_is_read_back(number: int) -> None:
    assert units.parse_tokens(str(number)) == number


def test_sizes_are_binary_whatever_they_are_called() -> None:
    assert units.parse_memory("64GB") == units.parse_memory("64 GiB") == 64 * units.GIB
    assert units.parse_memory("512MiB") == 512 * units.MIB
    with pytest.raises(UsageError):
        units.parse_memory("a lot")
