"""The tabs that ask for other models: variants, lineage and license, on a loopback hub."""

from collections.abc import Iterator

import pytest

from explorer.hub.huggingface import HuggingFace
from explorer.hub.source import Source
from explorer.ui.lineage_rows import LineageRows
from explorer.ui.screens.model import ModelScreen
from explorer.ui.session import Session
from explorer.ui.tabs.variants import VariantsTab
from explorer.ui.widgets.table import VirtualTable
from tests.hub import Fault, HubFile, HubRepo, HubServer
from tests.lineage.families import ORIGINAL, derived, family
from tests.ui.support import lines, running, session, settled, shown

SIZE = (120, 36)
MACHINE = "RTX 4070, 32 GB"


@pytest.fixture(name="hub")
def running_hub() -> Iterator[HubServer]:
    with HubServer(family(quantizations=60)) as hub:
        yield hub


def on(hub: HubServer, model: str) -> Session:
    def open_source() -> Source:
        return HuggingFace(hub.endpoint)

    return session(open_source, MACHINE, model)


def relatives_asked(hub: HubServer) -> int:
    """Listings of what was made of a model; the app's own listing is behind the screen."""
    return sum("base_model" in one.target for one in hub.traffic.of(kind="list"))


async def test_variants_are_looked_up_when_they_are_looked_at(hub: HubServer) -> None:
    async with running(on(hub, ORIGINAL), SIZE) as (app, pilot):
        assert relatives_asked(hub) == 0
        await pilot.press("3")
        await settled(pilot)
        text = shown(app)
        assert "Best here  ● Q8_0 of quantizer-0/Llama-8B-GGUF  8.54 GB" in text
        assert "the highest quality that fits with its reserve at 8K with llama.cpp" in text
        assert "49 variants in 25 repositories  ·  + looks at more" in text
        assert relatives_asked(hub) == 1
        assert hub.traffic.requests(kind="info") == 1 + 24
        await pilot.press("2", "3")
        await settled(pilot)
        assert hub.traffic.requests(kind="info") == 1 + 24, "looked at again for nothing"


async def test_more_repositories_on_request_and_none_twice(hub: HubServer) -> None:
    async with running(on(hub, ORIGINAL), SIZE) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await pilot.press("plus")
        await settled(pilot)
        assert "97 variants in 49 repositories" in shown(app)
        assert hub.traffic.requests(kind="info") == 1 + 48


async def test_variants_sort_and_the_cursor_finds_the_best(hub: HubServer) -> None:
    async with running(on(hub, ORIGINAL), SIZE) as (app, pilot):
        await pilot.press("3", "B")
        await settled(pilot)
        await pilot.press("B")
        tab = app.screen.query_one(VariantsTab)
        assert tab.best is not None
        assert tab.table.rows.key(tab.table.cursor) == tab.best.variant.key
        place = next(p for p in tab.table.placed if p.column.key == "downloads")
        await pilot.click("#variants", offset=(place.x + 4, 0))
        await settled(pilot)
        assert "Downloads▾" in shown(app)
        assert tab.table.rows.key(0) == (ORIGINAL, "model-00001-of-00004.safetensors")
        await pilot.press("G", "enter")
        await settled(pilot)
        assert isinstance(app.screen, ModelScreen)
        assert "quantizer-23/Llama-8B-GGUF" in "".join(lines(app)[:3])


async def test_variants_are_judged_anew_for_another_machine(hub: HubServer) -> None:
    async with running(on(hub, ORIGINAL), SIZE) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"cpu 4GB", "enter")
        await settled(pilot)
        assert "nothing that is published is known to run here" in shown(app)
        assert hub.traffic.requests(kind="info") == 1 + 24


async def test_variants_that_cannot_be_listed_say_why_and_can_be_tried_again(
    hub: HubServer,
) -> None:
    async with running(on(hub, ORIGINAL), SIZE) as (app, pilot):
        hub.inject(Fault(kind="list", body=b"{}"))
        await pilot.press("3")
        await settled(pilot)
        assert "! " in shown(app)
        assert "press + to try again" in shown(app)
        hub.heal()
        await pilot.press("plus")
        await settled(pilot)
        assert "Best here" in shown(app)


async def test_the_tree_goes_up_and_down_and_opens_lazily(hub: HubServer) -> None:
    async with running(on(hub, "lab/Chat-8B"), SIZE) as (app, pilot):
        await pilot.press("4")
        await settled(pilot)
        text = shown(app)
        assert "↑ made of 1 model" in text
        assert ORIGINAL in text
        assert "▾ Finetunes  1" in text
        assert "▸ me/Chat-8B-tuned" in text
        assert "▾ Adapters  none listed" in text
        assert "2 of 2 listed that were made of it" in text
        assert relatives_asked(hub) == 2, "kinds that have none are not listed"
        table = app.screen.query_one("#lineage-tree", VirtualTable)
        place = table.rows.find(("lab/Chat-8B", "finetune", "me/Chat-8B-tuned"))
        assert place is not None
        table.cursor = place
        await pilot.press("right")
        await settled(pilot)
        assert shown(app).count("▸ Finetunes  none listed") == 1, "its own kinds, counted"
        await pilot.press("down", "enter")
        await settled(pilot)
        assert "▾ Finetunes  none listed" in shown(app)
        assert relatives_asked(hub) == 2
        await pilot.press("left", "left")
        assert table.cursor == place
        await pilot.press("left", "enter")
        await settled(pilot)
        assert "me/Chat-8B-tuned" in "".join(lines(app)[:3]), "enter on a model looks into it"


