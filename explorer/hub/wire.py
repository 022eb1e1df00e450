"""Requests on kept connections: which one carries a request, through which proxy, and the answer.

HTTP itself, in both versions, is httpcore2's. Its pool is not used: for every request it looks at all
connections and all requests under way, which with dozens in flight takes longer than sending them.
"""

import asyncio
import os
import ssl
import sys
import zlib
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import httpcore2

from explorer.hub.sockets import Sockets

_FAULTS = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
)
_CONNECT_SECONDS = 5.0
_IDLE_SECONDS = 30.0
_AS_THEY_ARE = "!$%&'()*+,/:;=?@[]~"
"""What may stand in a path or a query as it is, beside letters and digits (RFC 3986, 3.3 and 3.4)."""
_PROXIES = ("http", "https", "socks5", "socks5h")
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Fault(Exception):
    """A request that came to nothing. Another attempt may do better unless it is ``lasting``.

    ``connecting``: there was no connection yet. ``silent``: there was one, and nothing came over it.
    """

    def __init__(
        self,
        reason: str,
        *,
        lasting: bool = False,
        connecting: bool = False,
        silent: bool = False,
    ) -> None:
        super().__init__(reason)
        self.lasting = lasting
        self.connecting = connecting
        self.silent = silent


class Reply(NamedTuple):
    """An answer whose body is still to come."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case, repeated ones joined by a comma."""
    pieces: AsyncGenerator[bytes]
    """The body as it comes over the wire."""
    unpack: Callable[[bytes], bytes]
    """A piece as it was before it was compressed; to be called with each of them in turn."""


class Wire:
    """Sends GET requests; after ``quiet_seconds`` in which nothing comes one fails. ``agent`` names us.

    How many run at once is for the caller to bound: there are as many connections as that takes.
    """

    def __init__(self, agent: str, quiet_seconds: float) -> None:
        self._headers = {"accept": "*/*", "accept-encoding": "gzip", "user-agent": agent}
        limits = {"connect": _CONNECT_SECONDS, "read": quiet_seconds, "write": quiet_seconds}
        self._extensions = {"timeout": limits}
        self._roads: dict[tuple[bytes, bytes, int | None], _Road] = {}
        self._tls: ssl.SSLContext | None = None
        self._preparing = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        roads, self._roads = self._roads, {}
        for road in roads.values():
            await road.close()

    @asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Reply]:
        """An answer, which ends with the context. Raises Fault."""
        address, given = _address(url)
        fields = {**given, **self._headers, **headers, **given}
        request = httpcore2.Request(
            "GET", address, headers=[*fields.items()], extensions=self._extensions
        )
        try:
            response = await (await self._road(address)).send(request)
            try:
                received = _fields(response.headers)
                async with aclosing(response.aiter_stream()) as pieces:
                    yield Reply(response.status, received, pieces, _unpacking(received))
            finally:
                await response.aclose()
        except _FAULTS as fault:
            raise Fault(
                str(fault) or type(fault).__name__,
                connecting=isinstance(fault, httpcore2.ConnectError | httpcore2.ConnectTimeout),
                silent=isinstance(fault, httpcore2.ReadTimeout),
            ) from fault

    async def _road(self, address: httpcore2.URL) -> "_Road":
        """The connections to where an address is."""
        key = address.scheme, address.host, address.port
        if key not in self._roads:
            async with self._preparing:
                if key not in self._roads:
                    self._roads[key] = await self._new_road(address)
        return self._roads[key]

    async def _new_road(self, address: httpcore2.URL) -> "_Road":
        proxy = _proxy_for(address)
        if self._tls is None and b"https" in (address.scheme, proxy.scheme if proxy else b""):
            try:
                # A large file of certificates, which takes 20 to 100 ms to read.
                self._tls = await asyncio.to_thread(httpcore2.default_ssl_context)
            except OSError as fault:
                raise Fault(str(fault), lasting=True) from fault
        return _Road(address.origin, self._tls, proxy.through(self._tls) if proxy else None)


