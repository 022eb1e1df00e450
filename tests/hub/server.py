"""The loopback hub: two origins on two ports, in a thread with its own event loop."""

import asyncio
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.hub.access import Catalog
from tests.hub.api import ModelsApi
from tests.hub.delivery import MALFORMED, ConnectionCut, Delivery
from tests.hub.faults import Fault, FaultPlan
from tests.hub.http1 import PREFACE, serve_http1
from tests.hub.http2 import Http2Connection
from tests.hub.limits import RateLimits, RateMeter
from tests.hub.messages import Answer, Origin, Request
from tests.hub.repositories import Account, HubRepo
from tests.hub.resolve import FileLinks
from tests.hub.traffic import Exchange, Traffic

_HOST = "127.0.0.1"


class HubServer:
    """A hub on loopback, for sync and async tests alike.

        with HubServer([repo]) as hub:
            ... hub.endpoint ... hub.traffic.requests(kind="resolve")

    Speaks HTTP/1.1, and HTTP/2 to clients that know it (h2c) or, with ``tls``, negotiate it.
    Everything public may be changed while it runs.
    """

    def __init__(
        self,
        repos: Iterable[HubRepo] = (),
        *,
        accounts: Iterable[Account] = (),
        latency_seconds: float = 0.0,
        tls: bool = False,
        limits: RateLimits | None = None,
        headers_endpoint: bool = True,
        clock: Callable[[], float] = time.time,
        ports: tuple[int, int] = (0, 0),
    ) -> None:
        self.catalog = Catalog(repos, accounts)
        self.traffic = Traffic()
        self.latency_seconds = latency_seconds
        self.api = ModelsApi(self.catalog, lambda: self.endpoint)
        self.api.headers_endpoint = headers_endpoint
        self.links = FileLinks(self.catalog, lambda: self.cdn_endpoint, clock)
        self.meter = RateMeter(limits or RateLimits(), clock)
        self._faults = FaultPlan()
        self._tls = _make_tls() if tls else None
        self._ports = ports
        self._bound: dict[Origin, int] = {}
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._live: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finish: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="loopback hub", daemon=True)

    @property
    def endpoint(self) -> str:
        """Value for ``HF_ENDPOINT``."""
        return self._url("hub")

    @property
    def cdn_endpoint(self) -> str:
        """Origin that large files are redirected to."""
        return self._url("cdn")

    @property
    def client_tls(self) -> ssl.SSLContext:
        """A context that trusts this server; only with ``tls``."""
        assert self._tls is not None, "the server was started without tls"
        return self._tls.client

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, for ``SSL_CERT_FILE``; only with ``tls``, until the server stops."""
        assert self._tls is not None, "the server was started without tls"
        return Path(self._tls.folder.name) / "ca.pem"

    def inject(self, fault: Fault) -> None:
        """Put a fault in force; of several that match, the first strikes."""
        self._faults.add(fault)

    def heal(self) -> None:
        """Remove every fault."""
        self._faults.clear()

    def __enter__(self) -> Self:
        """Start; returns once both ports listen."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut every connection and stop."""
        if self._loop is not None and self._finish is not None:
            self._loop.call_soon_threadsafe(self._finish.set)
        self._thread.join()
        if self._tls is not None:
            self._tls.folder.cleanup()

    def _url(self, origin: Origin) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{_HOST}:{self._bound[origin]}"

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._finish = asyncio.Event()
        servers: list[asyncio.Server] = []
        origins: tuple[Origin, Origin] = ("hub", "cdn")
        try:
            for origin, port in zip(origins, self._ports, strict=True):
                server = await asyncio.start_server(
                    partial(self._accept, origin),
                    _HOST,
                    port,
                    ssl=self._tls.server if self._tls else None,
                    limit=1 << 18,
                    backlog=512,
                )
                servers.append(server)
                self._bound[origin] = server.sockets[0].getsockname()[1]
        except OSError as failure:
            self._failure = failure
            self._finish.set()
        self._ready.set()
        await self._finish.wait()
        for server in servers:
            server.close()
        await self._cut_connections()

    async def _cut_connections(self) -> None:
        live = dict(self._live)
        for task, writer in live.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)

    def _accept(
        self, origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.traffic.connections[origin] += 1
        task = asyncio.create_task(self._connection(origin, reader, writer))
        self._live[task] = writer
        task.add_done_callback(self._live.pop)

    async def _connection(
        self, origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await self._speak(origin, reader, writer)
        except (ConnectionCut, *MALFORMED, OSError, EOFError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            writer.close()

    async def _speak(
        self, origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        tls = writer.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            await Http2Connection(origin, reader, writer, self._service).serve()
            return
        head = await reader.readuntil(b"\r\n\r\n")
        if head == PREFACE:
            await Http2Connection(origin, reader, writer, self._service).serve(head)
            return
        await serve_http1(origin, head, reader, writer, self._service)

    def _service(self, request: Request) -> Delivery:
        kind = self._kind(request)
        exchange = Exchange(
            request.origin, kind, request.method, request.target, request.headers, request.protocol
        )
        self.traffic.begin(exchange)
        answer = self._answer(request)
        fault = self._faults.strike(request, kind)
        if fault is not None:
            answer = fault.applied(answer)
        return Delivery(answer, exchange, self.traffic.end, self.latency_seconds, fault)

    def _kind(self, request: Request) -> str:
        if request.origin == "hub" and request.path.startswith("/api/"):
            return self.api.kind(request)
        return self.links.kind(request)

    def _answer(self, request: Request) -> Answer:
        if request.origin == "cdn":
            return self.links.cdn(request)
        answers = self.api.answer if request.path.startswith("/api/") else self.links.resolve
        answer = self.meter.admit(request, lambda: answers(request))
        return answer.with_headers(x_request_id=f"Root=1-{len(self.traffic.exchanges):08x}")


@dataclass(frozen=True)
class _Tls:
    server: ssl.SSLContext
    client: ssl.SSLContext
    folder: tempfile.TemporaryDirectory[str]


def _make_tls() -> _Tls:
    """A throw-away authority and a certificate of it for loopback."""
    import trustme

    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", _HOST).configure_cert(server)
    server.set_alpn_protocols(["h2", "http/1.1"])
    client = ssl.create_default_context()
    authority.configure_trust(client)
    folder = tempfile.TemporaryDirectory(prefix="loopback-hub-")
    authority.cert_pem.write_to_path(str(Path(folder.name) / "ca.pem"))
    return _Tls(server, client, folder)
