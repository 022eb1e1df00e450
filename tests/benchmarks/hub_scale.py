"""The listing at the scale of a hub: ``python -m tests.benchmarks.hub_scale [RUNS]``.

Prints how many of 20,000 rows are judged a second, how long a page takes to come from a hub of 100,000 models
on loopback and from the store, and when the UI paints with 100,000 rows stored, beside a hello-world Textual
app. Nothing is asserted: times are for people.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

from explorer.fit.values import Scenario
from explorer.hardware.spec import parse_machine
from explorer.hub.huggingface import HuggingFace
from explorer.hub.source import Listing, Page, Query, Source
from explorer.hub.store import Store
from explorer.hub.stored import Stored
from explorer.inspection.filter_words import parse_filters
from explorer.inspection.rows import describe, judge_again
from explorer.inspection.searching import Judge, search
from tests.benchmarks.first_frame import CONTENDERS, RUNS, Contender, seconds_until
from tests.benchmarks.listing import BUDGET, sample
from tests.hub import HubServer
from tests.hub.builder import generate_listing

ROWS = 100_000
PAGE_ROWS = 50
PAGES = 20
FIRST_FRAME_BUDGET_SECONDS = 0.35
MACHINE = parse_machine("RTX 4090")
JUDGE: Judge = partial(judge_again, machine=MACHINE, scenario=Scenario())
UI = (sys.executable, "-m", "explorer", "--source", "hub")
STORED = (
    Contender("weights, first frame, full store", UI, b"Best here"),
    Contender("weights, first rows from it", UI, b"Model-0-1B-0"),
)


class Prepared(HuggingFace):
    """A hub whose listing is at hand: what fills a store without as many requests."""

    def __init__(self, endpoint: str, rows: Sequence[Listing]) -> None:
        super().__init__(endpoint, token="", offline=True)
        self._rows = rows

    async def search(self, query: Query) -> AsyncIterator[Page]:
        """The rows in order, whatever is asked for."""
        del query
        for start in range(0, len(self._rows), PAGE_ROWS):
            stop = start + PAGE_ROWS
            more = stop < len(self._rows)
            following = f"{self.endpoint}/api/models?cursor={stop}" if more else ""
            yield Page(tuple(self._rows[start:stop]), more, following=following)


async def fill(endpoint: str, folder: Path) -> int:
    """Rows in the store of a hub's listing, as the UI asks for it first."""
    hub = HuggingFace(endpoint, token="")
    pages = [page async for page in hub.search(Query(limit=10 * PAGE_ROWS))]
    await hub.close()
    known = [row for page in pages for row in page.rows]
    rows = [known[number % len(known)] for number in range(ROWS)]
    named = [_renamed(row, number) for number, row in enumerate(rows)]
    source = Stored(Prepared(endpoint, named), Store(folder), scope=endpoint)
    stored = sum([len(page.rows) async for page in source.search(Query())])
    await source.close()
    return stored


def _renamed(row: Listing, number: int) -> Listing:
    return replace(row, id=f"{row.id}-{number}")


async def page_seconds(source: Source) -> list[float]:
    """Seconds from asking for each page to its rows, judged."""
    seconds: list[float] = []
    begun = time.perf_counter()
    async with aclosing(search(source, parse_filters(""), JUDGE)) as parts:
        async for _ in parts:
            now = time.perf_counter()
            seconds.append(now - begun)
            begun = now
            if len(seconds) == PAGES:
                break
    await source.close()
    return seconds


async def bare_seconds(endpoint: str) -> list[float]:
    """Seconds for the same pages by the client alone, neither judged nor stored."""
    source = HuggingFace(endpoint, token="")
    seconds: list[float] = []
    begun = time.perf_counter()
    async for _ in source.search(Query(limit=None)):
        now = time.perf_counter()
        seconds.append(now - begun)
        begun = now
        if len(seconds) == PAGES:
            break
    await source.close()
    return seconds


def print_rates() -> None:
    """Rows a second: judged once they are described, and with their description."""
    listings = sample()
    begun = time.perf_counter()
    rows = [describe(listing) for listing in listings]
    described = time.perf_counter()
    for row in rows:
        JUDGE(row)
    now = time.perf_counter()
    for name, seconds in (
        ("rows judged a second", now - described),
        ("rows described and judged a second", now - begun),
    ):
        rate = len(rows) / seconds
        print(f"{name:40} {rate:7,.0f}    {rate / BUDGET:6.2f} of budget")


def print_pages(endpoint: str, folder: Path) -> None:
    """How long pages take, as ratios to the request alone."""
    bare = statistics.median(asyncio.run(bare_seconds(endpoint)))
    hub = HuggingFace(endpoint, token="")
    live = asyncio.run(page_seconds(Stored(hub, Store(folder / "empty"), scope=endpoint)))
    runs = [
        asyncio.run(
            page_seconds(Stored(Prepared(endpoint, ()), Store(folder / "full"), scope=endpoint))
        )
        for _ in range(RUNS)
    ]
    full = [seconds for run in runs for seconds in run[1:]]
    for name, seconds in (
        ("a page, the request alone", bare),
        ("a page from the hub, judged and stored", statistics.median(live)),
        ("a page from the full store, judged", statistics.median(full)),
        ("the first page from the full store", statistics.median(run[0] for run in runs)),
    ):
        print(f"{name:40} {1e3 * seconds:7.1f} ms {seconds / bare:6.2f}")


def print_frames(runs: int) -> None:
    """When the UI paints, as ratios to a hello-world app."""
    reference = 0.0
    for contender in (CONTENDERS[0], *STORED):
        seconds_until(contender)  # once to warm the file cache
        median = statistics.median(seconds_until(contender) for _ in range(runs))
        reference = reference or median
        share = median / FIRST_FRAME_BUDGET_SECONDS
        budget = f"  {share:5.2f} of budget" if contender in STORED else ""
        print(f"{contender.name:40} {1e3 * median:7.0f} ms {median / reference:6.2f}{budget}")


def main() -> None:
    """Print the rates and the times."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    print_rates()
    with HubServer(generate_listing(ROWS)) as hub, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        stored = asyncio.run(fill(hub.endpoint, folder / "full"))
        size = Store(folder / "full").size_bytes()
        print(f"{stored:,} rows stored in {size / 1e6:.1f} MB")
        print_pages(hub.endpoint, folder)
        os.environ |= {
            "HF_ENDPOINT": hub.endpoint,
            "WEIGHTS_CACHE": str(folder / "full"),
            "WEIGHTS_CONFIG": str(folder / "settings.toml"),
        }
        asked = len(hub.traffic.exchanges)
        print_frames(runs)
        print(f"{len(hub.traffic.exchanges) - asked} requests by the UI")


if __name__ == "__main__":
    main()
