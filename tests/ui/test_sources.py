"""Marks of several sources: a model on disk held against a remote one, each read where it was found."""

from dataclasses import replace
from pathlib import Path

from textual.pilot import Pilot

from explorer.hub.local import Local
from explorer.hub.source import ModelRef
from explorer.ui.screens.model import ModelScreen
from explorer.ui.session import Session
from explorer.ui.sources import FIRST, Sources
from tests.ui.support import Shelf, running, safetensors, session, settled, shown
from tests.ui.test_explorer import pair
from tests.ui.test_model import CONFIG, layer

DISK = "This machine"


def folder(path: Path) -> Path:
    """A model on disk that has what ``org/tiny`` has but for a layer, and the same file once more."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(str(CONFIG).replace("'", '"'))
    (path / "model.safetensors").write_bytes(safetensors({**layer(0), "lm_head.weight": (32, 8)}))
    return path


def both(tmp_path: Path) -> Session:
    """The shelf is listed first; the disk is another source."""

    def disk() -> Local:
        return Local((tmp_path / "disk",), home=tmp_path, environment={})

    return replace(session(pair), sources={"Shelf": pair, DISK: disk}, local=DISK)


async def _list_from_disk(pilot: Pilot[None]) -> None:
    await pilot.press("S")
    await settled(pilot)
    await pilot.press("down", "enter")
    await settled(pilot)


async def test_a_remote_model_is_held_against_one_on_disk(tmp_path: Path) -> None:
    path = folder(tmp_path / "disk" / "mine")
    async with running(both(tmp_path), (160, 36)) as (app, pilot):
        await pilot.press("space")
        await settled(pilot)
        await _list_from_disk(pilot)
        assert "mine" in shown(app)
        await pilot.press("space", "d")
        await settled(pilot)
        text = shown(app)
        assert "org/tiny" in text
        assert str(path)[:20] in text
        assert "8 tensors agree" in text
        assert "− 8 removed" in text
        await pilot.press("1")
        await settled(pilot)
        assert isinstance(app.screen, ModelScreen)
        assert app.screen.source_title == "Shelf"
        assert app.screen.model is not None
        await pilot.press("escape", "escape", "C")
        await settled(pilot)
        text = shown(app)
        assert "1.66 K" in text
        assert "832" in text


async def test_what_was_marked_before_is_looked_for_where_its_name_can_be_known(
    tmp_path: Path,
) -> None:
    asked = Sources(pair, {DISK: Shelf}, DISK)
    on_disk, remote = ModelRef(str(tmp_path / "mine")), ModelRef("org/tiny")
    assert (asked.home(on_disk), asked.home(remote)) == (DISK, FIRST)
    asked.listed = DISK
    assert (asked.home(on_disk), asked.home(remote)) == (DISK, FIRST)
    asked.mark(remote)
    asked.listed = FIRST
    assert asked.home(remote) == DISK
    assert asked.knowing(remote) == FIRST
    assert await asked.of(on_disk) is await asked.open(DISK)
    begun_on_disk = Sources(lambda: Local(home=tmp_path, environment={}), {DISK: Shelf}, DISK)
    await begun_on_disk.open(FIRST)
    assert begun_on_disk.knowing(on_disk) == FIRST


async def test_a_file_that_two_models_on_disk_share_is_named(tmp_path: Path) -> None:
    blob = tmp_path / ".ollama/models/blobs" / f"sha256-{'ab' * 32}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(safetensors({**layer(0), "lm_head.weight": (32, 8)}))
    for name in ("one", "two"):
        place = tmp_path / "disk" / name
        place.mkdir(parents=True)
        (place / "model.safetensors").symlink_to(blob)
    async with running(both(tmp_path), (160, 36)) as (app, pilot):
        await _list_from_disk(pilot)
        assert f"as {tmp_path / 'disk' / 'two'}" in shown(app)
        await pilot.press("enter", "6")
        await settled(pilot)
        assert "the same " in shown(app)
        assert "two (model.safetensors)" in shown(app)
