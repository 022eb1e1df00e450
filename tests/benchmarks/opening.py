"""The UI opens a model of 150,000 tensors in 160 shards: until all are shown, and how long it stood still.

    python -m tests.benchmarks.opening [TAB]

The app runs in a process of its own against a loopback hub in this one, without latency, with TAB in front
(``weights`` if not said). A stall is a time in which the event loop, which paints, had no turn. Beside the
clock stands what the process had of the processor meanwhile, all threads together, which other programs
on the machine do not lengthen. The screen itself takes about 0.9 s of that. Nothing is asserted: times are
for people.
"""

import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import time

import psutil
from textual.message import Message

from explorer.cli.running import collect_rarely, give_way_often
from explorer.hardware.spec import parse_machine
from explorer.hub.options import open_source
from explorer.hub.source import ModelRef, Source
from explorer.ui.app import WeightsApp
from explorer.ui.session import Session
from explorer.ui.tabs.weights import WeightsTab
from tests.benchmarks.checkpoint import NAME, large
from tests.hub import HubServer

TENSORS, SHARDS = 150_000, 160
FRAME_SECONDS = 1 / 60
TICK_SECONDS = 0.001
RUNS = 3


class Stalls:
    """How long an event loop was busy with one thing, each time that was longer than a frame."""

    def __init__(self) -> None:
        self.clock: list[float] = []
        self.processor: list[float] = []

    async def watch(self) -> None:
        """Ask for a turn every millisecond and note how late it comes; until cancelled."""
        while True:
            asked, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(TICK_SECONDS)
            late = time.perf_counter() - asked - TICK_SECONDS
            busy = min(late, time.process_time() - used)
            for found, seconds in ((self.clock, late), (self.processor, busy)):
                if seconds > FRAME_SECONDS:
                    found.append(seconds)


async def opened(tab: str) -> None:
    """Open the model and print what it took until all of it was shown."""

    def source() -> Source:
        return open_source("hub")

    session = Session(
        open_source=source,
        detect=lambda: parse_machine("RTX 4090, 64 GB"),
        model=ModelRef(NAME),
    )
    app = WeightsApp(session)
    app.animation_level = "none"
    stalls = Stalls()
    shown = asyncio.Event()

    def look(message: Message) -> None:
        if isinstance(message, WeightsTab.Arranged) and len(message.shown.table.rows) == TENSORS:
            shown.set()

    async with app.run_test(size=(160, 50), message_hook=look) as pilot:
        began, processor = time.perf_counter(), time.process_time()
        await pilot.press({"weights": "2", "fit": "1"}[tab])
        watching = asyncio.create_task(stalls.watch())
        await shown.wait()
        await pilot.pause()
        seconds = time.perf_counter() - began
        busy = time.process_time() - processor
        watching.cancel()
        gc.collect()
        resident = psutil.Process().memory_info().rss / 1e6
    print(
        f"  {seconds:6.2f} s{busy:6.2f} s cpu{resident:6.0f} MB; stalls over a frame: "
        f"{_told(stalls.clock)} by the clock, {_told(stalls.processor)} of the processor"
    )


def _told(stalls: list[float]) -> str:
    longest = 1000 * max(stalls, default=0.0)
    return f"{len(stalls)} (longest {longest:.0f} ms)"


def main(tab: str) -> None:
    """Open it a few times without a store, then with what was stored."""
    command = [sys.executable, "-m", "tests.benchmarks.opening", "open", tab]
    model = large(TENSORS, SHARDS)
    with HubServer([model]) as hub, tempfile.TemporaryDirectory() as folder:
        print(f"{TENSORS:,} tensors in {SHARDS} shards, {tab} in front")
        for run in range(RUNS):
            cache = f"{folder}/{run}"
            for _ in ("first", "again"):
                variables = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": cache, "WEIGHTS_CACHE": cache}
                subprocess.run(command, env={**os.environ, **variables}, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["open"]:
        collect_rarely()
        give_way_often()
        asyncio.run(opened(sys.argv[2]))
    else:
        main(*(sys.argv[1:] or ["weights"]))
