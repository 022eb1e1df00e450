"""What the UI tests share: sources and machines that are always the same, and the text on a screen."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import prod
from time import monotonic

from textual import events
from textual.app import App
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Footer

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
    """A machine as if it had been read from this system."""
    return replace(parse_machine(text), detected=True)


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


class Steady(Pilot[None]):
    """Presses keys one by one, each when all that the one before it brought about has been handled.

    Textual's own pilot waits until the process hardly uses its processor: that takes long, and on a
    busy machine it comes too early.
    """

    async def press(self, *keys: str) -> None:
        for key in keys:
            character = key if len(key) == 1 else None
            name = key if character is None or key.isalnum() else _character_to_key(key)
            self.app.post_message(events.Key(name, character))
            await at_rest(self)

    async def resize_terminal(self, width: int, height: int) -> None:
        await super().resize_terminal(width, height)
        deadline = monotonic() + PATIENCE_SECONDS
        while self.app.screen._compositor.size != (
            width,
            height,
        ):  # the app gathers sizes for a moment
            assert monotonic() < deadline, "the screen keeps its size"
            await asyncio.sleep(MOMENT_SECONDS)
        await at_rest(self)

    async def pause(self, delay: float | None = None) -> None:
        if self.app.is_running and self.app.screen_stack:
            await super().pause(delay or 0.0)


CALM = 3
"""Looks in a row at which nothing was under way: what is handled may ask to be called after a repaint."""
PATIENCE_SECONDS = 60.0
WAITING = {"listing", "refining", "choosing", "context"}
"""Workers that rest until the person scrolls or chooses."""


@asynccontextmanager
async def running(
    given: Session, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[WeightsApp, Pilot[None]]]:
    """The app on a terminal of a size, with everything it began brought to an end."""
    app = WeightsApp(given)
    app.animation_level = "none"
    async with app.run_test(size=size):
        pilot = Steady(app)
        await settled(pilot)
        yield app, pilot


async def settled(pilot: Pilot[None]) -> None:
    """Wait until nothing is left to do but to wait for the person: no listing, no worker, no message."""
    await at_rest(pilot, listing=True)


async def at_rest(pilot: Pilot[None], *, listing: bool = False) -> None:
    """Wait until no worker has anything to do, and the listing neither where that is asked."""
    calm = 0
    deadline = monotonic() + PATIENCE_SECONDS
    while calm < CALM and pilot.app.is_running and pilot.app.screen_stack:
        await pilot.pause()
        busy = [worker for worker in pilot.app.workers if worker.group not in WAITING]
        waiting = (listing and _lists(pilot.app)) or _composes_its_keys(pilot.app)
        calm = 0 if busy or waiting else calm + 1
        assert monotonic() < deadline, f"still under way: {busy or 'the listing or the footer'}"
        if not calm:
            await asyncio.sleep(MOMENT_SECONDS)


MOMENT_SECONDS = 0.005
"""Between two looks at what has no end to wait for."""


def _lists(app: App[None]) -> bool:
    """Pages of the listing are on their way, or rows are made exact."""
    screen = app.screen_stack[0]
    return isinstance(screen, ModelsScreen) and (screen.listed.busy or screen.refining)


def _composes_its_keys(app: App[None]) -> bool:
    """A footer is taken apart, put together and laid out again when the focus moves."""
    footers = app.screen.query(Footer)
    return any(not any(key.size.width for key in footer.children) for footer in footers)


async def painted(app: App[None], pilot: Pilot[None]) -> None:
    """Wait until the footer's line, which is painted last, is on the screen."""
    deadline = monotonic() + PATIENCE_SECONDS
    while app.screen.query(Footer) and not lines(app)[-1]:
        await pilot.pause()
        assert monotonic() < deadline, "the footer stays empty"


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

    async def listed(self, model_id: str) -> Page:
        if self.error is not None:
            raise self.error
        rows = tuple(row for row in self.listings if row.id == model_id)
        if not rows:
            raise ModelNotFound(f"{model_id} is not on the shelf", hint="check the spelling")
        return Page(rows, more=False)

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
