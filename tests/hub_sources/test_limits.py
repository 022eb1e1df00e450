"""The hub's limits as its answers tell them, and listings that are gone on with."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import RateLimited, Unreachable
from explorer.hub.fallback import Fallback
from explorer.hub.huggingface import HuggingFace
from explorer.hub.limits import API, FILES, Limit, Limits, bucket_of, read_limit
from explorer.hub.local import Local
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import Query, Source
from explorer.hub.store import Store
from explorer.hub.stored import FRESH_SECONDS, Stored
from tests.hub import Fault, HubServer, RateLimits
from tests.hub.builder import generate_listing
from tests.hub_sources.readings import Clock, Pauses, names_of, pages_of

# As captured from the live hub in 2026.
HEADERS = {
    "ratelimit": '"api";r=499;t=295',
    "ratelimit-policy": '"fixed window";"api";q=500;w=300',
}
URL = "https://hub.example/api/models"


def test_what_an_answer_announces() -> None:
    assert read_limit(HEADERS) == Limit("api", 499, 295.0, 500)
    assert read_limit({"ratelimit": HEADERS["ratelimit"]}) == Limit("api", 499, 295.0, 499)
    assert read_limit({}) is None


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        (URL, API),
        ("https://hub.example/a/b/resolve/main/config.json", FILES),
        ("https://hub.example/api/resolve-cache/models/a/b/main/config.json", FILES),
        ("http://[", FILES),
    ],
)
def test_which_bucket_a_request_is_counted_in(url: str, bucket: str) -> None:
    assert bucket_of(url) == bucket


def test_a_share_of_the_window_is_kept_and_what_is_in_flight_counts() -> None:
    clock = Clock(0.0)
    limits = Limits(clock)
    assert limits.wait_seconds(API, keep=0.5) == 0
    limits.note(URL, 200, {**HEADERS, "ratelimit": '"api";r=260;t=100'})
    assert limits.wait_seconds(API, keep=0.5, in_flight=9) == 0
    assert limits.wait_seconds(API, keep=0.5, in_flight=10) == 100
    assert limits.wait_seconds(API, in_flight=10) == 0
    assert limits.wait_seconds(FILES, keep=0.5) == 0
    clock.now = 40
    assert limits.wait_seconds(API, keep=0.6) == 60
    clock.now = 100
    assert limits.wait_seconds(API, keep=0.6) == 0


def test_answers_that_overtake_each_other_give_nothing_back() -> None:
    limits = Limits(Clock(0.0))
    limits.note(URL, 200, {**HEADERS, "ratelimit": '"api";r=0;t=100'})
    limits.note(URL, 200, {**HEADERS, "ratelimit": '"api";r=3;t=100'})
    assert limits.wait_seconds(API) == 100


def test_a_refusal_lasts_as_long_as_it_says_or_a_minute() -> None:
    limits = Limits(Clock(0.0))
    limits.note(URL, 429, {"retry-after": "30"})
    assert limits.wait_seconds(API) == 31
    limits.note("https://hub.example/a/b/resolve/main/x", 429, {})
    assert limits.wait_seconds(FILES) == 60


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from([200, 429]))
def test_any_header_can_be_read(limit: str, policy: str, status: int) -> None:
    limits = Limits(Clock(0.0))
    limits.note(URL, status, {"ratelimit": limit, "ratelimit-policy": policy, "retry-after": limit})
    assert limits.wait_seconds(API) >= 0


async def test_a_hub_that_is_known_to_refuse_is_not_asked() -> None:
    clock = Clock()
    with HubServer(generate_listing(9), limits=RateLimits(api=2), clock=clock) as hub:
        source = HuggingFace(hub.endpoint, pause=Pauses(), monotonic=clock)
        for _ in range(2):
            await names_of(source, Query())
        for _ in range(5):
            with pytest.raises(RateLimited) as refusal:
                await names_of(source, Query())
        assert hub.traffic.requests() == 2
        assert refusal.value.retry_after_seconds == pytest.approx(300, abs=1)
        clock.now += 301
        assert len(await names_of(source, Query())) == 9
        await source.close()


async def test_every_source_goes_on_behind_a_page(tmp_path: Path) -> None:
    for number in range(120):
        folder = tmp_path / "models" / f"m{number:03}"
        folder.mkdir(parents=True)
        (folder / "model.gguf").write_bytes(b"GGUF")
    with HubServer(generate_listing(120)) as hub:
        live = HuggingFace(hub.endpoint)
        nowhere = HuggingFace("http://127.0.0.1:9", pause=Pauses())
        sources: list[Source] = [
            live,
            Stored(HuggingFace(hub.endpoint), Store(tmp_path / "cache")),
            Snapshot(),
            Local([tmp_path / "models"], home=tmp_path / "home", environment={}),
            Fallback(live, Snapshot()),
            Fallback(nowhere, Snapshot()),
        ]
        for source in sources:
            query = Query(sort="downloads")
            first, second = await pages_of(source, query, most=2)
            again = await pages_of(source, replace(query, start=first.following), most=1)
            assert [row.id for row in again[0].rows] == [row.id for row in second.rows]
            last = (await pages_of(source, query))[-1]
            assert (last.more, last.following) == (False, "")
            await source.close()


async def test_a_listing_begun_by_the_hub_is_not_gone_on_with_by_another() -> None:
    with HubServer(generate_listing(120)) as hub:
        source = Fallback(HuggingFace(hub.endpoint, pause=Pauses()), Snapshot())
        [page] = await pages_of(source, Query(), most=1)
        hub.inject(Fault(kind="list", drop_after_bytes=0))
        with pytest.raises(Unreachable):
            await pages_of(source, Query(start=page.following))
        await source.close()


async def test_only_the_hubs_own_pages_are_gone_on_with() -> None:
    with HubServer(generate_listing(60)) as hub, HubServer() as other:
        source = HuggingFace(hub.endpoint)
        start = f"{other.endpoint}/api/models"
        assert len((await pages_of(source, Query(start=start)))[0].rows) == 50
        assert other.traffic.requests() == 0
        await source.close()


async def test_stored_pages_are_gone_on_from_where_they_end(tmp_path: Path) -> None:
    clock = Clock()
    with HubServer(generate_listing(300)) as hub:

        def start() -> Stored:
            return Stored(HuggingFace(hub.endpoint), Store(tmp_path, clock=clock), clock=clock)

        query = Query(sort="downloads", limit=250)
        source = start()
        await pages_of(source, query, most=1)
        await source.close()
        source = start()
        names = await names_of(source, query)
        assert len(names) == len(set(names)) == 250
        # 100 rows, then the 150 others: nothing that was stored is asked for again.
        assert hub.traffic.requests(kind="list") == 3
        assert await names_of(source, query) == names
        assert hub.traffic.requests(kind="list") == 3
        clock.now += FRESH_SECONDS + 1
        assert await names_of(source, query) == names
        assert hub.traffic.requests(kind="list") == 6
        await source.close()
