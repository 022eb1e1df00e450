"""What is there again at the next start: filters, marks, the machine, and the models that are watched."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from textual.widgets import Input

from explorer.hub.source import Listing, Source
from explorer.ui.app import WeightsApp
from explorer.ui.screens.watched import WatchedScreen
from explorer.ui.session import Session
from explorer.ui.widgets.table import VirtualTable
from explorer.userfile import Seen, UserFile
from tests.ui.support import NOW, RTX_4090, Shelf, lines, machine, running, session, settled, shown

MODELS = tuple(
    Listing(
        f"org/model-{number}",
        sha=f"commit-{number}",
        parameters=number * 1_000_000_000,
        downloads=1000 * number,
        updated=NOW - timedelta(days=number),
        derived={"quantized": 10 * number},
    )
    for number in range(1, 6)
)


def at(path: Path, source: Callable[[], Source] = lambda: Shelf(MODELS)) -> Session:
    return replace(session(source), open_user_file=lambda: UserFile(path))


def told(path: Path) -> dict[str, object]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def row(app: WeightsApp, words: str) -> str:
    return next(line for line in lines(app) if words in line)


async def test_what_was_searched_and_marked_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "remembered.toml"
    async with running(at(path)) as (app, pilot):
        await pilot.press("slash", *"model", "enter")
        await settled(pilot)
        await pilot.press("space", "c")
        await settled(pilot)
        await pilot.press("down", "enter", "enter")
        await settled(pilot)
    assert told(path)["filters"] == "model"
    async with running(at(path)) as (app, _):
        assert app.screen.query_one("#search", Input).value == "model"
        assert "1 marked" in shown(app)
        assert "4K context" in lines(app)[0]
        assert app.remembered.recent == ("org/model-2",)


async def test_the_machine_chosen_last_is_judged_for_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "remembered.toml"
    async with running(at(path)) as (app, pilot):
        assert lines(app)[0].split("|")[0].split("  ")[-1].strip() == "RTX 4090 24.0 GiB"
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("slash", *"2x RTX 3090, 128 GB", "enter")
        await settled(pilot)
        assert "chosen: 2x RTX 3090 48.0 GiB" in lines(app)[0]
    assert told(path)["machine"] == "2x RTX 3090, 128 GB"
    assert told(path)["machines"] == ["2x RTX 3090, 128 GB"]
    async with running(at(path)) as (app, pilot):
        assert "chosen: 2x RTX 3090 48.0 GiB" in lines(app)[0]
        await pilot.press("m")
        await settled(pilot)
        assert "2x RTX 3090, 128 GB  kept, in use" in shown(app)
        await pilot.press("d")
        await settled(pilot)
        assert "chosen" not in lines(app)[0]
        assert app.machine == machine(RTX_4090)
    assert "machine" not in told(path)
    async with running(at(path)) as (app, pilot):
        assert app.machine == machine(RTX_4090)
        await pilot.press("m")
        await settled(pilot)
        await pilot.press("down", "x")
        await settled(pilot)
        assert "kept" not in shown(app)
    assert "machines" not in told(path)


async def test_a_machine_named_at_the_start_goes_before_the_one_remembered(tmp_path: Path) -> None:
    path = tmp_path / "remembered.toml"
    path.write_text('machine = "A100 80GB"\n')
    named = replace(at(path), machine=machine("RTX 3060 12GB"))
    async with running(named) as (app, _):
        assert "RTX 3060" in lines(app)[0]


async def test_a_machine_that_is_not_known_any_more_is_told_and_this_one_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "remembered.toml"
    path.write_text('machine = "toaster"\nmachines = ["toaster", "RTX 3060 12GB"]\n')
    async with running(at(path)) as (app, pilot):
        assert app.machine == machine(RTX_4090)
        assert any("toaster" in one.message for one in app._notifications)
        await pilot.press("m")
        await settled(pilot)
        assert "RTX 3060 12GB  kept" in shown(app)
        assert "toaster" not in shown(app).split("toaster”")[0]


async def test_a_watched_model_has_a_star_here_and_in_its_screen(tmp_path: Path) -> None:
    path = tmp_path / "remembered.toml"
    async with running(at(path)) as (app, pilot):
        await pilot.press("asterisk")
        await settled(pilot)
        assert "org/model-1 ★" in shown(app)
        await pilot.press("asterisk")
        await settled(pilot)
        assert "★" not in shown(app)
        await pilot.press("down", "enter")
        await settled(pilot)
        await pilot.press("asterisk")
        await settled(pilot)
        assert "★ org/model-2" in shown(app)
    assert told(path)["watched"] == ["org/model-2"]
    assert told(path)["seen"] == {
        "org/model-2": {
            "at": NOW,
            "commit": "commit-2",
            "updated": MODELS[1].updated,
            "downloads": 2000,
            "quantizations": 20,
        }
    }


def watching(path: Path) -> Session:
    """Two models were watched; since then one got a commit and quantizations, the other nothing."""
    two, three = MODELS[1:3]
    before = NOW - timedelta(days=9)
    UserFile(path).change(
        lambda now: (
            now.watch(two.id)
            .watch(three.id)
            .watch("org/gone")
            .look(two.id, Seen(before, "older", None, 1500, 17))
            .look(three.id, Seen(before, three.sha, three.updated, three.downloads, 30))
        )
    )
    return at(path)


async def test_the_watch_list_tells_what_changed_since_it_was_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "remembered.toml"
    async with running(watching(path)) as (app, pilot):
        assert "org/model-2 ★ new" in shown(app)
        assert "org/model-3 ★ " in shown(app) + " "
        await pilot.press("W")
        await settled(pilot)
        assert isinstance(app.screen, WatchedScreen)
        changed = row(app, "org/model-2")
        assert "new commit, +3 quantizations, +500 downloads" in changed
        assert "9 d" in changed
        assert "nothing new" in row(app, "org/model-3")
        assert "! org/gone is not on the shelf" in row(app, "org/gone")
        assert "3 watched, 1 with something new" in shown(app)
        await pilot.press("W")
        assert len(app.screen_stack) == 2
        await pilot.press("s")
        await settled(pilot)
        assert "nothing new" in row(app, "org/model-2")
        assert "3 watched, nothing new" in shown(app)
        await pilot.press("end", "asterisk")
        await settled(pilot)
        assert "org/gone" not in shown(app)
        await pilot.press("escape")
        assert "★ new" not in shown(app)
    assert told(path)["watched"] == ["org/model-2", "org/model-3"]


async def test_opening_a_watched_model_counts_as_looking_at_it(tmp_path: Path) -> None:
    path = tmp_path / "remembered.toml"
    files = {"org/model-2": {"config.json": b"{}"}}
    given = replace(watching(path), open_source=lambda: Shelf(MODELS, files))
    async with running(given) as (app, pilot):
        await pilot.press("W")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert "new commit" not in shown(app)
        assert app.remembered.seen["org/model-2"].quantizations == 20


async def test_an_empty_watch_list_says_how_to_fill_it(tmp_path: Path) -> None:
    async with running(at(tmp_path / "remembered.toml"), (80, 24)) as (app, pilot):
        await pilot.press("W")
        await settled(pilot)
        assert "no model is watched: * in the listing watches one" in shown(app)
        for size in [(200, 60), (40, 10), (2, 2), (80, 24)]:
            await pilot.resize_terminal(*size)
            await settled(pilot)
            assert all(len(line) <= size[0] for line in lines(app))
        assert app.screen.query_one(VirtualTable).cursor == 0
