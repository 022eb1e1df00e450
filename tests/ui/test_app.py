"""What belongs to every screen: help, palette, themes, faults."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from textual.binding import Binding

from explorer.hub.source import ModelRef, Page, Query
from explorer.ui.app import WeightsApp
from explorer.ui.messages import OpenModel
from explorer.ui.screens.choose import ChooseScreen
from explorer.ui.screens.help import HelpScreen
from explorer.ui.screens.machine import MachineScreen
from explorer.ui.screens.model import ModelScreen
from explorer.ui.screens.models import ModelsScreen
from explorer.ui.tabs.fit import FitTab
from explorer.ui.tabs.weights import WeightsTab
from explorer.ui.widgets.heatmap import HeatMap
from explorer.ui.widgets.table import VirtualTable
from tests.ui.support import Shelf, lines, running, session, settled, shown

BOUND = (
    WeightsApp,
    ModelsScreen,
    ModelScreen,
    MachineScreen,
    ChooseScreen,
    HelpScreen,
    FitTab,
    WeightsTab,
    VirtualTable,
    HeatMap,
)


def bindings() -> list[Binding]:
    found = [binding for owner in BOUND for binding in owner.BINDINGS]
    return [binding for binding in found if isinstance(binding, Binding)]


def test_every_key_has_an_id_of_its_own_and_a_tooltip() -> None:
    assert len(bindings()) == sum(len(owner.BINDINGS) for owner in BOUND)
    ids = [binding.id for binding in bindings()]
    assert None not in ids
    assert len(set(ids)) == len(ids)
    assert [b.id for b in bindings() if not b.tooltip and b.id != "app.quit_always"] == []


@pytest.mark.parametrize("key", ["question_mark", "escape", "q"])
async def test_help_names_the_keys_of_the_screen_and_goes_again(key: str) -> None:
    async with running(session(Shelf), (120, 50)) as (app, pilot):
        await pilot.press("question_mark")
        await settled(pilot)
        text = shown(app)
        assert "best here" in text
        places = [text.index(words) for words in ("On this screen", "Moving about", "Everywhere")]
        assert places == sorted(places)
        assert places[0] < text.index("Words of a name, and filters") < places[1]
        await pilot.press(key)
        await settled(pilot)
        assert isinstance(app.screen, ModelsScreen)


async def test_the_palette_offers_what_the_keys_do() -> None:
    async with running(session(Shelf)) as (app, pilot):
        commands = {command.title: command for command in app.get_system_commands(app.screen)}
        assert {"Search", "Sort", "Machine", "Context", "Theme", "Help"} <= commands.keys()
        assert {"Recent", "Publisher", "Searches", "Task", "Order rows"} <= commands.keys()
        assert not {"Down", "Page down", "Keys"} & commands.keys()
        await commands["Machine"].callback()
        await settled(pilot)
        assert isinstance(app.screen, MachineScreen)


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark", "nord", "solarized-light"])
async def test_every_theme_paints_every_screen(theme: str) -> None:
    async with running(session(model="Qwen/Qwen3-0.6B"), (100, 30)) as (app, pilot):
        app.theme = theme
        await settled(pilot)
        assert "●" in shown(app)
        await pilot.press("2")
        await settled(pilot)
        assert "embed_tokens" in shown(app)


async def test_a_fault_of_the_program_is_a_line_and_the_screen_stays() -> None:
    class Faulty(Shelf):
        async def search(self, query: Query) -> AsyncIterator[Page]:
            yield Page((), True)
            raise ZeroDivisionError("a surprise")

    async with running(session(Faulty)) as (app, _):
        assert "! a fault in weights itself: ZeroDivisionError: a surprise" in shown(app)
        assert isinstance(app.screen, ModelsScreen)


async def test_without_colour_the_verdict_is_still_told() -> None:
    async with running(session(model="Qwen/Qwen3-30B-A3B"), (120, 40)) as (app, _):
        text = shown(app)
        assert "● fits" in text
        assert "○ partly on the host" in text
        assert "[● " in text


async def test_in_sixteen_colours_no_figure_stands_on_its_own_colour() -> None:
    async with running(session(model="Qwen/Qwen3-30B-A3B"), (120, 40)) as (app, pilot):
        app.theme = "ansi-dark"
        await settled(pilot)
        heatmap = app.screen.query_one(HeatMap)
        cells = [part.style for line in range(1, 8) for part in heatmap.render_line(line)]
        colours = [(style.color, style.bgcolor) for style in cells if style and style.color]
        assert any(front.number == 2 for front, _ in colours)  # green
        assert not any(front == back for front, back in colours if front.number == 2)


@pytest.mark.parametrize("action", ["machine", "context", "help"])
async def test_quitting_before_a_screen_is_there_is_no_fault(action: str) -> None:
    async with running(session(Shelf)) as (app, _):
        await app.run_action(action)
        app.exit()
    assert app.return_code == 0


async def test_quitting_before_a_model_is_there_is_no_fault() -> None:
    async with running(session(Shelf)) as (app, _):
        app.post_message(OpenModel(ModelRef("org/none")))
        app.exit()
    assert app.return_code == 0


async def test_quitting_while_everything_is_under_way_leaves_nothing_behind() -> None:
    source = Shelf()
    source.gate = asyncio.Event()
    app = WeightsApp(session(lambda: source))
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.press("q")
    assert not app.is_running


async def test_the_title_says_where_an_answer_came_from() -> None:
    source = Shelf(title="Hub")
    async with running(session(lambda: source)) as (app, pilot):
        assert "weights  Hub" in lines(app)[0]
        source.title = "Snapshot (Hub could not be reached)"
        await pilot.press("r")
        await settled(pilot)
        assert "Snapshot (Hub could not be reached)" in lines(app)[0]
