"""The Model screen: the map, the tensors, the files and the card of one model."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

import pytest
from textual.pilot import Pilot
from textual.widgets import TabbedContent

from explorer.errors import ModelNotFound, Unreachable
from explorer.fit.values import Scenario, Verdict
from explorer.hub.source import Listing, ModelRef, Repo
from explorer.ui.screens.model import ModelScreen
from explorer.ui.screens.models import ModelsScreen
from explorer.ui.tabs.fit import FitTab
from explorer.ui.widgets.heatmap import HeatMap
from explorer.ui.widgets.status import Status
from explorer.ui.widgets.table import VirtualTable
from tests.ui.support import (
    PATIENCE_SECONDS,
    Shelf,
    lines,
    running,
    safetensors,
    session,
    settled,
    shown,
)

QWEN = "Qwen/Qwen3-8B"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 16,
    "vocab_size": 32,
    "max_position_embeddings": 8192,
}


def layer(number: int) -> dict[str, tuple[int, ...]]:
    prefix = f"model.layers.{number}"
    return {
        f"{prefix}.self_attn.q_proj.weight": (8, 8),
        f"{prefix}.self_attn.k_proj.weight": (4, 8),
        f"{prefix}.self_attn.v_proj.weight": (4, 8),
        f"{prefix}.self_attn.o_proj.weight": (8, 8),
        f"{prefix}.mlp.gate_proj.weight": (16, 8),
        f"{prefix}.mlp.up_proj.weight": (16, 8),
        f"{prefix}.mlp.down_proj.weight": (8, 16),
    }


def files() -> Mapping[str, bytes]:
    ends: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (32, 8),
        "lm_head.weight": (32, 8),
    }
    return {
        "README.md": b"# Tiny\n\n![logo](https://x.example/l.png)\n\n[site](https://x.example)",
        "config.json": json.dumps(CONFIG).encode(),
        "model-00001-of-00002.safetensors": safetensors({**ends, **layer(0)}),
        "model-00002-of-00002.safetensors": safetensors(layer(1)),
    }


@dataclass
class Slow(Shelf):
    """Lists at once, and looks models up when it is told to."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def repo(self, ref: ModelRef) -> Repo:
        await self.opened.wait()
        return await super().repo(ref)


async def until(pilot: Pilot[None], text: str) -> None:
    deadline = monotonic() + PATIENCE_SECONDS
    while text not in shown(pilot.app):
        await pilot.pause()
        assert monotonic() < deadline, f"“{text}” never shows"


async def test_what_the_list_knows_stands_there_until_the_model_is_read() -> None:
    listing = Listing("org/tiny", license="mit", parameters=2144, config=CONFIG)
    source = Slow((listing,), {"org/tiny": files()})
    async with running(session(lambda: source), (120, 36)) as (app, pilot):
        app.screen.query_one("#models", VirtualTable).action_select()
        await until(pilot, "looking the model up")
        await until(pilot, "(from the list)  fits")
        text = shown(app)
        assert "2.14 K parameters" in text
        assert "8K context  ·  MIT" in text
        assert "● BF16  at 8K context  ≈" in text
        app.scenario = Scenario(None, 4096)
        await until(pilot, "4K context")
        assert "from the list" not in shown(app), "it was judged for another context"
        source.opened.set()
        await settled(pilot)
        assert app.screen.query_one(FitTab).cell is not None


def shelf() -> Shelf:
    return Shelf((Listing("org/tiny", license="mit"),), {"org/tiny": files()})


async def test_enter_opens_the_row_and_escape_comes_back_to_it() -> None:
    async with running(session(shelf)) as (app, pilot):
        await pilot.press("enter")
        await settled(pilot)
        assert "org/tiny  ·  1.66 K parameters" in shown(app)
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, ModelsScreen)
        assert "▌ org/tiny" in shown(app)


async def test_the_map_shows_every_quantization_and_explains_the_cell_under_the_cursor() -> None:
    async with running(session(model=QWEN), (120, 44)) as (app, pilot):
        text = shown(app)
        assert "Qwen/Qwen3-8B  ·  8.19 B parameters" in text
        assert "BF16" in text
        assert "Q4_K_M" in text
        tab = app.screen.query_one(FitTab)
        assert tab.grid is not None
        assert {answer.verdict for row in tab.grid.cells for answer in row} <= set(Verdict)
        await pilot.press("down", "right", "w")
        await settled(pilot)
        assert "● Q8_0  at 16K context" in shown(app)
        assert "KV cache" in shown(app)
        assert "free" in shown(app)