class _Road:
    """The connections to one origin, by one way."""

    def __init__(
        self, origin: httpcore2.Origin, tls: ssl.SSLContext | None, proxy: httpcore2.Proxy | None
    ) -> None:
        self._origin = origin
        # Asked for connections alone, which differ by the kind of proxy.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            proxy=proxy,
            http2=True,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=Sockets(),
        )
        self._kept: list[httpcore2.AsyncConnectionInterface] = []

    async def send(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send on a connection that can take it, or on a new one."""
        while True:
            connection = await self._free() or self._open()
            try:
                return await connection.handle_async_request(request)
            except httpcore2.ConnectionNotAvailable:
                # It was hoped to speak HTTP/2 and does not, or has just been told to end.
                continue

    async def close(self) -> None:
        """Close all connections."""
        kept, self._kept = self._kept, []
        for connection in kept:
            await connection.aclose()

    async def _free(self) -> httpcore2.AsyncConnectionInterface | None:
        """A connection with nothing to do, or one of HTTP/2, which takes many requests."""
        for connection in self._kept.copy():
            if connection.is_closed():
                self._kept.remove(connection)
            elif connection.is_available():
                if not (connection.is_idle() and connection.has_expired()):
                    return connection
                self._kept.remove(connection)
                await connection.aclose()
        return None

    def _open(self) -> httpcore2.AsyncConnectionInterface:
        try:
            connection = self._pool.create_connection(self._origin)
        except ImportError as fault:
            raise Fault(
                "a SOCKS proxy needs: pip install 'httpcore2[socks]'", lasting=True
            ) from fault
        self._kept.append(connection)
        return connection


class _Proxy(NamedTuple):
    """A proxy as the environment names it."""

    scheme: bytes
    url: httpcore2.URL
    account: tuple[bytes, bytes] | None

    def through(self, tls: ssl.SSLContext | None) -> httpcore2.Proxy:
        """As httpcore2 takes it."""
        secured = tls if self.scheme == b"https" else None
        return httpcore2.Proxy(self.url, auth=self.account, ssl_context=secured)


def _address(url: str) -> tuple[httpcore2.URL, dict[str, str]]:
    """Where to send a request, and the headers that follow from that."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
        host = name.encode() if name.isascii() else name.encode("idna")
    except ValueError as fault:
        raise Fault(f"{url[:200]} is no address: {fault}", lasting=True) from fault
    if not host or parts.scheme not in ("http", "https"):
        raise Fault(f"{url[:200]} is no address of the web", lasting=True)
    target = quote(parts.path or "/", safe=_AS_THEY_ARE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_AS_THEY_ARE)
    shown = f"[{name}]" if ":" in name else host.decode()
    headers = {"host": shown if port is None else f"{shown}:{port}"}
    if parts.username is not None:
        account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["authorization"] = f"Basic {b64encode(account.encode()).decode()}"
    return httpcore2.URL(scheme=parts.scheme, host=host, port=port, target=target), headers


def _proxy_for(address: httpcore2.URL) -> _Proxy | None:
    """The proxy for an address, from the environment; from the system's settings too where it has some."""
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxies, host = getproxies(), address.host.decode()
    named = proxies.get(address.scheme.decode()) or proxies.get("all")
    if not named or proxy_bypass(host if address.port is None else f"{host}:{address.port}"):
        return None
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        scheme, place, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError as fault:
        raise Fault(f"the proxy {named} is no address: {fault}", lasting=True) from fault
    if scheme not in _PROXIES or not place.isascii():
        raise Fault(f"the proxy {named} is of no known kind", lasting=True)
    account = None
    if parts.username is not None:
        account = unquote(parts.username).encode(), unquote(parts.password or "").encode()
    url = httpcore2.URL(scheme=scheme, host=place, port=port, target="/")
    return _Proxy(scheme.encode(), url, account)


def _fields(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case."""
    fields: dict[str, str] = {}
    for name, value in headers:
        key = name.decode("latin-1").lower()
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def _unpacking(headers: Mapping[str, str]) -> Callable[[bytes], bytes]:
    """What undoes the compression of a body, piece by piece."""
    if headers.get("content-encoding", "").strip().lower() not in ("gzip", "x-gzip"):
        return bytes
    decompress = zlib.decompressobj(_GZIP_WINDOW).decompress

    def unpack(piece: bytes) -> bytes:
        try:
            return decompress(piece)
        except zlib.error as fault:
            raise httpcore2.RemoteProtocolError(f"the body is no gzip: {fault}") from fault

    return unpack
