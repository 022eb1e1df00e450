"""Reads ranges of remote files, many at once, and never a whole one.

A file of a hub is a redirect to a signed address at some other place. The first read of a file finds
that address and the later ones go straight to it until it expires.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, NamedTuple
from urllib.parse import parse_qs, urlsplit

from explorer.errors import HeaderError
from explorer.hub.answers import Subject, garbled, unreachable
from explorer.hub.client import MOST_REDIRECTS, Answer, Client
from explorer.spans import Reading, Span, T

MERGED_BYTES = 2 << 20
"""Neighbouring ranges become one request up to this size, and larger ones several."""
MERGED_GAP = 16 << 10
"""Bytes between two ranges that are cheaper to read than to ask around."""
IN_LOOP_BYTES = 256 << 10
"""What a parser is given without leaving the event loop: a millisecond or two of work."""
LARGEST_STEP = 512 << 20
"""More than any real header: a file that claims so is malformed."""

_LIFETIME_SECONDS = 600.0
_MARGIN_SECONDS = 30.0
_STALE = frozenset({400, 401, 403, 404, 410})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
_TRIES = 3


async def run(
    reading: Reading[T], fetch: Callable[[tuple[Span, ...]], Awaitable[tuple[bytes, ...]]]
) -> T:
    """Run a parser to its end over a function that returns the bytes of several ranges.

    What is more than a moment's work is parsed in a thread, so that others can go on.
    """
    try:
        step = _begin(reading)
        while step.spans is not None:
            bodies = await fetch(step.spans)
            if sum(map(len, bodies)) <= IN_LOOP_BYTES:
                step = _go_on(reading, bodies)
            else:
                step = await asyncio.to_thread(_go_on, reading, bodies)
        return step.result[0]
    finally:
        # Called off while a thread still parses, the reading ends with the thread: it can't be closed.
        with suppress(ValueError):
            reading.close()


class _Step(NamedTuple, Generic[T]):
    """What a parser asks for next, or what it returned."""

    spans: tuple[Span, ...] | None
    result: tuple[T, ...] = ()


def _begin(reading: Reading[T]) -> _Step[T]:
    try:
        return _Step(next(reading))
    except StopIteration as end:
        return _Step(None, (end.value,))


def _go_on(reading: Reading[T], bodies: tuple[bytes, ...]) -> _Step[T]:
    """One step. StopIteration must not leave it: a future cannot carry that."""
    try:
        return _Step(reading.send(bodies))
    except StopIteration as end:
        return _Step(None, (end.value,))


@dataclass(slots=True)
class _Place:
    """Where a file's bytes are, once known."""

    url: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    location: str | None = None
    good_until: float = 0.0


