"""The Models screen: listing, searching, paging, filtering, failing."""

import asyncio

from textual.widgets import Input

from explorer.errors import Unreachable
from explorer.hub.source import Listing
from explorer.ui.app import WeightsApp
from explorer.ui.screens.models import ModelsScreen
from explorer.ui.widgets.table import VirtualTable
from tests.ui.support import Shelf, lines, running, session, settled, shown

SIZES = (1_000_000_000, 8_000_000_000, 30_000_000_000, 235_000_000_000, None)


def shelf(count: int = 200) -> Shelf:
    return Shelf(
        tuple(
            Listing(f"org-{number % 7}/model-{number:04}", parameters=SIZES[number % len(SIZES)])
            for number in range(count)
        )
    )


def table(app: WeightsApp) -> VirtualTable:
    return app.screen_stack[0].query_one("#models", VirtualTable)


def ids(app: WeightsApp) -> list[str]:
    screen = app.screen_stack[0]
    assert isinstance(screen, ModelsScreen)
    return [row.id for row in screen.listed.rows]


async def test_rows_are_judged_as_they_come_into_view() -> None:
    async with running(session(shelf), (120, 24)) as (app, _):
        first = lines(app)
        row = next(line for line in first if "model-0001" in line)
        assert "8.00 B" in row
        assert "●" in row
        assert "GiB" in row
        assert "○" in next(line for line in first if "model-0003" in line)
        assert "not known" in next(line for line in first if "model-0004" in line)


async def test_pages_are_fetched_as_they_are_scrolled_to_and_no_sooner() -> None:
    source = shelf(1000)
    async with running(session(lambda: source), (120, 24)) as (app, pilot):
        assert source.pages == 1
        await pilot.press("end")
        await settled(pilot)
        assert source.pages == 2
        assert table(app).cursor == 49
        assert len(ids(app)) == 100
        assert len(source.searches) == 1


async def test_typing_searches_and_the_older_search_is_cancelled() -> None:
    source = shelf()
    async with running(session(lambda: source)) as (app, pilot):
        source.gate = asyncio.Event()
        await pilot.press("slash", *"model-01")
        source.gate.set()
        await settled(pilot)
        assert source.searches[-1].text == "model-01"
        assert ids(app)[:2] == ["org-2/model-0100", "org-3/model-0101"]
        assert len(ids(app)) == 100


async def test_rows_stay_until_the_first_page_of_a_newer_search() -> None:
    source = shelf()
    async with running(session(lambda: source)) as (app, pilot):
        source.gate = asyncio.Event()
        await pilot.press("slash", "9")
        await pilot.pause()
        assert "model-0000" in shown(app)
        assert "… listing" in shown(app)
        source.gate.set()
        await settled(pilot)
        assert "model-0000" not in shown(app)
        assert "model-0009" in shown(app)


async def test_keys_type_in_the_search_and_act_in_the_list() -> None:
    async with running(session(shelf)) as (app, pilot):
        await pilot.press("slash", "j", "q", "m")
        assert app.screen.query_one("#search", Input).value == "jqm"
        await pilot.press("escape")
        assert app.focused is table(app)
        await pilot.press("escape")
        await settled(pilot)
        assert app.screen.query_one("#search", Input).value == ""
        await pilot.press("j")
        assert table(app).cursor == 1


async def test_nothing_found_says_what_to_do() -> None:
    async with running(session(shelf)) as (app, pilot):
        await pilot.press("slash", *"zzz", "enter")
        await settled(pilot)
        assert "no model matches “zzz”: fewer words" in shown(app)


async def test_an_error_is_a_line_with_a_hint_and_the_rows_stay() -> None:
    source = shelf()
    async with running(session(lambda: source)) as (app, pilot):
        source.error = Unreachable("the hub does not answer", "timed out", "check the network")
        await pilot.press("slash", "7")
        await settled(pilot)
        assert "! the hub does not answer: timed out - check the network" in shown(app)
        assert "model-0000" in shown(app)
        source.error = None
        await pilot.press("escape", "r")
        await settled(pilot)
        assert "!" not in lines(app)[-2]
        assert "model-0007" in shown(app)


async def test_a_source_that_cannot_be_opened_is_told() -> None:
    def refuse() -> Shelf:
        raise Unreachable("no such source", hint="try --source snapshot")

    async with running(session(refuse)) as (app, _):
        assert "! no such source - try --source snapshot" in shown(app)
        assert "nothing could be listed" in shown(app)


async def test_the_fits_filter_fetches_until_the_screen_is_full() -> None:
    source = shelf(1000)
    async with running(session(lambda: source), (120, 24)) as (app, pilot):
        await pilot.press("f")
        await pilot.pause()
        await pilot.press("down", "enter")
        await settled(pilot)
        assert "of 50 looked at" in shown(app) or "of 100 looked at" in shown(app)
        assert {name[-1] for name in ids(app)} <= set("012567")
        assert "fits fits" in shown(app)


