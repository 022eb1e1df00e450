"""Listing rows made exact: config.json of the rows in view, read in the background.

One look at a small file a row and no look-up of the model. A repository of GGUF files alone takes the
shape of the model it was quantized from: reading its own header would need its file list first, and then
a megabyte.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from explorer.errors import ExplorerError, HeaderError, Missing, RateLimited, Unreachable
from explorer.hub.source import Listing, Source
from explorer.inspection.documents import json_object
from explorer.inspection.model import CONFIG
from explorer.inspection.rows import Row, describe

IN_FLIGHT = 6
"""Requests at one moment: few enough that what a person opens does not queue behind them."""
WAITING = 512
"""Rows that may wait; of more, those seen longest ago are dropped."""
FRESH_SECONDS = 15 * 60.0
"""How long an answer counts that belongs to no commit."""

_KEPT = 1024
_RETRY_SECONDS = 30.0
_WITHOUT_SHAPE = frozenset({"peft", "diffusers"})
"""Libraries whose repositories have no config.json of a language model."""

Config: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refining:
    """How far the background has come."""

    waiting: int
    """Rows that were seen and not asked for yet, those on hold included."""
    in_flight: int
    resumes_in_seconds: float | None
    """When the hub's limits let rows on hold be asked for again; None if it is not they that hold any."""


def can_be_refined(row: Row) -> bool:
    """Whether a configuration would make a row exact, and may be there."""
    return row.estimated and _holder(row.listing) is not None


def refine_row(row: Row, config: Config) -> Row:
    """The row described from a whole configuration; not judged. As it was if that tells no shape."""
    described = describe(replace(row.listing, config=config), age_seconds=row.age_seconds)
    return row if described.estimated else described


class _Asked(NamedTuple):
    task: asyncio.Task[Config | ExplorerError | None]
    at: float