async def test_another_machine_is_judged_for_at_once() -> None:
    async with running(session(model="Qwen/Qwen3-30B-A3B"), (120, 44)) as (app, pilot):
        before = shown(app)
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"cpu 32GB", "enter")
        await settled(pilot)
        assert isinstance(app.screen, ModelScreen)
        assert "CPU" in lines(app)[0]
        assert shown(app) != before


async def test_the_tree_folds_equal_layers_and_opens_on_enter() -> None:
    async with running(session(shelf, model="org/tiny")) as (app, pilot):
        await pilot.press("2")
        await settled(pilot)
        text = shown(app)
        assert "16 tensors  ·  1.66 K parameters" in text
        assert "[0-1]  × 2" in text
        assert "lm_head.weight" in text
        table = app.screen.query_one("#tensors", VirtualTable)
        found = next(i for i in range(len(table.rows)) if "[0-1]" in str(table.rows.key(i)))
        table.cursor = found
        assert "▾ self_attn" in shown(app)
        await pilot.press("enter")
        await settled(pilot)
        assert "self_attn" not in shown(app)
        await pilot.press("e")
        await settled(pilot)
        assert "▸ 0 " in shown(app)
        assert "▸ 1 " in shown(app)
        await pilot.press("left")
        await settled(pilot)
        assert "▸ 1 " not in shown(app)


async def test_the_filter_narrows_as_it_is_typed_and_escape_clears_it() -> None:
    async with running(session(shelf, model="org/tiny")) as (app, pilot):
        await pilot.press("2", "slash", *"k_proj")
        await settled(pilot)
        assert "2 of 16 tensors" in shown(app)
        assert "k_proj.weight" in shown(app)
        await pilot.press(*"zzz")
        await settled(pilot)
        assert "no tensor matches “k_projzzz”" in shown(app)
        await pilot.press("escape", "escape")
        await settled(pilot)
        assert "16 tensors  ·" in shown(app)


async def test_the_table_sorts_by_any_column() -> None:
    async with running(session(shelf, model="org/tiny"), (140, 40)) as (app, pilot):
        await pilot.press("2", "v")
        await settled(pilot)
        table = app.screen.query_one("#tensors", VirtualTable)
        assert len(table.rows) == 16
        place = next(p for p in table.placed if p.column.key == "parameters")
        await pilot.click("#tensors", offset=(place.x + 4, 0))
        await settled(pilot)
        assert "Params▾" in shown(app)
        first = table.render_line(1).text
        assert "32 × 8" in first


async def test_a_failed_shard_leaves_the_others_and_can_be_read_again() -> None:
    source = shelf()
    source.failing = {"model-00002-of-00002.safetensors"}
    async with running(session(lambda: source, model="org/tiny")) as (app, pilot):
        text = shown(app)
        assert "! model-00002-of-00002.safetensors cannot be read - try again" in text
        assert "1 of 2 headers could not be read: R reads them again" in text
        await pilot.press("2")
        await settled(pilot)
        assert "9 tensors" in shown(app)
        assert "1 file failed: R to retry" in shown(app)
        assert "in 8 tensors" in shown(app)
        source.failing = set()
        await pilot.press("R")
        await settled(pilot)
        assert "16 tensors" in shown(app)
        assert "in 15 tensors" in shown(app)
        assert "!" not in lines(app)[-2]


async def test_files_are_listed_with_their_part() -> None:
    async with running(session(shelf, model="org/tiny")) as (app, pilot):
        await pilot.press("6")
        await settled(pilot)
        assert "4 files" in shown(app)
        assert "model-00002-of-00002.safetensors" in shown(app)
        await pilot.click("#files", offset=(4, 0))
        await settled(pilot)
        assert "File▾" in shown(app)


async def test_the_card_is_fetched_when_it_is_looked_at_and_pictures_are_named() -> None:
    async with running(session(shelf, model="org/tiny")) as (app, pilot):
        await pilot.press("7")
        await settled(pilot)
        assert "Tiny" in shown(app)
        assert "(image: logo)" in shown(app)


