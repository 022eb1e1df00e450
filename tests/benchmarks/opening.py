"""The UI opens a model of 150,000 tensors in 160 shards: until all are shown, and how long it stood still.

    python -m tests.benchmarks.opening [TAB]

The app runs in a process of its own against a loopback hub in this one, without latency, with TAB in front
(``weights`` if not said). A stall is a time in which the event loop, which paints, had no turn. Beside the
clock stands the processor's time, which another program on the machine does not lengthen. Nothing is
asserted: times are for people.
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

from explorer.cli import collect_rarely
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


async def watch(stalls: list[float]) -> None:
    """Ask for a turn every millisecond and note how late it comes; until cancelled."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        stalls.append(time.perf_counter() - asked - TICK_SECONDS)


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
    stalls: list[float] = []
    shown = asyncio.Event()

    def look(message: Message) -> None:
        if isinstance(message, WeightsTab.Arranged) and len(message.shown.table.rows) == TENSORS:
            shown.set()

    async with app.run_test(size=(160, 50), message_hook=look) as pilot:
        began, processor = time.perf_counter(), time.process_time()
        await pilot.press({"weights": "2", "fit": "1"}[tab])
        watching = asyncio.create_task(watch(stalls))
        await shown.wait()
        await pilot.pause()
        seconds = time.perf_counter() - began
        busy = time.process_time() - processor
        watching.cancel()
        gc.collect()
        resident = psutil.Process().memory_info().rss / 1e6
    late = [stall for stall in stalls if stall > FRAME_SECONDS]
    print(
        f"  {seconds:6.2f} s{busy:7.2f} s cpu{1000 * max(stalls):8.1f} ms longest stall"
        f"{len(late):5} over a frame ({sum(late):5.2f} s){resident:8.0f} MB"
    )


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
        asyncio.run(opened(sys.argv[2]))
    else:
        main(*(sys.argv[1:] or ["weights"]))
