"""The table: its lines, its cursor, its keys and its mouse."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot

from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.ui.widgets.rows import ItemRows
from explorer.ui.widgets.table import VirtualTable

MessageT = TypeVar("MessageT", bound=Message)

COLUMNS = (
    Column("name", "Name", 10, flex=1),
    Column("size", "Size", 6, align="right"),
    Column("note", "Note", 20, drop=1, sortable=False),
)


def cells(name: str) -> Sequence[Cell]:
    return name, str(len(name)), Run(name.upper(), "dim")


def rows(names: Sequence[str]) -> ItemRows[str]:
    return ItemRows(names, cells, lambda name: name)


def many(count: int) -> list[str]:
    return [f"row-{number}" for number in range(count)]


class TableApp(App[None]):
    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names
        self.seen: list[Message] = []

    def compose(self) -> ComposeResult:
        yield VirtualTable(COLUMNS, empty="nothing here")

    def on_mount(self) -> None:
        self.query_one(VirtualTable).rows = rows(self.names)
        self.query_one(VirtualTable).focus()

    def on_virtual_table_highlighted(self, message: VirtualTable.Highlighted) -> None:
        self.seen.append(message)

    def on_virtual_table_selected(self, message: VirtualTable.Selected) -> None:
        self.seen.append(message)

    def on_virtual_table_needs_more(self, message: VirtualTable.NeedsMore) -> None:
        self.seen.append(message)

    def on_virtual_table_header_clicked(self, message: VirtualTable.HeaderClicked) -> None:
        self.seen.append(message)

    def of(self, kind: type[MessageT]) -> list[MessageT]:
        return [message for message in self.seen if isinstance(message, kind)]


@asynccontextmanager
async def table_of(
    names: Sequence[str], size: tuple[int, int] = (60, 11)
) -> AsyncIterator[tuple[VirtualTable, TableApp, Pilot[None]]]:
    app = TableApp(names)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app.query_one(VirtualTable), app, pilot


def text(table: VirtualTable) -> list[str]:
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


async def test_a_heading_and_aligned_rows_with_a_mark_at_the_cursor() -> None:
    async with table_of(["alpha", "be", "gamma-delta"], (51, 5)) as (table, _, _):
        assert text(table) == [
            "  Name                  Size  Note",
            "▌ alpha                    5  ALPHA",
            "  be                       2  BE",
            "  gamma-delta             11  GAMMA-DELTA",
            "",
        ]


async def test_an_empty_table_says_why() -> None:
    async with table_of([]) as (table, _, _):
        assert text(table)[2] == "  nothing here"


async def test_arrows_and_letters_move_and_stop_at_the_ends() -> None:
    async with table_of(many(30)) as (table, _, pilot):
        await pilot.press("down", "j", "j", "up", "k")
        assert table.cursor == 1
        await pilot.press("k", "k", "k")
        assert table.cursor == 0
        await pilot.press("G")
        assert table.cursor == 29
        await pilot.press("down")
        assert table.cursor == 29
        await pilot.press("home")
        assert (table.cursor, table.scroll_offset.y) == (0, 0)


async def test_a_page_is_a_screen_less_one_row() -> None:
    async with table_of(many(100)) as (table, _, pilot):
        await pilot.press("pagedown")
        assert table.cursor == 9
        await pilot.press("pagedown", "pageup")
        assert table.cursor == 9


async def test_the_cursor_is_always_on_the_screen() -> None:
    async with table_of(many(100)) as (table, _, pilot):
        for key in ["end", "pageup", "up", "home", "pagedown", "down", "down"]:
            await pilot.press(key)
            assert any(line.startswith("▌ ") for line in text(table)), key


async def test_the_cursor_stays_on_its_row_when_rows_are_appended() -> None:
    async with table_of(many(30)) as (table, app, pilot):
        await pilot.press("down", "down", "pagedown")
        before = text(table)
        table.rows = rows(many(60))
        await pilot.pause()
        assert text(table) == before
        assert [m.key for m in app.of(VirtualTable.Highlighted)][-1] == "row-11"


async def test_the_row_stays_on_its_line_when_rows_come_before_it() -> None:
    async with table_of(many(50)) as (table, _, pilot):
        await pilot.press("pagedown", "pagedown")
        line = next(i for i, shown in enumerate(text(table)) if shown.startswith("▌"))
        table.rows = rows([f"new-{number}" for number in range(7)] + many(50))
        await pilot.pause()
        assert text(table)[line].startswith("▌ row-18")
        assert table.cursor == 25


async def test_a_row_that_is_gone_leaves_the_cursor_where_it_was() -> None:
    async with table_of(many(30)) as (table, _, pilot):
        await pilot.press("G")
        table.rows = rows(many(5))
        await pilot.pause()
        assert table.cursor == 4


async def test_another_list_starts_at_its_beginning() -> None:
    async with table_of(many(50)) as (table, app, pilot):
        await pilot.press("G")
        table.restart()
        table.rows = rows(["row-49", "other"])
        await pilot.pause()
        assert (table.cursor, table.scroll_offset.y) == (0, 0)
        assert [m.key for m in app.of(VirtualTable.Highlighted)][-1] == "row-49"


async def test_a_row_is_announced_once() -> None:
    async with table_of(many(30)) as (table, app, pilot):
        table.rows = rows(many(31))
        await pilot.press("down")
        assert [m.key for m in app.of(VirtualTable.Highlighted)] == ["row-0", "row-1"]


async def test_more_is_asked_for_once_when_the_end_comes_near() -> None:
    async with table_of(many(100)) as (_, app, pilot):
        assert app.of(VirtualTable.NeedsMore) == []
        await pilot.press("end")
        await pilot.press("up", "down", "up")
        assert [m.rows for m in app.of(VirtualTable.NeedsMore)] == [100]


async def test_rows_that_come_in_above_the_cursor_ask_for_no_more_until_it_moves() -> None:
    """The last row of a list in some order stays the last whatever comes."""
    async with table_of(many(100)) as (table, app, pilot):
        await pilot.press("end")
        for before in (100, 200):
            table.rows = rows([*many(before + 100)[100:], *many(100)])
            await pilot.pause()
        assert table.rows.key(table.cursor) == "row-99"
        assert [m.rows for m in app.of(VirtualTable.NeedsMore)] == [100]
        await pilot.press("end")
        assert [m.rows for m in app.of(VirtualTable.NeedsMore)] == [100, 300]
        await pilot.press("home", "end")
        assert [m.rows for m in app.of(VirtualTable.NeedsMore)] == [100, 300]


async def test_enter_opens_the_row_under_the_cursor() -> None:
    async with table_of(many(5)) as (_, app, pilot):
        await pilot.press("down", "enter")
        assert [m.key for m in app.of(VirtualTable.Selected)] == ["row-1"]


async def test_a_click_takes_the_cursor_and_a_double_click_opens() -> None:
    async with table_of(many(5)) as (table, app, pilot):
        await pilot.click(VirtualTable, offset=(5, 3))
        assert table.cursor == 2
        assert app.of(VirtualTable.Selected) == []
        await pilot.click(VirtualTable, offset=(5, 4), times=2)
        assert [m.key for m in app.of(VirtualTable.Selected)] == ["row-3"]


async def test_a_click_beyond_the_rows_does_nothing() -> None:
    async with table_of(many(2)) as (table, app, pilot):
        await pilot.click(VirtualTable, offset=(5, 8), times=2)
        assert table.cursor == 0
        assert app.of(VirtualTable.Selected) == []


async def test_the_heading_of_a_sortable_column_asks_for_a_sort() -> None:
    async with table_of(many(5)) as (table, app, pilot):
        note = next(placed for placed in table.placed if placed.column.key == "note")
        await pilot.click(VirtualTable, offset=(3, 0))
        await pilot.click(VirtualTable, offset=(note.x + 3, 0))
        assert [m.column for m in app.of(VirtualTable.HeaderClicked)] == ["name"]


async def test_the_wheel_scrolls_and_leaves_the_cursor() -> None:
    async with table_of(many(100)) as (table, _, pilot):
        table.scroll_to(y=50, animate=False)
        await pilot.pause()
        assert text(table)[1].split() == ["row-50", "6", "ROW-50"]
        await pilot.press("down")
        assert table.cursor == 1
        assert any(line.startswith("▌ row-1") for line in text(table))


async def test_a_narrow_terminal_drops_columns_and_a_tiny_one_still_paints() -> None:
    async with table_of(many(5), (30, 4)) as (table, _, pilot):
        assert "ROW-0" not in text(table)[1]
        await pilot.resize_terminal(3, 1)
        await pilot.pause()
        await pilot.press("down", "pagedown", "end")
        assert table.cursor == 4


async def test_only_the_rows_on_the_screen_are_made() -> None:
    made: list[str] = []

    def counted(name: str) -> Sequence[Cell]:
        made.append(name)
        return cells(name)

    async with table_of([]) as (table, _, pilot):
        table.rows = ItemRows(many(150_000), counted, lambda name: name)
        await pilot.pause()
        assert len(made) <= 10
        made.clear()
        await pilot.press("down")
        assert made == ["row-0", "row-1"]
        made.clear()
        await pilot.press("end")
        assert len(made) <= 20


async def test_text_of_a_row_is_no_markup_and_no_control() -> None:
    async with table_of(["[b]x[/y]", "\x1b[31mred", "a\u202eb"]) as (table, _, _):
        assert [line[2:14].rstrip() for line in text(table)[1:4]] == [
            "[b]x[/y]",
            "␛[31mred",
            "a<U+202E>b",
        ]
