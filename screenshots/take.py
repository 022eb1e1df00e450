"""Takes the pictures that README shows: drives the real app on the bundled snapshot.

    python -m screenshots.take [FOLDER]

The machine, the date and the size of the terminal are fixed, so that pictures change only when the
app does.
"""

import asyncio
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from explorer.hardware.spec import parse_machine
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import ModelRef, Query, Source
from explorer.ui.app import WeightsApp
from explorer.ui.session import Session
from screenshots.family import DESCENDANT, ORIGINAL, TUNED, MadeUpHub, made_up_hub

SIZE = (120, 36)
MACHINE = "RTX 4090, 64 GB"
MOMENT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LISTED = Query(text="instruct", sort="downloads", task="text-generation")
PAIR = Query(text="author:Qwen Qwen3-8B params:8B", sort="downloads")
FILTERED = Query(text="params:7B..40B fits speed:>=30 license:commercial", sort="downloads")
COMPARED = Query(text="qwen3", sort="downloads", task="text-generation")
BLANK = "&#160;"
CELL_WIDTH = 12.2
"""Of one cell of the terminal, as the pictures are drawn."""
_FONT_FACE = re.compile(r"@font-face \{[^}]*\}\s*")
_TEXT = re.compile(
    r'(?P<begin><text[^>]*?) x="(?P<x>[\d.]+)"(?P<middle>[^>]*?) textLength="(?P<length>[\d.]+)"'
    r"(?P<end>[^>]*)>(?P<text>[^<]*)</text>"
)
RESTING = {"listing", "refining", "choosing"}
"""Workers that wait for the person to scroll."""
CALM = 5
"""Looks in a row at which nothing was under way."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: what is opened, and the keys that lead to it."""

    name: str
    model: str | None = None
    query: Query = field(default_factory=lambda: LISTED)
    keys: tuple[str, ...] = ()
    made_up: bool = False
    """Of the made-up hub: the snapshot knows next to nothing of lineage."""


PICTURES = (
    Picture("models", keys=("down",) * 5),
    Picture("model-fit", "Qwen/Qwen3-30B-A3B"),
    Picture("fit-vllm", "Qwen/Qwen3-30B-A3B", keys=("e", "w", "j")),
    Picture("enough", "Qwen/Qwen3-30B-A3B", keys=("x",)),
    Picture("compare", query=COMPARED, keys=("space", "down", "space", "C")),
    Picture("weights", "Qwen/Qwen3-30B-A3B", keys=("2", "G", "up", "enter")),
    Picture("weights-bytes", "black-forest-labs/FLUX.1-schnell", keys=("2", "p", *("down",) * 7)),
    Picture(
        "weights-quantized",
        "Qwen/Qwen3-8B-AWQ",
        keys=("2", "slash", *"layers.0.", "enter", *("down",) * 5),
    ),
    Picture("diff", query=PAIR, keys=("space", "space", "d")),
    Picture("models-filtered", query=FILTERED, keys=("down",) * 2),
    Picture("variants", ORIGINAL, keys=("3", "B"), made_up=True),
    Picture("lineage", TUNED, keys=("4",), made_up=True),
    Picture("license", DESCENDANT, keys=("5",), made_up=True),
    Picture("machine", keys=("m", "slash", *"rtx 50", "escape")),
)


async def take(picture: Picture, now: Callable[[], datetime] = lambda: MOMENT) -> str:
    """One picture as SVG."""
    if not picture.made_up:
        return await _drive(picture, lambda: Snapshot(now=now), now)
    with made_up_hub() as endpoint:
        return await _drive(picture, lambda: MadeUpHub(endpoint), now)


async def _drive(
    picture: Picture, open_source: Callable[[], Source], now: Callable[[], datetime]
) -> str:
    app = WeightsApp(
        Session(
            open_source=open_source,
            detect=lambda: replace(parse_machine(MACHINE), detected=True),
            query=picture.query,
            model=ModelRef(picture.model) if picture.model else None,
            now=now,
            pause_seconds=0.0,
        )
    )
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        for key in picture.keys:
            await pilot.press(key)
            await settle(pilot)
        return tidy(app.export_screenshot(title="weights"))


def tidy(svg: str) -> str:
    """The picture without web fonts, and with texts that begin where they are seen.

    Some viewers drop blanks at the beginning of a text, which would move what follows them.
    """
    return _TEXT.sub(_trimmed, _FONT_FACE.sub("", svg))


def _trimmed(found: re.Match[str]) -> str:
    """A text without the blanks around it, moved and shortened by their width."""
    text = found["text"].rstrip("\n")
    left = text.removeprefix(BLANK * _blanks(text))
    shown = left[: len(left) - len(BLANK) * _blanks(left[::-1], BLANK[::-1])]
    if not shown:
        return ""
    x = float(found["x"]) + CELL_WIDTH * _blanks(text)
    length = float(found["length"]) - CELL_WIDTH * ((len(text) - len(shown)) // len(BLANK))
    return f'{found["begin"]} x="{x:g}"{found["middle"]} textLength="{length:g}"{found["end"]}>{shown}</text>'


def _blanks(text: str, blank: str = BLANK) -> int:
    """How many blanks a text begins with."""
    count = 0
    while text.startswith(blank, count * len(blank)):
        count += 1
    return count


async def settle(pilot: Pilot[None]) -> None:
    """Wait until everything that was begun is on the screen: what ends may begin something else."""
    calm = 0
    for _ in range(400):
        await pilot.pause()
        busy = [worker for worker in pilot.app.workers if worker.group not in RESTING]
        calm = 0 if busy else calm + 1
        if calm == CALM:
            break
        if busy:
            with suppress(WorkerCancelled):
                await pilot.app.workers.wait_for_complete(busy)


async def take_all() -> dict[str, str]:
    """Every picture by its name."""
    return {picture.name: await take(picture) for picture in PICTURES}


def main(folder: Path) -> None:
    """Write every picture into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in asyncio.run(take_all()).items():
        path = folder / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
