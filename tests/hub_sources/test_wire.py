"""Single requests over real sockets: connections kept, proxies, compression, and what goes wrong."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from explorer.hub.wire import Fault, Wire
from tests.hub import HubServer
from tests.hub.builder import many_tensors


class Heard(NamedTuple):
    """Where a server of one fixed answer is, and what it was sent, by connection."""

    port: int
    heads: list[list[str]]


@asynccontextmanager
async def answering(
    answer: bytes, *, hang_up: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Heard]:
    """A server that gives the same bytes to every request, whatever it is."""
    heads: list[list[str]] = []
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own: list[str] = []
        heads.append(own)
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            while not (hang_up and own):
                own.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(answer)
                await writer.drain()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield Heard(server.sockets[0].getsockname()[1], heads)
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


def ok(body: bytes, *fields: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


async def get(wire: Wire, url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    async with wire.get(url, headers) as reply:
        body = b"".join([reply.unpack(piece) async for piece in reply.pieces])
        return reply.status, dict(reply.headers), body


@pytest.fixture(name="wire")
async def open_wire() -> AsyncIterator[Wire]:
    wire = Wire("tests", quiet_seconds=5)
    yield wire
    await wire.close()


async def test_an_answer_comes_with_its_fields_in_lower_case_and_repeats_joined(wire: Wire) -> None:
    async with answering(ok(b"body", "X-One: a", "X-one: b", "X-Name: \xe9")) as server:
        found = await get(wire, f"http://127.0.0.1:{server.port}/a b/é?q=ü x&r=%20", accept="x/y")
    assert found == (200, {"content-length": "4", "x-one": "a, b", "x-name": "é"}, b"body")
    first, *fields = server.heads[0][0].strip().split("\r\n")
    assert first == "GET /a%20b/%C3%A9?q=%C3%BC%20x&r=%20 HTTP/1.1"
    assert dict(line.split(": ") for line in fields) == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "x/y",
        "accept-encoding": "gzip",
        "user-agent": "tests",
    }


async def test_a_connection_is_kept_unless_the_server_ends_it(wire: Wire) -> None:
    async with answering(ok(b"1")) as server:
        for _ in range(3):
            await get(wire, f"http://127.0.0.1:{server.port}/")
        assert [len(heads) for heads in server.heads] == [3]
    async with answering(ok(b"1", "Connection: close"), hang_up=True) as server:
        for _ in range(3):
            await get(wire, f"http://127.0.0.1:{server.port}/")
        assert [len(heads) for heads in server.heads] == [1, 1, 1]


async def test_requests_at_once_have_a_connection_each_and_share_them_afterwards() -> None:
    with HubServer([many_tensors(shards=2, per_shard=1)], latency_seconds=0.02) as hub:
        wire = Wire("tests", quiet_seconds=5)
        url = f"{hub.endpoint}/api/models/acme/many-tensors"
        for _ in range(3):
            await asyncio.gather(*(get(wire, url) for _ in range(10)))
        await wire.close()
        assert hub.traffic.connections == {"hub": 10, "cdn": 0}


async def test_an_answer_given_up_in_the_middle_takes_its_connection_with_it(wire: Wire) -> None:
    async with answering(ok(bytes(3_000_000))) as server:
        url = f"http://127.0.0.1:{server.port}/"
        async with wire.get(url, {}) as reply:
            assert await anext(reply.pieces)
        assert len((await get(wire, url))[2]) == 3_000_000
        assert [len(heads) for heads in server.heads] == [1, 1]


async def test_a_compressed_body_is_unpacked(wire: Wire) -> None:
    body = b"0123456789" * 50_000
    async with answering(ok(gzip.compress(body), "Content-Encoding: gzip")) as server:
        assert (await get(wire, f"http://127.0.0.1:{server.port}/"))[2] == body
    async with answering(ok(b"no gzip", "Content-Encoding: gzip")) as server:
        with pytest.raises(Fault, match="no gzip"):
            await get(wire, f"http://127.0.0.1:{server.port}/")


async def test_an_account_in_the_address_is_sent_as_one(wire: Wire) -> None:
    async with answering(ok(b"")) as server:
        await get(wire, f"http://me:p%40ss@127.0.0.1:{server.port}/")
    assert "\r\nauthorization: Basic bWU6cEBzcw==\r\n" in server.heads[0][0]


@pytest.mark.parametrize("scheme", ["", "http://", "http://me:word@"])
async def test_a_proxy_of_the_environment_is_asked_in_place_of_the_host(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "near.example")
    async with answering(ok(b"from the proxy")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"{scheme}127.0.0.1:{proxy.port}")
        assert (await get(wire, "http://far.example/x?y"))[2] == b"from the proxy"
        assert proxy.heads[0][0].startswith("GET http://far.example/x?y HTTP/1.1\r\n")
        sent = "proxy-authorization: basic bwu6d29yza==" in proxy.heads[0][0].lower()
        assert sent == ("me:" in scheme)
    async with answering(ok(b"")) as server:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await get(wire, f"http://127.0.0.1:{server.port}/")
        assert server.heads[0][0].startswith("GET / HTTP/1.1\r\n")


async def test_https_goes_through_a_tunnel(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(Fault, match="403"):
            await get(wire, "https://far.example/secret")
    assert proxy.heads[0][0].startswith("CONNECT far.example:443 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("ftp://127.0.0.1", "no known kind"),
        ("http://[::1", "no address"),
        ("socks5://127.0.0.1:9", "SOCKS"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_said(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(Fault, match=words) as raised:
        await get(wire, "http://far.example/")
    assert raised.value.lasting


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "without sending a response"),
        (b"nonsense\r\n\r\n", "illegal"),
        (ok(b"four")[:-1], "without sending complete message"),
    ],
)
async def test_an_answer_that_is_none_or_ends_early_is_a_fault(
    wire: Wire, answer: bytes, words: str
) -> None:
    async with answering(answer, hang_up=True) as server:
        with pytest.raises(Fault, match=words) as raised:
            await get(wire, f"http://127.0.0.1:{server.port}/")
    assert not raised.value.lasting
    assert not raised.value.connecting
    assert not raised.value.silent


async def test_nobody_there_and_silence_are_told_apart(wire: Wire) -> None:
    with pytest.raises(Fault) as refused:
        await get(wire, "http://127.0.0.1:9/")
    assert refused.value.connecting
    hasty = Wire("tests", quiet_seconds=0.05)
    async with answering(b"") as server:
        with pytest.raises(Fault) as quiet:
            await get(hasty, f"http://127.0.0.1:{server.port}/")
    await hasty.close()
    assert quiet.value.silent
    assert not quiet.value.connecting


async def test_certificates_that_cannot_be_read_are_a_lasting_fault(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    with pytest.raises(Fault) as raised:
        await get(wire, "https://127.0.0.1:9/")
    assert raised.value.lasting


async def test_a_certificate_nobody_vouches_for_is_no_connection(wire: Wire) -> None:
    with HubServer([], tls=True) as hub:
        with pytest.raises(Fault, match="certificate verify failed") as raised:
            await get(wire, f"{hub.endpoint}/api/models")
        assert raised.value.connecting
        assert hub.traffic.requests() == 0


async def test_a_secured_server_that_does_not_speak_http_2_is_served_all_the_same(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with answering(ok(bytes(300_000)), tls=tls) as server:
        url = f"https://127.0.0.1:{server.port}/"
        answers = await asyncio.gather(*(get(wire, url) for _ in range(5)))
        assert [len(body) for _, _, body in answers] == [300_000] * 5
        await get(wire, url)
        assert sum(len(heads) for heads in server.heads) == 6
        await wire.close()