async def test_a_filter_is_chosen_from_a_list_and_asked_of_the_source() -> None:
    source = shelf()
    async with running(session(lambda: source)) as (app, pilot):
        await pilot.press("s")
        await pilot.pause()
        assert "downloads in the last 30 days" in shown(app)
        await pilot.press("j", "enter")
        await settled(pilot)
        assert source.searches[-1].sort == "downloads"
        assert "Downloads▾" in shown(app)
        await pilot.press("l")
        await pilot.pause()
        await pilot.press("down", "down", "down", "down", "enter")
        await settled(pilot)
        assert source.searches[-1].tags == ("license:apache-2.0",)
        await pilot.press("t")
        await pilot.pause()
        await pilot.press("escape")
        await settled(pilot)
        assert source.searches[-1].task is None


async def test_a_heading_sorts_where_the_source_can() -> None:
    source = shelf()
    async with running(session(lambda: source)) as (app, pilot):
        place = next(p for p in table(app).placed if p.column.key == "downloads")
        await pilot.click("#models", offset=(place.x + 4, 0))
        await settled(pilot)
        assert source.searches[-1].sort == "downloads"


async def test_rows_ordered_by_a_heading_say_so_and_escape_undoes_it() -> None:
    async with running(session(shelf), (120, 24)) as (app, pilot):
        place = next(p for p in table(app).placed if p.column.key == "params")
        await pilot.click("#models", offset=(place.x + 4, 0))
        await settled(pilot)
        assert "sort params" in shown(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "sort trending" in shown(app)
        assert table(app).sorted_by[0] != "params"


async def test_another_context_judges_every_row_anew() -> None:
    async with running(session(shelf), (120, 24)) as (app, pilot):
        before = next(line for line in lines(app) if "model-0001" in line)
        await pilot.press("c")
        await pilot.pause()
        await pilot.press(*"4k", "enter")
        await settled(pilot)
        assert app.scenario.context_tokens == 4096
        assert "4K context" in lines(app)[0]
        assert next(line for line in lines(app) if "model-0001" in line) != before


async def test_a_listed_context_is_picked_with_the_arrows() -> None:
    async with running(session(shelf)) as (app, pilot):
        await pilot.press("c")
        await pilot.pause()
        await pilot.press("down", "enter")
        await settled(pilot)
        assert app.scenario.context_tokens == 4096


async def test_a_context_that_is_no_number_is_refused_in_place() -> None:
    async with running(session(shelf)) as (app, pilot):
        await pilot.press("c")
        await pilot.pause()
        await pilot.press(*"lots", "enter")
        await pilot.pause()
        assert "“lots” is not a number of tokens" in shown(app)
        await pilot.press("escape")
        assert app.scenario.context_tokens is None


async def test_hostile_names_are_shown_and_do_nothing() -> None:
    names = ("[red]x[/]/[/y]", "a/\x1b[2J\x07", "b/\u202egpj", "c/" + "n" * 5000, "d/e\u0301" * 40)
    source = Shelf(tuple(Listing(name, license="[b]", task="\x9b") for name in names))
    async with running(session(lambda: source), (200, 30)) as (app, pilot):
        for _ in names:
            await pilot.press("down")
        text = shown(app)
        assert "[red]x[/]/[/y]" in text
        assert "␛[2J␇" in text
        assert "<U+202E>gpj" in text
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}


async def test_it_fits_every_terminal() -> None:
    async with running(session(shelf), (80, 24)) as (app, pilot):
        for size in [(200, 60), (40, 10), (10, 3), (1, 1), (80, 24)]:
            await pilot.resize_terminal(*size)
            await settled(pilot)
            await pilot.press("down", "pagedown", "home")
            assert all(len(line) <= size[0] for line in lines(app))
        assert "model-0000" in shown(app)


async def test_the_first_frame_is_painted_before_anything_is_opened() -> None:
    opened: list[str] = []

    def source() -> Shelf:
        opened.append("source")
        return shelf()

    app = WeightsApp(session(source))
    async with app.run_test(size=(80, 24)) as pilot:
        assert opened == []
        assert "Model" in shown(app)
        await settled(pilot)
        assert opened == ["source"]


async def test_the_source_is_closed_on_the_way_out() -> None:
    source = shelf()
    async with running(session(lambda: source)) as (app, pilot):
        await pilot.press("q")
    assert source.closed
    assert app.return_code == 0


async def test_a_key_lists_what_the_publisher_of_a_row_has() -> None:
    source = shelf()
    async with running(session(lambda: source), (120, 24)) as (app, pilot):
        await pilot.press("j", "a")
        await settled(pilot)
        assert app.screen_stack[0].query_one("#search", Input).value == "author:org-1"
        assert source.searches[-1].author == "org-1"
        await pilot.press("escape")
        await settled(pilot)
        assert source.searches[-1].author is None
