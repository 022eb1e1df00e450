"""Whole screens as text, so that a change of what a person sees shows up as a difference to read.

``SNAPSHOTS=write pytest tests/ui/test_snapshots.py`` writes them anew.
"""

import os
from pathlib import Path

import pytest

from explorer.hub.source import Query
from tests.ui.support import lines, painted, running, session, settled

FOLDER = Path(__file__).parent / "snapshots"
SCREENS = {
    "models-80x24": ((80, 24), None, ()),
    "models-120x36": ((120, 36), None, ()),
    "models-200x30": ((200, 30), None, ()),
    "models-40x10": ((40, 10), None, ()),
    "fit-80x24": ((80, 24), "Qwen/Qwen3-30B-A3B", ()),
    "fit-120x36": ((120, 36), "Qwen/Qwen3-30B-A3B", ()),
    "fit-160x45": ((160, 45), "Qwen/Qwen3-30B-A3B", ("e",)),
    "enough-120x36": ((120, 36), "Qwen/Qwen3-30B-A3B", ("x",)),
    "why-120x44": ((120, 44), "Qwen/Qwen3-8B", ("w",)),
    "weights-80x24": ((80, 24), "Qwen/Qwen3-30B-A3B", ("2",)),
    "weights-120x36": ((120, 36), "openai/gpt-oss-20b", ("2",)),
    "files-80x24": ((80, 24), "Qwen/Qwen3-30B-A3B", ("6",)),
    "machine-80x24": ((80, 24), None, ("m",)),
    "machine-120x30": ((120, 30), None, ("m",)),
    "context-80x24": ((80, 24), None, ("c",)),
}


@pytest.mark.parametrize("name", SCREENS)
async def test_a_screen_looks_as_it_did(name: str) -> None:
    size, model, keys = SCREENS[name]
    async with running(session(model=model, query=Query(sort="downloads")), size) as (app, pilot):
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        await painted(app, pilot)
        screen = "\n".join(lines(app)) + "\n"
    path = FOLDER / f"{name}.txt"
    if os.environ.get("SNAPSHOTS") == "write":
        path.write_text(screen, encoding="utf-8")
    assert screen == path.read_text(encoding="utf-8")
