"""The Machine screen: what was detected, and any other machine in its place."""

from explorer.ui.screens.machine import MachineScreen
from explorer.ui.screens.models import ModelsScreen
from explorer.ui.widgets.table import VirtualTable
from tests.ui.support import lines, running, session, settled, shown


async def test_it_shows_the_detected_machine_and_its_figures() -> None:
    async with running(session()) as (app, pilot):
        await pilot.press("m")
        await settled(pilot)
        text = shown(app)
        assert "▌ RTX 4090  this machine, in use" in text
        assert "1,008 GB/s" in text
        assert "RAM" in text


async def test_a_device_of_the_catalog_is_used_everywhere() -> None:
    async with running(session()) as (app, pilot):
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"a100 80gb", "enter")
        await settled(pilot)
        assert isinstance(app.screen, ModelsScreen)
        assert app.machine is not None
        assert "A100" in app.machine.name
        assert "A100" in lines(app)[0]
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("d")
        await settled(pilot)
        assert app.machine == app.detected


async def test_a_described_machine_is_offered_as_it_is_typed() -> None:
    async with running(session()) as (app, pilot):
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"2x RTX 3090, 128 GB")
        await settled(pilot)
        assert "▌ 2x RTX 3090, 128 GB  described" in shown(app)
        assert "128 GiB" in shown(app)


async def test_words_that_describe_nothing_are_told_and_nothing_changes() -> None:
    async with running(session()) as (app, pilot):
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"toaster", "enter")
        await settled(pilot)
        assert isinstance(app.screen, MachineScreen)
        assert "! No device called “toaster” is known" in shown(app)
        await pilot.press("escape", "escape")
        await settled(pilot)
        assert app.machine == app.detected


async def test_a_name_that_several_machines_share_is_not_chosen_for_the_person() -> None:
    async with running(session()) as (app, pilot):
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"M4 Max", "enter")
        await settled(pilot)
        assert isinstance(app.screen, MachineScreen)
        assert "! “M4 Max” could be several devices" in shown(app)
        assert app.screen.table.has_focus
        await pilot.press("down", "enter")
        await settled(pilot)
        assert app.machine is not None
        assert app.machine.name.startswith("M4 Max")
        assert "GiB unified | 8K context" in lines(app)[0]


async def test_the_keys_of_the_list_work_and_m_does_not_stack_screens() -> None:
    async with running(session()) as (app, pilot):
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("j", "m")
        assert len(app.screen_stack) == 2
        assert app.screen.query_one(VirtualTable).cursor == 1


async def test_it_fits_every_terminal() -> None:
    async with running(session(), (80, 24)) as (app, pilot):
        await pilot.press("m")
        for size in [(200, 60), (40, 10), (2, 2), (80, 24)]:
            await pilot.resize_terminal(*size)
            await settled(pilot)
            assert all(len(line) <= size[0] for line in lines(app))
        assert "RTX 4090" in shown(app)


async def test_names_that_begin_with_what_is_typed_come_first() -> None:
    async with running(session()) as (app, pilot):
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"rtx 50")
        await settled(pilot)
        text = shown(app)
        assert (
            text.index("RTX 5050 ") < text.index("RTX 5090 Laptop") < text.index("Quadro RTX 5000")
        )