class Refiner:
    """Reads the configurations of rows for one source, those in view first.

    ``pause`` waits and ``monotonic`` tells the time, both given by tests. Everything is asked for once:
    what came of it is remembered, also that there is nothing.
    """

    def __init__(
        self,
        source: Source,
        *,
        in_flight: int = IN_FLIGHT,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._in_flight = in_flight
        self._slots = asyncio.Semaphore(in_flight)
        self._pause = pause
        self._monotonic = monotonic
        self._waiting: dict[str, Row] = {}
        self._held: dict[str, Row] = {}
        self._resumes_at = 0.0
        self._limited = False
        self._asked: dict[tuple[str, str | None], _Asked] = {}
        self._running: dict[asyncio.Task[Row | None], Row] = {}
        self._ready: list[Row] = []
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def state(self) -> Refining:
        """What waits, what is under way, and when rows on hold go on."""
        limited = self._held and self._limited
        resumes = max(self._resumes_at - self._monotonic(), 0.0) if limited else None
        return Refining(len(self._waiting) + len(self._held), len(self._running), resumes)

    def look_at(self, rows: Sequence[Row]) -> None:
        """These rows are in view now, the topmost first: they are next, before all seen earlier."""
        for row in reversed(rows):
            if can_be_refined(row):
                self._waiting.pop(row.listing.id, None)
                if row.listing.id not in self._held:
                    self._waiting[row.listing.id] = row
        while len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._changed.set()

    async def rows(self) -> AsyncGenerator[Row]:
        """Rows as they become exact, without end until ``close``. They are not judged.

        A row that the hub's limits or the network keep from being read is held and asked for again; one
        that has no configuration never comes. Left early, it goes on where it was when called again.
        """
        try:
            while not self._closed:
                while self._ready:
                    yield self._ready.pop(0)
                self._start()
                await self._finish_some()
        finally:
            for task, row in self._running.items():
                task.cancel()
                self._waiting[row.listing.id] = row
            self._running = {}

    async def refine(self, rows: Iterable[Row], *, complete: bool = False) -> tuple[Row, ...]:
        """These rows, exact where that can be had now; in order, the others as they were.

        Where ``complete``, raises RateLimited if the hub's limits kept any from being read: called again
        afterwards, it asks for those alone.
        """
        found = await asyncio.gather(*(self._refine_now(row) for row in rows))
        for _, refusal in found:
            if complete and refusal is not None:
                raise refusal
        return tuple(row for row, _ in found)

    def close(self) -> None:
        """End ``rows`` and give up what is under way."""
        self._closed = True
        for asked in self._asked.values():
            asked.task.cancel()
        self._changed.set()

    def _start(self) -> None:
        """Ask for the rows seen last, as many as may be in flight."""
        if self._held and self._monotonic() >= self._resumes_at:
            self._waiting = {**self._held, **self._waiting}
            self._held = {}
        while self._waiting and len(self._running) < self._in_flight:
            _, row = self._waiting.popitem()
            self._running[asyncio.create_task(self._attempt(row))] = row

    async def _finish_some(self) -> None:
        """Until some rows are ready, or there may be something else to start."""
        self._changed.clear()
        signals: set[asyncio.Task[object]] = {asyncio.create_task(self._noticed())}
        if self._held:
            signals.add(asyncio.create_task(self._slept()))
        try:
            await asyncio.wait({*self._running, *signals}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for signal in signals:
                signal.cancel()
        for task in [task for task in self._running if task.done()]:
            del self._running[task]
            row = task.result()
            if row is not None:
                self._ready.append(row)

    async def _noticed(self) -> object:
        """Until other rows are in view."""
        return await self._changed.wait()

    async def _slept(self) -> object:
        """Until rows on hold may be asked for again."""
        await self._pause(max(self._resumes_at - self._monotonic(), 0.0))
        return None

    async def _attempt(self, row: Row) -> Row | None:
        """The exact row; None if there is nothing to read, or not now: then it is held."""
        try:
            refined = await self._refine(row)
        except RateLimited as refusal:
            self._limited = True
            self._hold(row, refusal.retry_after_seconds or _RETRY_SECONDS)
        except Unreachable:
            self._limited = False
            self._hold(row, _RETRY_SECONDS)
        except ExplorerError:
            return None  # offline, or of no use: nothing would change it
        else:
            return refined if refined is not row else None
        return None

    def _hold(self, row: Row, seconds: float) -> None:
        self._held[row.listing.id] = row
        self._resumes_at = max(self._resumes_at, self._monotonic() + seconds)
        while len(self._held) > WAITING:
            del self._held[next(iter(self._held))]

    async def _refine_now(self, row: Row) -> tuple[Row, RateLimited | None]:
        try:
            return await self._refine(row), None
        except RateLimited as refusal:
            return row, refusal
        except ExplorerError:
            return row, None

    async def _refine(self, row: Row) -> Row:
        holder = _holder(row.listing) if row.estimated else None
        config = await self._config(holder) if holder else None
        if holder is None or config is None:
            return row
        if holder.id != row.listing.id:
            config = {name: value for name, value in config.items() if name != _PACKING}
        refined = await asyncio.to_thread(refine_row, row, config)
        # What a GGUF file says of its context counts: it may have been converted with another.
        return replace(refined, context_tokens=row.context_tokens or refined.context_tokens)

    async def _config(self, listing: Listing) -> Config | None:
        """The configuration of a listed model, asked for once whoever needs it."""
        key = (listing.id, listing.sha)
        asked = self._asked.pop(key, None)
        if asked is None or self._is_past(asked, listing):
            asked = _Asked(asyncio.create_task(self._ask(listing)), self._monotonic())
        self._asked[key] = asked
        while len(self._asked) > _KEPT:
            del self._asked[next(iter(self._asked))]
        outcome = await asyncio.shield(asked.task)
        if isinstance(outcome, ExplorerError):
            raise outcome
        return outcome

    def _is_past(self, asked: _Asked, listing: Listing) -> bool:
        """Whether to ask once more: what belongs to a commit never changes, a failure may pass."""
        if not asked.task.done():
            return False
        failed = asked.task.cancelled() or isinstance(asked.task.result(), ExplorerError)
        return failed or (listing.sha is None and self._monotonic() - asked.at > FRESH_SECONDS)

    async def _ask(self, listing: Listing) -> Config | ExplorerError | None:
        """None where there is no configuration, or none for this person, or a damaged one.

        An error is given back, not raised: nobody may be there any more to hear of it.
        """
        async with self._slots:
            try:
                text = await self._source.config(listing)
                return json_object(CONFIG, text) if text else None
            except (Missing, HeaderError):
                return None
            except ExplorerError as error:
                return error


_PACKING = "quantization_config"


def _holder(listing: Listing) -> Listing | None:
    """The listed model whose config.json tells the shape; None if none would."""
    if listing.library in _WITHOUT_SHAPE:
        return None
    only_gguf = listing.gguf is not None and not listing.parameters_by_dtype
    if only_gguf and listing.base_relation == "quantized" and listing.base_models:
        return Listing(listing.base_models[0])
    return listing