async def test_a_model_that_is_not_there_is_told_and_escape_goes_back() -> None:
    async with running(session(shelf, model="org/tyny")) as (app, pilot):
        assert "! org/tyny is not on the shelf - check the spelling" in shown(app)
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, ModelsScreen)


async def test_a_model_can_be_tried_again_when_the_network_is_back() -> None:
    source = shelf()
    source.error = Unreachable("the hub does not answer", hint="check the network")
    async with running(session(lambda: source, model="org/tiny")) as (app, pilot):
        assert "! the hub does not answer - check the network" in shown(app)
        source.error = None
        await pilot.press("R")
        await settled(pilot)
        assert "1.66 K parameters" in shown(app)


async def test_malformed_weights_and_config_are_told() -> None:
    broken = {"config.json": b"[1", "model.safetensors": b"\xff" * 100}
    source = Shelf(files={"org/broken": broken})
    async with running(session(lambda: source, model="org/broken")) as (app, pilot):
        assert lines(app)[app.screen.query_one(Status).region.y].startswith("  ! ")
        for tab in "2345671":
            await pilot.press(tab)
            await settled(pilot)
        assert isinstance(app.screen, ModelScreen)


async def test_a_model_without_weights_says_so() -> None:
    source = Shelf(files={"org/empty": {"README.md": b"hi"}})
    async with running(session(lambda: source, model="org/empty")) as (app, _):
        assert "no weight files that can be read" in shown(app)


async def test_every_tab_fits_every_terminal() -> None:
    async with running(session(shelf, model="org/tiny"), (80, 24)) as (app, pilot):
        for tab in "1234567":
            await pilot.press(tab)
            for size in [(200, 60), (40, 10), (3, 2), (80, 24)]:
                await pilot.resize_terminal(*size)
                await settled(pilot)
                assert all(len(line) <= size[0] for line in lines(app))
        assert app.screen.query_one(TabbedContent).active == "card"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("5", "the snapshot holds no license texts"),
        ("6", "the hub may have more"),
        ("7", "the snapshot holds no cards"),
    ],
)
async def test_what_a_snapshot_leaves_out_is_not_said_to_be_missing(key: str, said: str) -> None:
    async with running(session(model="Qwen/Qwen3-8B"), (120, 40)) as (app, pilot):
        await pilot.press(key)
        await settled(pilot)
        assert said in shown(app)


@pytest.mark.parametrize(("cells", "told"), [
    (120, "Qwen/Qwen3-30B-A3B  ·  30.5 B parameters, 3.35 B active  ·  BF16  ·  61.06 GB"),
    (80, "Qwen/Qwen3-30B-A3B · 30.5 B, 3.35 B active · 40K context · Apache-2.0"),
    (60, "Qwen/Qwen3-30B-A3B · 30.5 B · 40K context · Apache-2.0"),
])  # fmt: skip
async def test_the_model_in_a_line_never_loses_its_context_and_license(
    cells: int, told: str
) -> None:
    async with running(session(model="Qwen/Qwen3-30B-A3B"), (cells, 40)) as (app, _):
        [line] = [line.strip() for line in lines(app)[:4] if "Qwen3-30B-A3B" in line]
        assert line.startswith(told)
        assert line.endswith("Apache-2.0")


async def test_a_model_that_is_not_there_says_so_in_place_of_its_tabs() -> None:
    async with running(session(model="nobody/none"), (80, 24)) as (app, pilot):
        assert "look it up on the hub when there is a network" in shown(app)
        assert "R tries again, esc goes back" in shown(app)
        assert "Lineage" not in shown(app)
        await pilot.press("R")
        await settled(pilot)
        assert "R tries again, esc goes back" in shown(app)


async def test_a_model_that_is_there_on_the_second_try_takes_the_keys() -> None:
    source = shelf()
    source.error = ModelNotFound("org/tiny is not on the shelf")
    async with running(session(lambda: source, model="org/tiny"), (80, 24)) as (app, pilot):
        assert "R tries again, esc goes back" in shown(app)
        source.error = None
        await pilot.press("R")
        await settled(pilot)
        assert "R tries again" not in shown(app)
        assert isinstance(app.focused, HeatMap)