async def test_the_first_of_many_show_then_all_then_another_page(hub: HubServer) -> None:
    async with running(on(hub, ORIGINAL), (120, 90)) as (app, pilot):
        await pilot.press("4")
        await settled(pilot)
        assert "↑ original" in shown(app)
        assert "Quantizations  50 of 60" in shown(app)
        table = app.screen.query_one("#lineage-tree", VirtualTable)
        more = (ORIGINAL, "quantized", "+")

        async def enter_more() -> int:
            place = table.rows.find(more)
            assert place is not None
            table.cursor = place
            before = relatives_asked(hub)
            await pilot.press("enter")
            await settled(pilot)
            return relatives_asked(hub) - before

        assert shown(app).count("quantizer-") == 5
        assert await enter_more() == 0
        assert shown(app).count("quantizer-") == 50
        assert await enter_more() == 1
        assert "Quantizations  60" in shown(app)
        assert table.rows.find(more) is None


async def test_verdicts_stand_in_the_tree_and_follow_the_machine(hub: HubServer) -> None:
    async with running(on(hub, "me/Chat-8B-tuned"), SIZE) as (app, pilot):
        await pilot.press("4")
        await settled(pilot)
        rows = app.screen.query_one("#lineage-tree", VirtualTable).rows
        assert isinstance(rows, LineageRows)
        kin = [line.kin for line in rows.lines if line.kin]
        assert [one.id for one in kin] == ["lab/Chat-8B", ORIGINAL, "me/Chat-8B-tuned"]
        assert all(one.row and one.row.answer for one in kin)
        before = [line for line in lines(app) if "lab/Chat-8B" in line]
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"cpu 4GB", "enter")
        await settled(pilot)
        assert [line for line in lines(app) if "lab/Chat-8B" in line] != before


async def test_a_circle_can_be_walked_and_a_lost_base_is_told() -> None:
    repos = [derived("a/a", "b/b"), derived("b/b", ["a/a", "gone/away"])]
    with HubServer(repos) as hub:
        async with running(on(hub, "a/a"), SIZE) as (app, pilot):
            await pilot.press("4")
            await settled(pilot)
            assert "! There is no model gone/away" in shown(app)
            assert "a/a  shown already" in shown(app)
            table = app.screen.query_one("#lineage-tree", VirtualTable)
            path: tuple[str, ...] = ("a/a", "finetune", "b/b")
            for further in (("finetune",), ("a/a",), ("finetune",), ("b/b",)):
                place = table.rows.find(path)
                assert place is not None
                table.cursor = place
                await pilot.press("right")
                await settled(pilot)
                path += further
            assert table.rows.find(path) is not None, "round once, a step at a time"


async def test_the_license_is_the_strictest_of_the_lineage_with_its_text(hub: HubServer) -> None:
    async with running(on(hub, "me/Chat-8B-tuned"), (120, 44)) as (app, pilot):
        await pilot.press("5")
        await settled(pilot)
        text = shown(app)
        assert "◐ May I use it at work?" in text
        assert f"because of Llama 3.1 ({ORIGINAL})" in text
        assert "MIT" in text
        assert f"LICENSE of {ORIGINAL}" in text
        assert "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT" in text
        assert "not legal advice" in text


async def test_lineage_and_license_ask_for_each_base_once(hub: HubServer) -> None:
    async with running(on(hub, "me/Chat-8B-tuned"), SIZE) as (_, pilot):
        await pilot.press("5", "4", "3")
        await settled(pilot)
    asked = [one.target for one in hub.traffic.of(kind="info")]
    assert len(asked) == len(set(asked)) == 3 + 1, "each is looked up, and one is counted"


async def test_a_license_text_is_safe_and_a_missing_one_is_said() -> None:
    nasty = HubFile.of_text("LICENSE", "\x1b[31mred\x1b[0m [bold]x[/] \u202eevil\n")
    repos = [HubRepo("org/nasty", [nasty], card={"license": "mit"}), HubRepo("org/none")]
    with HubServer(repos) as hub:
        async with running(on(hub, "org/nasty"), SIZE) as (app, pilot):
            await pilot.press("5")
            await settled(pilot)
            assert "␛[31mred␛[0m [bold]x[/] <U+202E>evil" in shown(app)
        async with running(on(hub, "org/none"), SIZE) as (app, pilot):
            await pilot.press("5")
            await settled(pilot)
            assert "? May I use it at work?" in shown(app)
            assert "no repository of its lineage carries a license text" in shown(app)


async def test_a_gated_text_is_told_with_what_to_do() -> None:
    gated = HubRepo("org/gated", [HubFile.of_text("LICENSE", "...")], gated="manual")
    with HubServer([gated]) as hub:
        async with running(on(hub, "org/gated"), SIZE) as (app, pilot):
            await pilot.press("5")
            await settled(pilot)
            assert "the text cannot be read: ! " in shown(app)


async def test_the_tabs_fit_a_small_terminal(hub: HubServer) -> None:
    async with running(on(hub, "me/Chat-8B-tuned"), (80, 24)) as (app, pilot):
        for tab in "345":
            await pilot.press(tab)
            await settled(pilot)
            assert all(len(line) <= 80 for line in lines(app))
        assert "May I distil from it?" in shown(app)
