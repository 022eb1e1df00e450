"""One long-lived HTTP client for a hub: headers, retries, redirects and what it all cost.

``huggingface_hub`` finds the token and is asked for nothing else: its calls block a thread that can't
be cancelled, sleep there for as long as a rate limit lasts, and ``HfApi`` takes five times as long to
import as the part used here.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode, urljoin, urlsplit

from explorer import __version__
from explorer.errors import BadToken, HubError, Offline, RateLimited
from explorer.hub.answers import RETRIED, Subject, failure, garbled, rate_limited, unreachable
from explorer.hub.limits import Limits, bucket_of, resumes_in_seconds
from explorer.hub.source import Transfer
from explorer.spans import Span

if TYPE_CHECKING:
    from explorer.hub.wire import Reply, Wire

Params: TypeAlias = tuple[tuple[str, str], ...]

MOST_REDIRECTS = 5
LONGEST_SKIP = 64 << 20
"""How far into a file a server that ignores ranges is listened to, in bytes."""

_ATTEMPTS = 4
_ATTEMPTS_TO_CONNECT = 2
"""Also of a hub that takes the connection and says nothing: four would be a minute and a half."""
_PATIENCE_SECONDS = 8.0
"""The longest pause before a retry; a rate limit that lasts longer is told to the person."""
_DOWN_SECONDS = 10.0
_SMALL_BODY = 64 << 10
_LINK = re.compile(r'<([^<>]*)>\s*;[^,<]*?\brel="?([\w-]+)')
_TOKEN_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE")
"""Variables that lead huggingface_hub to a token, beside its file and a notebook's own store."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, its body read as far as was asked."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: str
    links: Mapping[str, str]
    """``Link`` targets by relation."""

    @property
    def redirect(self) -> str | None:
        """Where the answer points to, absolute; None if it is no redirect."""
        location = self.headers.get("location") if 300 <= self.status < 400 else None
        return self.resolve(location) if location else None

    def resolve(self, reference: str) -> str:
        """An address relative to this answer's own; empty if it cannot be one."""
        try:
            return urljoin(self.url, reference)
        except ValueError:
            return ""


Failures: TypeAlias = Callable[[Answer, Subject, bool], HubError]
"""The error that an answer of 400 or above about something stands for; and whether a token was sent."""


def _as_hugging_face(answer: Answer, subject: Subject, with_token: bool) -> HubError:
    return failure(answer.status, answer.headers, subject, with_token=with_token)


