"""A program over the loopback hub whose time passes only when it waits."""

from contextlib import aclosing
from pathlib import Path

from explorer.hub.huggingface import HuggingFace
from explorer.hub.source import Query, Source
from explorer.hub.store import Store
from explorer.hub.stored import Stored
from explorer.inspection.refine import Refiner
from explorer.inspection.rows import Row, describe
from tests.hub import HubServer


class Time:
    """One clock for the hub and for whoever asks it; waiting moves it on."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def hub_source(hub: HubServer, time: Time) -> HuggingFace:
    return HuggingFace(hub.endpoint, token="", pause=time.pause, monotonic=time)


def stored_source(hub: HubServer, time: Time, folder: Path) -> Stored:
    return Stored(hub_source(hub, time), Store(folder, clock=time), clock=time)


async def listed(source: Source, text: str = "", limit: int | None = 100) -> list[Row]:
    """Rows as a listing gives them, described and not refined."""
    pages = source.search(Query(text, sort="downloads", limit=limit))
    return [
        describe(listing, age_seconds=page.age_seconds)
        async for page in pages
        for listing in page.rows
    ]


async def take(refiner: Refiner, number: int) -> list[Row]:
    """So many refined rows, in the order they come."""
    rows: list[Row] = []
    async with aclosing(refiner.rows()) as refined:
        async for row in refined:
            rows.append(row)
            if len(rows) == number:
                break
    return rows
