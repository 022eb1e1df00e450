"""Ranged reads over real connections: what is asked, of whom, and what happens when it goes wrong."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import ExplorerError, FileNotFound, HeaderError, RateLimited, Unreachable
from explorer.hub.huggingface import HuggingFace
from explorer.hub.ranges import MERGED_BYTES, cut, expiry, plan
from explorer.hub.source import ModelRef, Repo, RepoFile
from explorer.spans import Span
from tests.hub import Account, Fault, HubFile, HubRepo, HubServer, ZeroFilled
from tests.hub.builder import llama_like, many_tensors, real_files
from tests.hub_sources.readings import (
    Pauses,
    bytes_of,
    look_up,
    safetensors_header,
    weights_of,
)

PATTERN = bytes(range(256)) * 4096
"""A megabyte in which every byte tells where it is, roughly."""


async def read(hub: HubServer, name: str, *spans: Span, token: str = "") -> tuple[bytes, ...]:
    source = HuggingFace(hub.endpoint, token=token, pause=Pauses())
    try:
        repo = await look_up(source, name)
        return await source.read(repo, repo.files[0], bytes_of(*spans))
    finally:
        await source.close()


async def test_ranges_are_the_bytes_that_were_asked_for() -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        bodies = await read(
            hub,
            "acme/bytes",
            Span(0, 10),
            Span(500_000, 500_003),
            Span(5, 8),
            Span(1048570, 2 << 20),
        )
    assert bodies == (PATTERN[:10], PATTERN[500_000:500_003], PATTERN[5:8], PATTERN[1048570:])


async def test_the_redirect_is_followed_once_for_all_ranges_of_a_file() -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/bytes")
        for start in (0, 300_000, 600_000, 900_000):
            await source.read(repo, repo.files[0], bytes_of(Span(start, start + 9)))
        await source.close()
        assert hub.traffic.requests(kind="resolve") == 1
        assert hub.traffic.requests(origin="cdn") == 4
        assert source.transfer.requests == 6
        assert source.transfer.bytes < 4_000


async def test_parallel_ranges_of_one_step_wait_for_one_redirect_and_not_for_each_other() -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})], latency_seconds=0.05) as hub:
        await read(hub, "acme/bytes", *(Span(start, start + 9) for start in range(0, 10**6, 10**5)))
        assert hub.traffic.requests(kind="resolve") == 1
        assert hub.traffic.requests(origin="cdn") == 10
        assert hub.traffic.peak_in_flight >= 8


async def test_the_token_goes_to_the_hub_and_nowhere_else() -> None:
    repo = HubRepo("acme/secret", [HubFile("model.bin", ZeroFilled(b"x", 10**9))], private=True)
    with HubServer([repo], accounts=[Account("hf_loopback", "acme")]) as hub:
        await read(hub, "acme/secret", Span(0, 10), token="hf_loopback")
        seen = {
            origin: {
                exchange.headers.get("authorization") for exchange in hub.traffic.of(origin=origin)
            }
            for origin in ("hub", "cdn")
        }
    assert seen == {"hub": {"Bearer hf_loopback"}, "cdn": {None}}


async def test_a_server_that_ignores_the_range_is_cut_off() -> None:
    file = HubFile("model.bin", ZeroFilled(b"beginning", 10**10))
    with HubServer([HubRepo("acme/huge", [file])]) as hub:
        hub.inject(Fault(origin="cdn", ignore_range=True))
        assert await read(hub, "acme/huge", Span(0, 9), Span(100_000, 100_003)) == (
            b"beginning",
            b"\0\0\0",
        )
        with pytest.raises(Unreachable):
            await read(hub, "acme/huge", Span(9 * 10**9, 9 * 10**9 + 1))
        # What the server wrote into the connection before it noticed; of 10 GB.
        assert sum(exchange.sent_bytes for exchange in hub.traffic.of(origin="cdn")) < 50_000_000


async def test_an_expired_address_is_looked_up_again() -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/bytes")
        await source.read(repo, repo.files[0], bytes_of(Span(0, 9)))
        hub.links.expire_all()
        bodies = await source.read(repo, repo.files[0], bytes_of(Span(10, 12)))
        await source.close()
        assert bodies == (PATTERN[10:12],)
        assert hub.traffic.requests(kind="resolve") == 2


async def test_an_address_about_to_expire_is_not_used_twice() -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        hub.links.lifetime_seconds = 5
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/bytes")
        await source.read(repo, repo.files[0], bytes_of(Span(0, 9)))
        await source.read(repo, repo.files[0], bytes_of(Span(10, 12)))
        await source.close()
        assert hub.traffic.requests(kind="resolve") == 2
        assert [exchange.status for exchange in hub.traffic.of(origin="cdn")] == [206, 206]


async def test_a_store_of_files_that_refuses_for_good_is_an_error_after_one_more_look() -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        hub.inject(Fault(origin="cdn", status=403))
        with pytest.raises(Unreachable, match="refuses with 403"):
            await read(hub, "acme/bytes", Span(0, 9))
        assert hub.traffic.requests(origin="cdn") <= 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(origin="cdn", drop_after_bytes=0, times=2),
        Fault(origin="cdn", drop_after_bytes=1000, times=2),
        Fault(origin="cdn", status=503, times=2),
        Fault(kind="resolve", status=502, times=2),
        Fault(kind="resolve", status=429, retry_after_seconds=3, times=1),
        Fault(origin="cdn", body=b"short", times=1),
        Fault(origin="cdn", status=403, times=1),
    ],
    ids=["refused", "dropped", "overloaded", "gateway", "limited", "short", "forbidden"],
)
async def test_a_passing_fault_is_waited_out(fault: Fault) -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        hub.inject(fault)
        assert await read(hub, "acme/bytes", Span(0, 100_000)) == (PATTERN[:100_000],)


@pytest.mark.parametrize(
    "fault",
    [Fault(origin="cdn", body=b"short", times=1), Fault(origin="cdn", status=403, times=1)],
    ids=["short", "forbidden"],
)
async def test_an_address_that_was_just_given_and_fails_is_asked_for_again(fault: Fault) -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        hub.inject(fault)
        assert await read(hub, "acme/bytes", Span(0, 100)) == (PATTERN[:100],)
        assert hub.traffic.requests(kind="resolve") == 2
        assert hub.traffic.requests(origin="cdn") == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(origin="cdn", drop_after_bytes=5), Unreachable),
        (Fault(origin="cdn", status=500), Unreachable),
        (Fault(origin="cdn", status=416), Unreachable),
        (Fault(origin="cdn", status=404), Unreachable),
        (Fault(origin="cdn", body=b"short"), Unreachable),
        (Fault(origin="cdn", headers={"content-range": "bytes 7-16/1048576"}), Unreachable),
        (Fault(origin="cdn", headers={"location": "http://[::1"}, status=302), Unreachable),
        (Fault(kind="resolve", headers={"location": "ftp://example.com/x"}), Unreachable),
        (
            Fault(kind="resolve", headers={"location": "/acme/bytes/resolve/main/model.bin"}),
            Unreachable,
        ),
        (Fault(kind="resolve", status=404), FileNotFound),
        (Fault(kind="resolve", status=429, retry_after_seconds=120), RateLimited),
    ],
)
async def test_a_lasting_fault_is_one_clear_error(fault: Fault, error: type[ExplorerError]) -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        hub.inject(fault)
        with pytest.raises(error) as failure:
            await read(hub, "acme/bytes", Span(0, 10))
        assert failure.value.title
        assert len(hub.traffic.exchanges) < 20


async def test_a_rate_limit_is_waited_for_as_the_hub_says_and_reported_when_that_is_long() -> None:
    pauses = Pauses()
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        source = HuggingFace(hub.endpoint, pause=pauses)
        repo = await look_up(source, "acme/bytes")
        hub.inject(Fault(kind="resolve", status=429, retry_after_seconds=3, times=1))
        await source.read(repo, repo.files[0], bytes_of(Span(0, 9)))
        assert pauses.seconds == [4.0]
        hub.inject(Fault(kind="info", status=429, retry_after_seconds=120))
        with pytest.raises(RateLimited) as failure:
            await look_up(source, "acme/bytes")
        await source.close()
    assert failure.value.retry_after_seconds == 121
    assert "121 s" in failure.value.hint


async def test_a_missing_shard_leaves_the_others() -> None:
    with HubServer([llama_like(shards=4)]) as hub:
        hub.inject(Fault(path="*/model-00002-of-*", kind="resolve", status=404))
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/llama-tiny")
        results = await asyncio.gather(
            *(source.read(repo, file, safetensors_header()) for file in weights_of(repo)),
            return_exceptions=True,
        )
        await source.close()
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["dict", "FileNotFound", "dict", "dict"]


async def test_headers_of_160_shards_cost_two_requests_each() -> None:
    with HubServer([many_tensors()], latency_seconds=0.02, headers_endpoint=False) as hub:
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/many-tensors")
        hub.traffic.clear()
        before = source.transfer
        assert await source.sharded_headers(repo, "model.safetensors.index.json") is None
        headers = await asyncio.gather(
            *(source.read(repo, file, safetensors_header()) for file in weights_of(repo))
        )
        after = source.transfer
        await source.close()
        assert sum(len(header) - 1 for header in headers) == 160 * 585
        assert hub.traffic.requests() == after.requests - before.requests <= 321
        assert after.bytes - before.bytes < 16_100_000
        assert 16 <= hub.traffic.peak_in_flight <= 64


async def test_http_2_carries_all_of_it_on_a_connection_an_origin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with HubServer([many_tensors(shards=20, per_shard=5)], tls=True) as hub:
        monkeypatch.setenv("SSL_CERT_FILE", str(hub.ca_file))
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/many-tensors")
        await asyncio.gather(
            *(source.read(repo, file, safetensors_header()) for file in weights_of(repo))
        )
        await source.close()
        assert {exchange.protocol for exchange in hub.traffic.exchanges} == {"2"}
        assert hub.traffic.connections == {"hub": 1, "cdn": 1}


async def test_a_header_that_claims_to_be_enormous_is_not_read() -> None:
    file = HubFile("model.safetensors", ZeroFilled((10**10).to_bytes(8, "little"), 10**11))
    with HubServer([HubRepo("acme/liar", [file])]) as hub:
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/liar")
        with pytest.raises(HeaderError, match="asks for too much"):
            await source.read(repo, repo.files[0], safetensors_header())
        await source.close()
        assert source.transfer.bytes < 200_000


async def test_giving_up_a_read_leaves_the_source_usable() -> None:
    with HubServer([real_files("acme/bytes", {"model.bin": PATTERN})]) as hub:
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/bytes")
        hub.inject(Fault(origin="cdn", latency_seconds=60, times=1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await source.read(repo, repo.files[0], bytes_of(Span(0, 9)))
        assert await source.read(repo, repo.files[0], bytes_of(Span(0, 2))) == (b"\0\1",)
        await source.close()


async def test_a_file_at_an_unknown_place_needs_no_hub() -> None:
    source = HuggingFace("http://127.0.0.1:9", pause=Pauses())
    listing = (await _a_repo()).listing
    repo = Repo(ModelRef("a/b"), listing, None, (RepoFile("x", 0),))
    assert await source.read(repo, repo.files[0], bytes_of(Span(0, 10))) == (b"",)
    assert source.transfer.requests == 0


async def _a_repo() -> Repo:
    with HubServer([llama_like()]) as hub:
        source = HuggingFace(hub.endpoint)
        try:
            return await look_up(source, "acme/llama-tiny")
        finally:
            await source.close()


@given(
    st.lists(st.tuples(st.integers(0, 20 << 20), st.integers(0, 6 << 20)), max_size=8),
)
def test_planned_requests_cover_every_range_once(places: list[tuple[int, int]]) -> None:
    spans = [Span(start, start + size) for start, size in places]
    requests = plan(spans)
    assert all(0 < request.size <= MERGED_BYTES for request in requests)
    assert all(one.stop <= other.start for one, other in pairwise(requests))
    pieces = [(request, b"\0" * request.size) for request in requests]
    assert [len(cut(span, pieces)) for span in spans] == [span.size for span in spans]


def test_near_ranges_are_one_request_and_far_ones_are_not() -> None:
    assert plan([Span(0, 8), Span(8, 100)]) == (Span(0, 100),)
    assert plan([Span(1000, 2000), Span(0, 10)]) == (Span(0, 2000),)
    assert plan([Span(0, 10), Span(1 << 20, (1 << 20) + 5)]) == (
        Span(0, 10),
        Span(1 << 20, (1 << 20) + 5),
    )
    assert plan([Span(0, 5 << 20)]) == (
        Span(0, 2 << 20),
        Span(2 << 20, 4 << 20),
        Span(4 << 20, 5 << 20),
    )


def test_signed_addresses_say_when_they_expire() -> None:
    assert expiry("https://cdn/x?Expires=1700000000&Signature=a") == 1_700_000_000
    assert expiry("https://s3/x?X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600") == 1767229200
    assert expiry("https://cdn/x") is None
    assert expiry("https://cdn/x?Expires=soon&X-Amz-Expires=1&X-Amz-Date=never") is None
