"""The map of quantization by context."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from explorer.ui.widgets.heatmap import HeatCell, HeatGrid, HeatMap

QUANTIZATIONS = ("BF16", "Q8_0", "Q4_K_M")


def grid(columns: tuple[str, ...] = ("4K", "8K", "16K")) -> HeatGrid:
    row = tuple(HeatCell("●", f"{10 + number}.5", "good") for number in range(len(columns)))
    return HeatGrid(QUANTIZATIONS, columns, (row,) * len(QUANTIZATIONS))


class MapApp(App[None]):
    moves: list[tuple[int, int]]

    def compose(self) -> ComposeResult:
        self.moves = []
        yield HeatMap()

    def on_heat_map_moved(self, message: HeatMap.Moved) -> None:
        self.moves.append((message.row, message.column))


@asynccontextmanager
async def map_of(
    given: HeatGrid, size: tuple[int, int] = (60, 10)
) -> AsyncIterator[tuple[HeatMap, MapApp, Pilot[None]]]:
    app = MapApp()
    async with app.run_test(size=size) as pilot:
        heatmap = app.query_one(HeatMap)
        heatmap.grid = given
        heatmap.focus()
        await pilot.pause()
        yield heatmap, app, pilot


def text(heatmap: HeatMap) -> list[str]:
    return [heatmap.render_line(y).text.rstrip() for y in range(heatmap.size.height)]


async def test_glyph_and_figure_under_their_context_and_brackets_at_the_cursor() -> None:
    async with map_of(grid()) as (heatmap, _, _):
        assert text(heatmap) == [
            "             4K      8K     16K",
            "BF16    [● 10.5] ● 11.5  ● 12.5",
            "Q8_0     ● 10.5  ● 11.5  ● 12.5",
            "Q4_K_M   ● 10.5  ● 11.5  ● 12.5",
        ]


async def test_the_cursor_moves_within_the_map_and_tells() -> None:
    async with map_of(grid()) as (heatmap, app, pilot):
        await pilot.press("right", "j", "l", "l", "down", "down", "h", "home", "end", "k")
        assert heatmap.position == (1, 2)
        assert app.moves == [(0, 1), (1, 1), (1, 2), (2, 2), (2, 1), (2, 0), (2, 2), (1, 2)]


async def test_a_click_takes_the_cursor() -> None:
    async with map_of(grid()) as (heatmap, _, pilot):
        await pilot.click(HeatMap, offset=(18, 3))
        assert heatmap.position == (2, 1)
        await pilot.click(HeatMap, offset=(50, 1))
        assert heatmap.position == (2, 1)


async def test_the_cursor_stays_on_its_labels_when_the_map_is_made_anew() -> None:
    async with map_of(grid()) as (heatmap, _, pilot):
        await pilot.press("down", "right", "right")
        heatmap.grid = grid(("8K", "16K", "32K"))
        await pilot.pause()
        assert heatmap.position == (1, 1)


async def test_columns_without_room_scroll_with_the_cursor() -> None:
    columns = ("4K", "8K", "16K", "32K", "64K", "128K", "256K", "512K", "1M")
    async with map_of(grid(columns), (40, 10)) as (heatmap, _, pilot):
        await pilot.press("end")
        assert text(heatmap)[0].split() == ["128K", "256K", "512K", "1M"]
        assert "[● 18.5]" in text(heatmap)[1]


async def test_an_empty_map_and_a_tiny_terminal_do_no_harm() -> None:
    async with map_of(HeatGrid(), (3, 2)) as (heatmap, app, pilot):
        await pilot.press("down", "right", "end")
        assert app.moves == []
        assert heatmap.position == (0, 0)
