"""Widths of columns, and cells cut to them."""

import itertools
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from explorer.ui.widgets.columns import GAP, Column, Placed, Run, fit, place

NAME = Column("name", "Name", 10, flex=1, most=30)
SIZE = Column("size", "Size", 6, align="right")
DATE = Column("date", "Date", 8, drop=1)
NOTE = Column("note", "Note", 12, drop=2)


def widths(width: int) -> dict[str, int]:
    return {placed.column.key: placed.width for placed in place((NAME, SIZE, DATE, NOTE), width)}


def test_with_room_every_column_is_there_and_the_flexible_one_takes_the_rest() -> None:
    assert widths(52) == {"name": 20, "size": 6, "date": 8, "note": 12}


def test_a_flexible_column_stops_at_its_most() -> None:
    assert widths(200)["name"] == 30


def test_the_column_with_the_highest_drop_number_gives_way_first() -> None:
    assert widths(40) == {"name": 22, "size": 6, "date": 8}
    assert widths(27) == {"name": 19, "size": 6}


def test_columns_that_stay_shrink_at_last() -> None:
    assert widths(17) == {"name": 9, "size": 6}
    assert widths(5) == {"name": 5}


@given(st.integers(1, 300))
def test_columns_never_overlap_nor_leave_the_width(width: int) -> None:
    placed = place((NAME, SIZE, DATE, NOTE), width)
    assert placed[0].x == 0
    for left, right in itertools.pairwise(placed):
        assert right.x == left.x + left.width + GAP
    assert placed[-1].x + placed[-1].width <= width


def cut(cell: str | Run | tuple[Run, ...], column: Column, width: int) -> str:
    return "".join(run.text for run in fit(cell, Placed(column, 0, 0, width)))


def test_text_is_cut_with_an_ellipsis_and_padded_to_the_width() -> None:
    assert cut("Qwen3", NAME, 8) == "Qwen3   "
    assert cut("Qwen3-Coder", NAME, 8) == "Qwen3-C…"
    assert cut("12.5", SIZE, 6) == "  12.5"


def test_a_path_is_cut_in_its_middle() -> None:
    middle = Column("path", "Path", 10, cut="middle")
    assert cut("model.layers.0.mlp.weight", middle, 11) == "model…eight"


def test_wide_letters_count_as_two_cells() -> None:
    assert cut("模型模型", NAME, 5) == "模型…"
    assert cell_len(cut("模型模型", NAME, 6)) == 6


def test_runs_are_cut_as_one_text() -> None:
    runs = (Run("Qwen/", "dim"), Run("Qwen3-8B"))
    assert cut(runs, NAME, 13) == "Qwen/Qwen3-8B"
    assert cut(runs, NAME, 9) == "Qwen/Qwe…"
    assert cut(runs, NAME, 5) == "Qwen…"


def test_the_first_run_gives_way_where_the_column_says_so() -> None:
    column = Column("name", "Name", 10, cut="first")
    runs = (Run("lmstudio-community/", "dim"), Run("Qwen3-8B"))
    assert cut(runs, column, 30) == "lmstudio-community/Qwen3-8B   "
    assert cut(runs, column, 20) == "lmstud…nity/Qwen3-8B"
    assert cut(runs, column, 14) == "lms…y/Qwen3-8B"
    assert cut(runs, column, 10) == "lms…y/Qwe…"


@given(st.text(), st.text(), st.integers(1, 40), st.sampled_from(["end", "middle", "first"]))
def test_whatever_the_text_a_cell_has_exactly_its_width(
    first: str, second: str, width: int, where: Literal["end", "middle", "first"]
) -> None:
    column = Column("c", "C", 1, cut=where)
    assert cell_len(cut((Run(first), Run(second)), column, width)) == width
    assert cell_len(cut(first, column, width)) == width
