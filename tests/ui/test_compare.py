"""Compare: marked models side by side on one machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from explorer.hub.source import ModelRef
from explorer.ui.app import WeightsApp
from explorer.ui.messages import ToggleMark
from explorer.ui.screens.compare import CompareScreen
from explorer.ui.screens.model import ModelScreen
from explorer.ui.widgets.sidebyside import SideBySide
from explorer.ui.widgets.status import Status
from tests.ui.support import lines, running, session, settled, shown

MODELS = ("Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-8B", "openai/gpt-oss-20b")


@asynccontextmanager
async def comparing(
    *models: str, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[WeightsApp, Pilot[None]]]:
    async with running(session(), size) as (app, pilot):
        for model in models:
            app.post_message(ToggleMark(ModelRef(model)))
        await pilot.pause()
        await pilot.press("C")
        await settled(pilot)
        yield app, pilot


def line_of(app: WeightsApp, name: str) -> str:
    return next(line for line in lines(app) if line.strip().startswith(name))


async def test_every_marked_model_has_a_column_on_the_same_machine() -> None:
    async with comparing(*MODELS) as (app, _):
        assert isinstance(app.screen, CompareScreen)
        assert line_of(app, "parameters").split()[:7] == [
            "parameters", "30.5", "B", "8.19", "B", "20.9", "B",
        ]  # fmt: skip
        assert "qwen3_moe" in line_of(app, "architecture")
        assert line_of(app, "best here").count("●") == 3
        assert "128K *" in line_of(app, "context")
        assert "×3.7" in line_of(app, "parameters")


async def test_a_model_that_is_not_there_says_so_and_leaves_the_others() -> None:
    async with comparing(MODELS[1], "nobody/nothing") as (app, pilot):
        assert "8.19 B" in line_of(app, "parameters")
        await pilot.press("right")
        await settled(pilot)
        assert lines(app)[app.screen.query_one(Status).region.y].startswith("  ! ")


async def test_enter_opens_the_model_under_the_cursor() -> None:
    async with comparing(*MODELS) as (app, pilot):
        await pilot.press("l", "enter")
        await settled(pilot)
        assert isinstance(app.screen, ModelScreen)
        assert "Qwen/Qwen3-8B" in shown(app)


async def test_a_click_takes_the_cursor_and_a_second_opens() -> None:
    async with comparing(*MODELS) as (app, pilot):
        table = app.screen.query_one(SideBySide)
        at = lines(app)[3].index("gpt-oss-20b")
        await pilot.click(SideBySide, offset=(at, 4))
        await pilot.pause()
        assert table.cursor == 2


async def test_space_leaves_a_model_out_and_marks_survive_the_screen() -> None:
    async with comparing(*MODELS) as (app, pilot):
        await pilot.press("space")
        await settled(pilot)
        assert [ref.id for ref in app.marked] == list(MODELS[1:])
        assert "Qwen3-30B-A3B" not in shown(app)
        await pilot.press("escape")
        await settled(pilot)
        assert len(app.marked) == 2


async def test_another_machine_is_judged_for_at_once() -> None:
    async with comparing(*MODELS) as (app, pilot):
        before = line_of(app, "best here")
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"RTX 3060 12GB", "enter")
        await settled(pilot)
        assert isinstance(app.screen, CompareScreen)
        assert line_of(app, "best here") != before


async def test_columns_without_room_come_into_view_with_the_cursor() -> None:
    many = (*MODELS, "openai/gpt-oss-120b", "Qwen/Qwen3-4B")
    async with comparing(*many, size=(80, 24)) as (app, pilot):
        assert "2 more" in shown(app)
        assert all(len(line) <= 80 for line in lines(app))
        await pilot.press(*["right"] * 4)
        assert "Qwen3-4B" in shown(app)
        assert "Qwen3-30B-A3B" not in shown(app)


async def test_names_that_differ_in_their_middle_can_be_told_apart() -> None:
    alike = [f"Qwen/Qwen2.5-{size}-Instruct" for size in ("0.5B", "1.5B", "3B", "Coder-7B")]
    async with comparing(*alike, size=(80, 24)) as (app, _):
        authors, heads, tails = lines(app)[2:5]
        assert heads.split() == ["▌Qwen2.5-0.5B-", "Qwen2.5-1.5B-", "Qwen2.5-3B-"]
        assert tails.split() == ["▌Instruct", "Instruct", "Instruct"]
        assert authors.endswith("   1 more")
    async with comparing(*alike) as (app, _):
        assert lines(app)[3].split()[1:] == [
            "Qwen2.5-1.5B-Instruct", "Qwen2.5-3B-Instruct", "Qwen2.5-Coder-7B-",
        ]  # fmt: skip
    async with comparing(*MODELS) as (app, _):
        assert lines(app)[4] == "", "short names take one line"


async def test_what_no_model_states_is_not_compared() -> None:
    async with comparing("Qwen/Qwen2.5-0.5B-Instruct", MODELS[1]) as (app, _):
        assert "1M, limit ?" in line_of(app, "most context")
        assert "×" not in line_of(app, "most context")


async def test_nothing_marked_offers_no_comparison() -> None:
    async with running(session(), (120, 36)) as (app, pilot):
        await pilot.press("C")
        await settled(pilot)
        assert not isinstance(app.screen, CompareScreen)
