"""How one answer is sent: its latency, its faults, its pace. The same for both versions of HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from tests.hub.faults import Fault
from tests.hub.messages import Answer, Request
from tests.hub.traffic import Exchange

_CHUNK = 1 << 18


class ConnectionCut(Exception):
    """Raised to tear the connection down without a word."""


MALFORMED = (ValueError, KeyError)
"""What reading or answering a request that is none raises: its connection is cut."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer on its way out."""

    answer: Answer
    exchange: Exchange
    finish: Callable[[], None]
    """Called once it is sent or given up."""
    latency_seconds: float = 0.0
    fault: Fault | None = None


class Wire(Protocol):
    """One response being written, in whatever version of HTTP."""

    async def send_head(self, status: int, headers: list[tuple[str, str]], *, last: bool) -> None:
        """Status line and headers."""
        ...

    async def send_body(self, data: bytes, *, last: bool) -> None:
        """A piece of the body; returns when the connection can take more."""
        ...


Service = Callable[[Request], Delivery]
"""What a connection calls with each request it has read."""


async def deliver(request: Request, delivery: Delivery, wire: Wire) -> None:
    """Send one answer. Raises ConnectionCut where a fault says so."""
    try:
        await _send(request, delivery, wire)
    finally:
        delivery.finish()


async def _send(request: Request, delivery: Delivery, wire: Wire) -> None:
    answer, exchange, fault = delivery.answer, delivery.exchange, delivery.fault
    delay = delivery.latency_seconds + (fault.latency_seconds if fault else 0.0)
    if delay:
        await asyncio.sleep(delay)
    cut = fault.drop_after_bytes if fault else None
    if cut == 0:
        raise ConnectionCut
    headers = [("date", "Mon, 02 Nov 2026 00:00:00 GMT"), ("content-length", str(answer.size))]
    headers += [(name, text) for name, text in answer.headers.items() if name != "content-length"]
    empty = request.method == "HEAD" or answer.size == 0
    exchange.status = answer.status
    await wire.send_head(answer.status, headers, last=empty)
    if empty:
        return
    async for piece, last in _pieces(answer, fault.bytes_per_second if fault else None):
        kept = piece if cut is None else piece[: cut - exchange.sent_bytes]
        exchange.sent_bytes += len(kept)
        await wire.send_body(kept, last=last and len(kept) == len(piece))
        if len(kept) < len(piece):
            raise ConnectionCut


async def _pieces(answer: Answer, pace: int | None) -> AsyncIterator[tuple[bytes, bool]]:
    size = _CHUNK if pace is None else max(pace // 20, 1)
    for start in range(answer.start, answer.stop, size):
        stop = min(start + size, answer.stop)
        if pace is not None:
            await asyncio.sleep((stop - start) / pace)
        yield answer.content.read(start, stop), stop == answer.stop