class RangedReader:
    """Reads ranges of a hub's files through one client. ``wall`` and ``monotonic`` are clocks."""

    def __init__(
        self,
        client: Client,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._wall = wall
        self._monotonic = monotonic
        self._places: dict[str, _Place] = {}
        # A file is read to the end of a step before the next is begun: else all the redirects of a
        # model come first, and no header could be parsed while others are on their way.
        self._files = asyncio.Semaphore(client.in_flight)

    async def read(
        self, url: str, size_bytes: int, subject: Subject, spans: tuple[Span, ...]
    ) -> tuple[bytes, ...]:
        """The bytes of some ranges of the file at ``url``, in order; shorter only at its end."""
        clipped = tuple(
            Span(min(max(span.start, 0), size_bytes), min(span.stop, size_bytes)) for span in spans
        )
        if sum(max(span.size, 0) for span in clipped) > LARGEST_STEP:
            raise HeaderError(
                f"{subject} asks for too much",
                f"its header claims more than {LARGEST_STEP:,} bytes",
                "the file is damaged or not what its name says",
            )
        requests = plan(clipped)
        place = self._places.setdefault(url, _Place(url))
        async with self._files:
            bodies = await _together(self._fetch(place, subject, span) for span in requests)
        pieces = tuple(zip(requests, bodies, strict=True))
        return tuple(cut(span, pieces) for span in clipped)

    async def _fetch(self, place: _Place, subject: Subject, span: Span) -> bytes:
        """One range. An address that refuses is looked up again once, one that sends too little twice."""
        refused = False
        for _ in range(_TRIES):
            remembered = place.location
            answer = await self._answer(place, subject, span)
            used = place.location
            stale = remembered is not None or not self._client.is_own(answer.url)
            if answer.status in _STALE and stale and not refused:
                refused = True
            elif (body := self._body(answer, subject, span)) is not None:
                return body
            if place.location == used:
                place.location = None
        raise unreachable(subject, f"bytes {span.start} to {span.stop} came back short")

    async def _answer(self, place: _Place, subject: Subject, span: Span) -> Answer:
        """The answer at the end of a file's redirects, which are followed once for all its ranges."""
        async with place.lock:
            location = place.location if self._monotonic() < place.good_until else None
            if location is None:
                answer = await self._client.exchange(place.url, subject, span=span)
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    return answer
                target = answer.redirect
                location = self._remember(place, target or place.url)
                if target is None:
                    return answer
        for _ in range(MOST_REDIRECTS):
            answer = await self._client.exchange(location, subject, span=span)
            target = answer.redirect
            if target is None:
                return answer
            location = self._remember(place, target)
        raise unreachable(subject, f"more than {MOST_REDIRECTS} redirects")

    def _remember(self, place: _Place, location: str) -> str:
        place.location = location
        place.good_until = self._monotonic() + self._lifetime(location)
        return location

    def _lifetime(self, url: str) -> float:
        expires = expiry(url)
        if expires is None:
            return _LIFETIME_SECONDS
        return max(expires - self._wall() - _MARGIN_SECONDS, 0.0)

    def _body(self, answer: Answer, subject: Subject, span: Span) -> bytes | None:
        """The range's bytes; None if the server cut them short, which is worth another try."""
        if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise unreachable(subject, "the file is shorter than its listing says")
        if answer.status >= HTTPStatus.BAD_REQUEST:
            if answer.status in _STALE and not self._client.is_own(answer.url):
                raise unreachable(subject, f"the store of its files refuses with {answer.status}")
            raise self._client.failure(answer, subject)
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
            if match and int(match[1]) != span.start:
                raise garbled(subject, f"asked for byte {span.start}, got byte {match[1]}")
        return answer.body if len(answer.body) == span.size else None


def plan(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The requests for some ranges: near ones merged, large ones in parts, empty ones left out."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.size > 0):
        last = merged[-1] if merged else None
        near = last is not None and span.start <= last.stop + MERGED_GAP
        if last and (span.start < last.stop or (near and span.stop - last.start <= MERGED_BYTES)):
            merged[-1] = Span(last.start, max(last.stop, span.stop))
        else:
            merged.append(span)
    return tuple(
        Span(start, min(start + MERGED_BYTES, span.stop))
        for span in merged
        for start in range(span.start, span.stop, MERGED_BYTES)
    )


def cut(span: Span, pieces: Iterable[tuple[Span, bytes]]) -> bytes:
    """The bytes of a range out of pieces that together cover it, in ascending order."""
    return b"".join(
        body[max(span.start - piece.start, 0) : max(span.stop - piece.start, 0)]
        for piece, body in pieces
        if piece.start < span.stop and piece.stop > span.start
    )


def expiry(url: str) -> float | None:
    """When a signed address stops working, in seconds since 1970; None where it does not say.

    CloudFront and its likes have ``Expires``, S3 has ``X-Amz-Date`` and ``X-Amz-Expires``.
    """
    values = {name.lower(): found[0] for name, found in parse_qs(urlsplit(url).query).items()}
    if (moment := values.get("expires", "")).isdecimal() and len(moment) < 12:
        return float(moment)
    seconds = values.get("x-amz-expires", "")
    if not seconds.isdecimal() or len(seconds) > 9:
        return None
    try:
        signed = datetime.strptime(values.get("x-amz-date", "") + "+0000", "%Y%m%dT%H%M%SZ%z")
    except ValueError:
        return None
    return signed.timestamp() + float(seconds)


async def _together(calls: Iterable[Coroutine[Any, Any, bytes]]) -> list[bytes]:
    """Await all; when one fails the others are stopped."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
