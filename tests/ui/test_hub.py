"""The app on a loopback hub: pages, limits, faults and strangers, as a person meets them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from textual.pilot import Pilot

from explorer.hub.huggingface import HuggingFace
from explorer.hub.source import Query, Source
from explorer.hub.store import Store
from explorer.hub.stored import Stored
from explorer.ui.app import WeightsApp
from explorer.ui.screens.diff import DiffScreen
from explorer.ui.screens.model import ModelScreen
from explorer.ui.screens.models import ModelsScreen
from explorer.ui.session import Session
from explorer.ui.widgets.status import Status
from explorer.ui.widgets.table import VirtualTable
from tests.hub import Fault, HubFile, HubRepo, HubServer
from tests.hub.builder import generate_listing, llama_like, real_files
from tests.hub_sources.conftest import clean_surroundings
from tests.ui.support import NOW, lines, machine, running, settled, shown

__all__ = ["clean_surroundings"]

LLAMA = llama_like(
    "acme/Llama-8B", layers=4, hidden=4096, intermediate=14336, vocabulary=128256, heads=32,
    kv_heads=8, context=131072, shards=3, trending=9000,
)  # fmt: skip
GATED = llama_like("acme/Gated", gated="manual", trending=8000)
BROKEN = real_files("acme/Broken", {"config.json": b"[1", "model.safetensors": b"\xff" * 64})
HOSTILE = HubRepo("acme/[red]x[-]", [HubFile.of_text("README.md", "hi")], trending=7000)


@pytest.fixture(name="hub")
def running_hub() -> Iterator[HubServer]:
    with HubServer([LLAMA, GATED, BROKEN, HOSTILE, *generate_listing(600)]) as hub:
        yield hub


def on_hub(hub: HubServer, folder: Path, *, heals: bool = True) -> Session:
    """A session whose waiting takes no time: its clock jumps, and the hub is well again unless told."""

    def open_source() -> Source:
        source = HuggingFace(
            hub.endpoint, token="", pause=pause, monotonic=lambda: monotonic() + sum(waited)
        )
        return Stored(source, Store(folder), scope=source.endpoint)

    async def pause(seconds: float) -> None:
        waited.append(seconds)
        if heals:
            hub.heal()
        await asyncio.sleep(0)

    waited: list[float] = []
    return Session(
        open_source=open_source,
        detect=machine,
        query=Query(),
        now=lambda: NOW,
        pause=pause,
        pause_seconds=0.0,
    )


def screen_of(app: WeightsApp) -> ModelsScreen:
    screen = app.screen_stack[0]
    assert isinstance(screen, ModelsScreen)
    return screen


async def opened(app: WeightsApp, pilot: Pilot[None], words: str) -> None:
    """Search for a model by its name and open it."""
    await pilot.press("slash", *words, "enter")
    await settled(pilot)
    await pilot.press("enter")
    await settled(pilot)
    assert isinstance(app.screen, ModelScreen)


async def test_pages_come_as_they_are_scrolled_to_and_rows_in_view_become_exact(
    hub: HubServer, tmp_path: Path
) -> None:
    async with running(on_hub(hub, tmp_path), (120, 24)) as (app, pilot):
        row = next(line for line in shown(app).splitlines() if "acme/Llama-8B" in line)
        assert "≈" not in row
        assert "128K" in row
        before = len(screen_of(app).listed.rows)
        await pilot.press("end")
        await settled(pilot)
        assert len(screen_of(app).listed.rows) > before
        assert screen_of(app).query_one("#models", VirtualTable).cursor == before - 1


async def test_what_is_typed_over_asks_the_hub_once(hub: HubServer, tmp_path: Path) -> None:
    async with running(on_hub(hub, tmp_path)) as (app, pilot):
        hub.traffic.clear()
        await pilot.press("slash", *"Model-17-")
        await settled(pilot)
        assert [row.id for row in screen_of(app).listed.rows] == ["org-17/Model-17-8B"]


async def test_filters_are_typed_counted_and_can_be_stopped(hub: HubServer, tmp_path: Path) -> None:
    async with running(on_hub(hub, tmp_path), (120, 24)) as (app, pilot):
        await pilot.press("slash", *"speed:>=150 fits", "enter")
        await settled(pilot)
        rows = screen_of(app).listed.rows
        assert rows
        assert all((row.parameters or 0) < 2_000_000_000 for row in rows)
        assert "looked at" in shown(app)
        assert "fits fits" in shown(app)
        await pilot.press("slash", *" nonsense:", "enter")
        await settled(pilot)
        assert "! “nonsense:” is not a filter" in shown(app)


async def test_a_limit_is_waited_for_and_nothing_is_lost(hub: HubServer, tmp_path: Path) -> None:
    async with running(on_hub(hub, tmp_path)) as (app, pilot):
        before = screen_of(app).listed.rows
        hub.inject(Fault(path="/api/models", status=429, retry_after_seconds=600))
        await pilot.press("end")
        await settled(pilot)
        after = screen_of(app).listed.rows
        assert after[: len(before)] == before
        assert len(after) > len(before)
        assert screen_of(app).listed.error is None


def told(app: WeightsApp) -> str:
    """What the status line says, on as many lines as it takes."""
    return "\n".join(lines(app)[app.screen.query_one(Status).region.y : -1])


async def test_a_hub_that_goes_away_leaves_the_rows(hub: HubServer, tmp_path: Path) -> None:
    async with running(on_hub(hub, tmp_path, heals=False)) as (app, pilot):
        before = screen_of(app).listed.rows
        hub.inject(Fault(path="/api/models*", drop_after_bytes=0))
        await pilot.press("end")
        await settled(pilot)
        assert screen_of(app).listed.rows == before
        assert "! " in told(app)
        hub.heal()
        await pilot.press("r")
        await settled(pilot)
        assert screen_of(app).listed.error is None


async def test_a_gated_model_says_what_to_do(hub: HubServer, tmp_path: Path) -> None:
    async with running(on_hub(hub, tmp_path)) as (app, pilot):
        await opened(app, pilot, "acme/Gated")
        assert "gated" in told(app)
        assert "HF_TOKEN" in told(app)  # what to do about it is never cut


async def test_malformed_weights_are_named(hub: HubServer, tmp_path: Path) -> None:
    async with running(on_hub(hub, tmp_path)) as (app, pilot):
        await opened(app, pilot, "acme/Broken")
        assert "! " in told(app)
        await pilot.press("2")
        await settled(pilot)
        assert "R reads them again" in shown(app)


async def test_shards_that_fail_are_read_again(hub: HubServer, tmp_path: Path) -> None:
    hub.inject(Fault(path="*model-00002-of-00003.safetensors", status=404))
    hub.inject(Fault(path="*safetensors-metadata*", status=404))
    async with running(on_hub(hub, tmp_path), (120, 36)) as (app, pilot):
        await opened(app, pilot, "acme/Llama-8B")
        await pilot.press("2")
        await settled(pilot)
        assert "1 file failed: R to retry" in shown(app)
        hub.heal()
        await pilot.press("R")
        await settled(pilot)
        assert "failed" not in shown(app)
        assert "[0-3]  × 4" in shown(app)


async def test_strange_names_are_shown_as_they_are(hub: HubServer, tmp_path: Path) -> None:
    async with running(on_hub(hub, tmp_path)) as (app, _):
        assert "acme/[red]x[-]" in shown(app)


async def test_the_marked_model_is_held_against_the_one_under_the_cursor(
    hub: HubServer, tmp_path: Path
) -> None:
    async with running(on_hub(hub, tmp_path), (140, 36)) as (app, pilot):
        await pilot.press("space")
        assert "◆" in shown(app)
        assert "1 marked" in shown(app)
        await pilot.press("d")
        await settled(pilot)
        assert isinstance(app.screen, DiffScreen)
