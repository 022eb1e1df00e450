"""HTTP/1.1 with keep-alive, as much of it as clients of a hub use."""

import asyncio
from http import HTTPStatus

from tests.hub.delivery import ConnectionCut, Service, deliver
from tests.hub.messages import Origin, Request

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
"""What a client sends in place of a first request when it means to speak HTTP/2."""


class Http1Wire:
    """One response as HTTP/1.1 writes it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send_head(self, status: int, headers: list[tuple[str, str]], *, last: bool) -> None:
        """Status line and headers; they leave together with the first piece of the body."""
        reason = HTTPStatus(status).phrase
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {text}" for name, text in headers)]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if last:
            await self._writer.drain()

    async def send_body(self, data: bytes, *, last: bool) -> None:
        """A piece of the body."""
        del last
        self._writer.write(data)
        await self._writer.drain()


async def serve_http1(
    origin: Origin,
    head: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    service: Service,
) -> None:
    """Answer requests one after another until the client closes. ``head`` is the first one's."""
    wire = Http1Wire(writer)
    while True:
        request = await _read_request(origin, head, reader)
        await deliver(request, service(request), wire)
        if request.headers.get("connection", "").lower() == "close":
            return
        head = await reader.readuntil(b"\r\n\r\n")


async def _read_request(origin: Origin, head: bytes, reader: asyncio.StreamReader) -> Request:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, _, rest = first.partition(" ")
    target = rest.partition(" ")[0]
    fields = (line.partition(":") for line in lines)
    headers = {name.lower(): text.strip() for name, _, text in fields}
    if "transfer-encoding" in headers:
        raise ConnectionCut
    length = int(headers.get("content-length", "0"))
    body = await reader.readexactly(length) if length else b""
    return Request(origin, method, target, headers, body, "1.1")
