"""The Weights tab beyond the tree, and two models held against each other."""

import json
from pathlib import Path

import pytest

from explorer.hub.source import Listing
from explorer.ui.widgets.table import VirtualTable
from tests.ui.support import Shelf, running, safetensors, session, settled, shown
from tests.ui.test_model import CONFIG, files, layer


def pair() -> Shelf:
    wider = {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors": safetensors(
            {**layer(0), "lm_head.weight": (40, 8), "extra.weight": (3, 3)}
        ),
    }
    listings = (Listing("org/tiny", license="mit"), Listing("org/wide", license="mit"))
    return Shelf(listings, {"org/tiny": files(), "org/wide": wider})


async def test_the_picture_says_where_the_bytes_are() -> None:
    async with running(session(pair, model="org/tiny")) as (app, pilot):
        await pilot.press("2", "p")
        await settled(pilot)
        text = shown(app)
        assert "model.layers 0-1" in text
        assert "▓" in text
        assert "feed-forward" in text
        await pilot.press("e")
        await settled(pilot)
        assert "model.layers 0-1" not in shown(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "Module" in shown(app)


async def test_metadata_and_the_order_of_a_column_have_keys() -> None:
    async with running(session(pair, model="org/tiny"), (140, 36)) as (app, pilot):
        await pilot.press("2", "i")
        await settled(pilot)
        assert "(format)" in shown(app)
        await pilot.press("i", "s")
        await settled(pilot)
        await pilot.press("down", "down", "down", "down", "enter")
        await settled(pilot)
        assert "Params▾" in shown(app)
        assert len(app.screen.query_one("#tensors", VirtualTable).rows) == 16


async def test_what_is_shown_is_written_to_a_file_that_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(session(pair, model="org/tiny")) as (app, pilot):
        await pilot.press("2", "slash", *"k_proj", "enter")
        await settled(pilot)
        await pilot.press("x", "enter")
        await settled(pilot)
        path = tmp_path / "tiny.csv"
        assert len(path.read_text().splitlines()) == 3
        path.write_text("mine")
        await pilot.press("x", "enter")
        await settled(pilot)
        assert "is there already: enter again replaces it" in shown(app)
        assert path.read_text() == "mine"
        await pilot.press("enter")
        await settled(pilot)
        assert "k_proj" in path.read_text()


async def test_two_models_are_held_against_each_other() -> None:
    async with running(session(pair), (140, 36)) as (app, pilot):
        await pilot.press("space", "space")
        await settled(pilot)
        assert "2 marked: C compares them, d their tensors" in shown(app)
        await pilot.press("d")
        await settled(pilot)
        text = shown(app)
        assert "+ 1 added" in text
        assert "− 8 removed" in text
        assert "↔ 1 reshaped" in text
        assert "BF16 32×8" in text
        await pilot.press("s")
        await settled(pilot)
        assert "− 1 removed" in shown(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "◆" in shown(app)
