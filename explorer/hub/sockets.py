"""Sockets for the HTTP library, straight on asyncio.

httpcore2's own go through anyio, which spends as much on a read as HTTP itself does on the answer.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, cast

import httpcore2

_BUFFERED = 256 << 10
"""Bytes that are taken from a socket ahead of whoever reads: a server may send more than is wanted."""
_NEXT_ADDRESS_SECONDS = 0.25
"""After which the next address of a host is tried beside the one that does not answer (RFC 8305)."""


class Sockets(httpcore2.AsyncNetworkBackend):
    """Opens connections for httpcore2; raises its errors."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to a host, within ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                transport, stream = await loop.create_connection(
                    _Stream,
                    host,
                    port,
                    local_addr=(local_address, 0) if local_address else None,
                    happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
                )
        except TimeoutError as fault:
            raise httpcore2.ConnectTimeout(str(fault)) from fault
        except OSError as fault:
            raise httpcore2.ConnectError(str(fault)) from fault
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return stream


class _Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection: what asyncio reports on one side, what httpcore2 asks for on the other."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = bytearray()
        self._ended = self._paused = False
        self._fault: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio once."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with bytes as they come."""
        self._received += data
        if len(self._received) > _BUFFERED and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Called by asyncio when the other side sends no more; the connection is then closed."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio at the end."""
        self._ended, self._fault = True, exc
        self._wake()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes; none at the end. Raises ReadTimeout and ReadError."""
        if not self._received and not self._ended:
            await self._wait(timeout)
        if self._received:
            data = bytes(self._received[:max_bytes])
            del self._received[:max_bytes]
            if self._paused and len(self._received) < _BUFFERED:
                self._paused = False
                self._transport.resume_reading()
            return data
        if self._fault is not None:
            raise httpcore2.ReadError(str(self._fault)) from self._fault
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Hand over bytes. Requests are small: what the socket does not take at once is kept for it."""
        del timeout
        if self._transport.is_closing():
            raise httpcore2.WriteError("the connection is closed")
        if buffer:
            self._transport.write(buffer)

    async def aclose(self) -> None:
        """Hang up. A farewell in TLS would be waited for while a cut-off answer goes on coming."""
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """The same connection, encrypted from here on."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                secured = await loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as fault:
            raise httpcore2.ConnectTimeout(str(fault)) from fault
        except OSError as fault:
            raise httpcore2.ConnectError(str(fault)) from fault
        if secured is None:
            raise httpcore2.ConnectError("the connection was closed")
        self._transport = secured
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore2 asks about: ``is_readable`` means that an idle connection is of no more use."""
        if info == "is_readable":
            return self._ended or bool(self._received)
        return self._transport.get_extra_info(info)

    async def _wait(self, seconds: float | None) -> None:
        """Until something comes, be it the end."""
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._arrival
        except TimeoutError as fault:
            raise httpcore2.ReadTimeout(str(fault)) from fault
        finally:
            self._arrival = None

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