class Client:
    """Sends GET requests to one hub and to wherever its answers point.

    ``token`` is the one huggingface_hub finds unless given; empty sends none. It goes to the hub's own
    origin alone, and so do ``own_headers``. At most ``in_flight`` requests run at once. ``failures``
    words the refusals of a hub that is not Hugging Face.
    ``pause`` waits between attempts and ``monotonic`` tells the time, both given by tests. After
    ``quiet_seconds`` in which nothing comes an attempt is given up.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        token: str | None = None,
        offline: bool = False,
        in_flight: int = 48,
        own_headers: Mapping[str, str] | None = None,
        failures: Failures = _as_hugging_face,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        quiet_seconds: float = 20.0,
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._origin = _origin(self.endpoint)
        self._token = token
        self._offline = offline
        self.in_flight = in_flight
        self._slots = asyncio.Semaphore(in_flight)
        self._opening = asyncio.Lock()
        self._own_headers = dict(own_headers or {})
        self._failures = failures
        self._pause = pause
        self._monotonic = monotonic
        self._quiet_seconds = quiet_seconds
        self.limits = Limits(monotonic)
        self._unanswered: Counter[str] = Counter()
        self._wire: Wire | None = None
        self._authorization: dict[str, str] = {}
        self._requests = self._bytes = self._busy = 0
        self._seconds = self._busy_since = 0.0
        self._down_since: float | None = None

    @property
    def transfer(self) -> Transfer:
        """Requests sent (retries and redirects counted), body bytes received, seconds in flight."""
        running = self._monotonic() - self._busy_since if self._busy else 0.0
        return Transfer(self._requests, self._bytes, self._seconds + running)

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def get_json(
        self, url: str, subject: Subject, params: Params, limit: int
    ) -> tuple[Any, Answer]:
        """A JSON answer of at most ``limit`` bytes; redirects followed, failures raised."""
        answer = await self.get(url, subject, params=params, limit=limit)
        try:
            return json.loads(answer.body), answer
        except (ValueError, RecursionError) as fault:
            raise garbled(subject, "its answer is not JSON") from fault

    async def get(self, url: str, subject: Subject, *, params: Params = (), limit: int) -> Answer:
        """A whole answer of at most ``limit`` bytes; redirects followed, failures raised."""
        for _ in range(MOST_REDIRECTS):
            answer = await self.exchange(url, subject, params=params, limit=limit + 1)
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise self.failure(answer, subject)
            if answer.redirect is None:
                if len(answer.body) > limit:
                    raise garbled(subject, f"its answer is longer than {limit:,} bytes")
                return answer
            url, params = answer.redirect, ()
        raise unreachable(subject, f"more than {MOST_REDIRECTS} redirects")

    def refuse(self, url: str, seconds: float) -> RateLimited:
        """The error for a request that is not sent since the hub would refuse it for so long."""
        if self._failures is not _as_hugging_face:
            told = {"retry-after": str(max(int(seconds) - 1, 0))}
            worded = self.failure(Answer(429, told, b"", url, {}), Subject(endpoint=self.endpoint))
            if isinstance(worded, RateLimited):
                return worded
        return rate_limited(bucket_of(url), seconds, with_token=bool(self._authorization))

    def is_own(self, url: str) -> bool:
        """Whether an address is the hub's own, where the token may go."""
        return _origin(url) == self._origin

    def failure(self, answer: Answer, subject: Subject) -> HubError:
        """The error an answer of 400 or above stands for."""
        return self._failures(answer, subject, bool(self._authorization))

    async def exchange(
        self,
        url: str,
        subject: Subject,
        *,
        params: Params = (),
        span: Span | None = None,
        limit: int = _SMALL_BODY,
    ) -> Answer:
        """One request and its answer, whatever its status; faults and overload are retried.

        With a ``span``, its bytes are asked for, and the body holds them alone even if the server
        sends the whole file; the connection is then dropped. Raises Unreachable and Offline, and
        RateLimited without asking while the hub is known to refuse.
        """
        if params:
            url += "?" + urlencode(params)
        self._refuse_if_down(url, subject)
        bucket = bucket_of(url) if self.is_own(url) else ""
        await self._mind_limits(url, bucket)
        self._unanswered[bucket] += 1
        try:
            return await self._attempts(url, subject, span, limit)
        finally:
            self._unanswered[bucket] -= 1

    async def _attempts(self, url: str, subject: Subject, span: Span | None, limit: int) -> Answer:
        """The first answer that no further attempt could better."""
        wire = await self._open(subject)
        from explorer.hub.wire import Fault

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await self._once(wire, url, subject, span, limit)
            except Fault as fault:
                allowed = _ATTEMPTS_TO_CONNECT if fault.connecting or fault.silent else _ATTEMPTS
                if fault.lasting or attempt >= allowed:
                    if fault.connecting and self.is_own(url):
                        self._down_since = self._monotonic()
                    quiet = f"nothing came for {self._quiet_seconds:g} seconds"
                    raise unreachable(subject, quiet if fault.silent else str(fault)) from fault
                await self._pause(_backoff(attempt))
                continue
            wait = resumes_in_seconds(answer.headers) or _backoff(attempt)
            if answer.status not in RETRIED or attempt == _ATTEMPTS or wait > _PATIENCE_SECONDS:
                return answer
            await self._pause(wait)
        raise unreachable(subject, f"{_ATTEMPTS} attempts failed")

    async def _mind_limits(self, url: str, bucket: str) -> None:
        """Wait a little for the hub to answer again, and refuse to wait for long.

        What is under way counts as sent: several that ask at once share what is left of a window.
        """
        if not bucket:
            return
        wait = self.limits.wait_seconds(bucket, in_flight=self._unanswered[bucket])
        if wait > _PATIENCE_SECONDS:
            raise self.refuse(url, wait)
        if wait:
            await self._pause(wait)

    def _refuse_if_down(self, url: str, subject: Subject) -> None:
        """A hub that could not be reached a moment ago is not waited for again."""
        if self._down_since is None or not self.is_own(url):
            return
        if self._monotonic() - self._down_since < _DOWN_SECONDS:
            raise unreachable(subject, "no connection a moment ago")
        self._down_since = None

    async def _once(
        self, wire: "Wire", url: str, subject: Subject, span: Span | None, limit: int
    ) -> Answer:
        headers = self._headers_for(url, subject)
        if span is not None:
            headers |= {
                "range": f"bytes={span.start}-{span.stop - 1}",
                "accept-encoding": "identity",
            }
        async with self._slots:
            self._begin()
            try:
                async with wire.get(url, headers) as reply:
                    skip, wanted, cut = _portion(reply.status, span, limit)
                    body = await self._receive(reply, skip, wanted, cut=cut)
            finally:
                self._end()
        if self.is_own(url):
            self.limits.note(url, reply.status, reply.headers)
        links = {name: target for target, name in _LINK.findall(reply.headers.get("link", ""))}
        return Answer(reply.status, reply.headers, body, url, links)

    async def _receive(self, reply: "Reply", skip: int, wanted: int, *, cut: bool) -> bytes:
        """Body bytes ``skip`` to ``skip + wanted``. An answer that ends there keeps its connection."""
        kept, position = bytearray(), 0
        async for piece in reply.pieces:
            self._bytes += len(piece)
            chunk = reply.unpack(piece)
            kept += chunk[max(skip - position, 0) :]
            position += len(chunk)
            if len(kept) > wanted or (cut and len(kept) >= wanted):
                break
        return bytes(kept[:wanted])

    async def _open(self, subject: Subject) -> "Wire":
        if self._offline:
            raise Offline(
                f"{subject} is not stored here",
                "the network was ruled out",
                "leave out --offline, or unset HF_HUB_OFFLINE",
            )
        async with self._opening:
            if self._wire is None:
                try:
                    # Importing the HTTP library and looking for the token takes some 100 ms.
                    self._wire = await asyncio.to_thread(self._connect)
                except (OSError, ValueError) as fault:
                    raise unreachable(subject, str(fault)) from fault
            return self._wire

    def _connect(self) -> "Wire":
        from huggingface_hub import __version__ as library_version

        from explorer.hub.wire import Wire

        token = _token_of_person() if self._token is None else self._token
        if token and not (token.isascii() and token.isprintable()):
            raise BadToken("The token cannot be sent", "it is not plain text", "check HF_TOKEN")
        self._authorization = {"authorization": f"Bearer {token}"} if token else {}
        agent = f"weights-explorer/{__version__}; hf_hub/{library_version}"
        return Wire(agent, self._quiet_seconds)

    def _headers_for(self, url: str, subject: Subject) -> dict[str, str]:
        """Headers a place may see: the token is the hub's alone."""
        if self.is_own(url):
            return self._own_headers | self._authorization
        origin = _origin(url)
        if origin[0] not in _PORTS or (self._origin[0] == "https" and origin[0] != "https"):
            raise unreachable(subject, f"it points to an unsafe address: {url[:200]}")
        return {}

    def _begin(self) -> None:
        if not self._busy:
            self._busy_since = self._monotonic()
        self._busy += 1
        self._requests += 1

    def _end(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._seconds += self._monotonic() - self._busy_since


def _token_of_person() -> str | None:
    """The token that huggingface_hub finds: it also refreshes and exchanges some.

    It is not asked, since that takes a tenth of a second, where it can have nowhere to find one.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None
    named = any(os.environ.get(name) for name in _TOKEN_NAMES)
    if not named and "IPython" not in sys.modules and not Path(constants.HF_TOKEN_PATH).exists():
        return None
    from huggingface_hub import get_token

    return get_token()


def _portion(status: int, span: Span | None, limit: int) -> tuple[int, int, bool]:
    """Bytes to skip, bytes to keep, and whether to hang up once they are there."""
    if span is None:
        return 0, limit, False
    if status == HTTPStatus.PARTIAL_CONTENT:
        return 0, span.size, False
    if status == HTTPStatus.OK:
        # The server ignored the range and is sending the file from its beginning.
        return (span.start, span.size, True) if span.stop <= LONGEST_SKIP else (0, 0, True)
    return 0, _SMALL_BODY, False


def _backoff(attempt: int) -> float:
    """Seconds before the next attempt: 0.25, 0.5, 1."""
    return 0.25 * 2.0 ** (attempt - 1)


@lru_cache(maxsize=256)
def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        address = urlsplit(url)
        port = address.port or _PORTS.get(address.scheme)
    except ValueError:
        return "", "", None
    return address.scheme, (address.hostname or "").lower(), port
