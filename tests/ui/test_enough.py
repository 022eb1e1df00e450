"""What would be enough, and what upgrades of the machine would bring."""

from explorer.ui.screens.enough import EnoughScreen, parse_speed
from explorer.ui.screens.model import ModelScreen
from explorer.ui.tabs.fit import FitTab
from explorer.ui.widgets.table import VirtualTable
from tests.ui.support import running, session, settled, shown

MODEL = "Qwen/Qwen3-30B-A3B"


async def test_the_smallest_machines_and_the_upgrades_of_this_one() -> None:
    async with running(session(model=MODEL), (120, 40)) as (app, pilot):
        await pilot.press("x")
        await settled(pilot)
        assert isinstance(app.screen, EnoughScreen)
        text = shown(app)
        assert "The smallest of each family for Q5_K_M at 8K context, 1 sequence, llama.cpp" in text
        assert "RTX 3090" in text
        assert "on RTX 4090 ● fits" in text
        assert "RTX 4090  in use" in text
        assert "If you upgraded RTX 4090" in text
        assert "a second RTX 4090" in text
        assert "no help: +32, +64, +128 GB RAM" in text
        found = app.screen.found
        assert found is not None
        sizes = [setup.memory_bytes for setup in found.setups]
        assert sizes == sorted(sizes)


async def test_a_pipeline_has_no_context_and_no_sequences_to_ask_about() -> None:
    flux = session(model="black-forest-labs/FLUX.1-schnell")
    async with running(flux, (120, 40)) as (app, pilot):
        assert "names parts that are not there" not in shown(app)
        await pilot.press("x")
        await settled(pilot)
        assert "The smallest of each family for BF16, diffusers" in shown(app)


async def test_a_wish_for_speed_leaves_fewer_and_faster_machines() -> None:
    async with running(session(model=MODEL), (120, 40)) as (app, pilot):
        await pilot.press("x")
        await settled(pilot)
        assert isinstance(app.screen, EnoughScreen)
        screen = app.screen
        before = screen.found
        await pilot.press("s", "tab", *"125", "enter")
        await settled(pilot)
        after = screen.found
        assert before is not None
        assert after is not None
        assert 0 < len(after.setups) < len(before.setups)
        assert all(
            s.answer.speed.decode.expected >= 125 for s in after.setups if s.answer.speed.decode
        )
        assert "speed at least 125/s" in shown(app)


async def test_enter_judges_for_the_machine_under_the_cursor() -> None:
    async with running(session(model=MODEL), (120, 40)) as (app, pilot):
        await pilot.press("x")
        await settled(pilot)
        assert isinstance(app.screen, EnoughScreen)
        found = app.screen.found
        assert found is not None
        await pilot.press("down", "enter")
        await settled(pilot)
        assert isinstance(app.screen, ModelScreen)
        assert app.machine == found.setups[1].machine
        cell = app.screen.query_one(FitTab).cell
        assert cell is not None
        assert cell.machine == app.machine


async def test_an_upgrade_can_be_judged_for_too() -> None:
    async with running(session(model=MODEL), (120, 40)) as (app, pilot):
        await pilot.press("x")
        await settled(pilot)
        app.screen.query_one("#upgrades", VirtualTable).focus()
        await pilot.press("G", "up", "enter")
        await settled(pilot)
        assert app.machine is not None
        assert "RTX 5090" in app.machine.name


async def test_escape_leaves_the_machine_as_it_is() -> None:
    async with running(session(model=MODEL), (80, 24)) as (app, pilot):
        before = app.machine
        await pilot.press("x")
        await settled(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, ModelScreen)
        assert app.machine is before


def test_speeds_as_they_are_typed() -> None:
    assert parse_speed("any") is None
    assert parse_speed("12.5") == 12.5
