"""What the UI tests share: sources and machines that are always the same, and the text on a screen."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import prod

from textual.app import App
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from explorer.errors import ExplorerError, FileNotFound, ModelNotFound
from explorer.hardware.machine import Machine
from explorer.hardware.spec import parse_machine
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, RepoFile, Source, Transfer
from explorer.spans import Reading, Span, T, drive
from explorer.ui.app import WeightsApp
from explorer.ui.screens.models import ModelsScreen
from explorer.ui.session import Session

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RTX_4090 = "RTX 4090, 64 GB"


def machine(text: str = RTX_4090) -> Machine:
    return parse_machine(text)


def snapshot() -> Source:
    """The bundled snapshot, at a moment that never changes."""
    return Snapshot(now=lambda: NOW)


def session(
    open_source: Callable[[], Source] = snapshot,
    machine_text: str = RTX_4090,
    model: str | None = None,
    query: Query | None = None,
) -> Session:
    return Session(
        open_source=open_source,
        detect=lambda: machine(machine_text),
        model=ModelRef(model) if model else None,
        query=query or Query(),
        now=lambda: NOW,
        pause_seconds=0.0,
    )


@asynccontextmanager
async def running(
    given: Session, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[WeightsApp, Pilot[None]]]:
    """The app on a terminal of a size, with everything it began brought to an end."""
    app = WeightsApp(given)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield app, pilot


async def settled(pilot: Pilot[None]) -> None:
    """Wait until no worker has anything left to do but to wait for the person."""
    for _ in range(200):
        await pilot.pause()
        busy = [worker for worker in pilot.app.workers if worker.group not in WAITING]
        screen = pilot.app.screen_stack[0]
        refining = isinstance(screen, ModelsScreen) and screen.refining
        if not busy and not refining:
            break
        if not busy:
            continue  # with none given, every worker would be waited for, those at rest too
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete(busy)
    for _ in range(3):
        await pilot.pause()


WAITING = {"listing", "refining", "choosing", "context"}
"""Workers that rest until the person scrolls or chooses."""


async def listed(app: WeightsApp, pilot: Pilot[None]) -> None:
    """Wait for the listing to come to rest."""
    screen = app.screen_stack[0]
    assert isinstance(screen, ModelsScreen)
    for _ in range(2000):
        await pilot.pause()
        if not screen.listed.busy:
            break
    await settled(pilot)


def lines(app: App[None]) -> list[str]:
    """What is on the screen, a line each."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def shown(app: App[None]) -> str:
    return "\n".join(lines(app))


@dataclass
class Shelf:
    """A source in memory that answers when it is told to, and counts what it was asked."""

    listings: tuple[Listing, ...] = ()
    files: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """Model to path to content."""
    page_rows: int = 50
    error: ExplorerError | None = None
    """Raised by whatever is asked next, until it is taken away."""
    failing: set[str] = field(default_factory=set)
    """Paths that cannot be read."""
    gate: asyncio.Event | None = None
    """Where there is one, searches wait for it."""
    searches: list[Query] = field(default_factory=list)
    pages: int = 0
    closed: bool = False
    name: str = "shelf"
    title: str = "Shelf"
    transfer: Transfer = field(default_factory=Transfer)

    async def search(self, query: Query) -> AsyncIterator[Page]:
        self.searches.append(query)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        found = tuple(row for row in self.listings if query.text.lower() in row.id.lower())
        for start in range(0, max(len(found), 1), self.page_rows):
            self.pages += 1
            yield Page(found[start : start + self.page_rows], start + self.page_rows < len(found))

    async def config(self, listing: Listing) -> str | None:
        data = self.files.get(listing.id, {}).get("config.json")
        return None if data is None else data.decode()

    async def repo(self, ref: ModelRef) -> Repo:
        if self.error is not None:
            raise self.error
        if ref.id not in self.files:
            raise ModelNotFound(f"{ref.id} is not on the shelf", hint="check the spelling")
        listing = next((row for row in self.listings if row.id == ref.id), Listing(ref.id))
        held = tuple(RepoFile(path, len(data)) for path, data in self.files[ref.id].items())
        return Repo(ref, listing, None, held)

    async def text(self, repo: Repo, path: str) -> str | None:
        data = self.files[repo.ref.id].get(path)
        return None if data is None else data.decode()

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        if file.path in self.failing:
            raise FileNotFound(f"{file.path} cannot be read", hint="try again")
        data = self.files[repo.ref.id][file.path]

        def fetch(span: Span) -> bytes:
            return data[span.start : span.stop]

        return drive(reading, fetch)

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        return None

    async def close(self) -> None:
        self.closed = True


def safetensors(tensors: Mapping[str, tuple[int, ...]]) -> bytes:
    """A file of BF16 tensors of these shapes, written by the format's description."""
    header: dict[str, object] = {}
    start = 0
    for name, shape in tensors.items():
        stop = start + 2 * prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(start)
