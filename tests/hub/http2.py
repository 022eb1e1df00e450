"""HTTP/2 on one connection: streams answered side by side, flow control minded."""

import asyncio
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

from tests.hub.delivery import MALFORMED, ConnectionCut, Service, deliver
from tests.hub.messages import Origin, Request

_HIGH_WATER = 1 << 17


@dataclass
class _Stream:
    """A request that is still arriving."""

    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


class Http2Connection:
    """Serves one connection until the client leaves."""

    def __init__(
        self,
        origin: Origin,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
    ) -> None:
        self._origin = origin
        self._reader = reader
        self._writer = writer
        self._service = service
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._arriving: dict[int, _Stream] = {}
        self._answering: dict[int, asyncio.Task[None]] = {}
        self._window = asyncio.Event()

    async def serve(self, received: bytes = b"") -> None:
        """Answer every stream; ``received`` was read before it was clear that this is HTTP/2."""
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 256})
        self._flush()
        try:
            data = received or await self._reader.read(1 << 16)
            while data:
                for event in self._h2.receive_data(data):
                    self._take(event)
                self._flush()
                data = await self._reader.read(1 << 16)
        except ProtocolError:
            self._writer.transport.abort()
        finally:
            for task in self._answering.values():
                task.cancel()
            await asyncio.gather(*self._answering.values(), return_exceptions=True)

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream), headers=list(headers)):
                self._arriving[stream] = _Stream({str(name): str(text) for name, text in headers})
            case DataReceived(stream_id=int(stream), data=bytes(data)):
                self._arriving[stream].body += data
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            case StreamEnded(stream_id=int(stream)):
                self._begin(stream, self._arriving.pop(stream))
            case StreamReset(stream_id=int(stream)):
                self._arriving.pop(stream, None)
                if task := self._answering.get(stream):
                    task.cancel()
            case WindowUpdated():
                self._window.set()
            case ConnectionTerminated():
                self._writer.close()
            case _:
                pass

    def _begin(self, stream: int, arrived: _Stream) -> None:
        headers = arrived.headers
        request = Request(
            self._origin,
            headers.pop(":method", "GET"),
            headers.pop(":path", "/"),
            {name: text for name, text in headers.items() if not name.startswith(":")},
            bytes(arrived.body),
            "2",
        )
        task = asyncio.create_task(self._answer(request, stream))
        self._answering[stream] = task
        task.add_done_callback(lambda _: self._answering.pop(stream, None))

    async def _answer(self, request: Request, stream: int) -> None:
        try:
            await deliver(request, self._service(request), Http2Wire(self, stream))
        except (ConnectionCut, *MALFORMED):
            self._writer.transport.abort()
        except StreamClosedError:
            return

    async def send_head(self, stream: int, headers: list[tuple[str, str]], *, last: bool) -> None:
        """Headers of one response."""
        self._h2.send_headers(stream, headers, end_stream=last)
        self._flush()

    async def send_body(self, stream: int, data: bytes, *, last: bool) -> None:
        """A piece of one response, in frames as the client's windows allow."""
        at = 0
        while at < len(data):
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                self._window.clear()
                await self._window.wait()
                continue
            piece = data[at : at + room]
            at += len(piece)
            self._h2.send_data(stream, piece, end_stream=last and at == len(data))
            self._flush()
            if self._writer.transport.get_write_buffer_size() > _HIGH_WATER:
                await self._writer.drain()

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._writer.write(data)


class Http2Wire:
    """One response as HTTP/2 writes it."""

    def __init__(self, connection: Http2Connection, stream: int) -> None:
        self._connection = connection
        self._stream = stream

    async def send_head(self, status: int, headers: list[tuple[str, str]], *, last: bool) -> None:
        """Pseudo-header and headers."""
        await self._connection.send_head(
            self._stream, [(":status", str(status)), *headers], last=last
        )

    async def send_body(self, data: bytes, *, last: bool) -> None:
        """A piece of the body."""
        await self._connection.send_body(self._stream, data, last=last)
