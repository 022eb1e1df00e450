"""Rows made exact in the background: what is asked, in which order, and how the limits are minded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from explorer.hub.source import Listing, ModelRef
from explorer.inspection.refine import WAITING, Refiner, can_be_refined
from explorer.inspection.rows import describe
from tests.hub import Fault, HubRepo, HubServer, RateLimits
from tests.hub.builder import gguf_repo, llama_like
from tests.inspection_listing.desk import Time, hub_source, listed, stored_source, take

NUMBER = 30
MODELS = [
    llama_like(f"acme/model-{i:02}", context=4096 + i, downloads=1000 - i) for i in range(NUMBER)
]


@pytest.fixture(name="hub")
def running_hub() -> Iterator[HubServer]:
    with HubServer(MODELS) as hub:
        yield hub


async def test_a_row_becomes_exact_with_one_look_at_its_config(hub: HubServer) -> None:
    source = hub_source(hub, Time())
    rows = await listed(source)
    assert all(row.estimated and row.context_tokens is None for row in rows)
    hub.traffic.clear()
    refiner = Refiner(source)
    refiner.look_at(rows[:5])
    refined = {row.listing.id: row for row in await take(refiner, 5)}
    assert sorted(refined) == [row.listing.id for row in rows[:5]]
    assert [refined[row.listing.id].context_tokens for row in rows[:5]] == [*range(4096, 4101)]
    assert not any(row.estimated for row in refined.values())
    assert hub.traffic.requests(kind="resolve") == 5
    assert hub.traffic.requests(kind="info") == hub.traffic.requests(kind="tree") == 0
    await source.close()


async def test_a_config_is_stored_for_ever_and_serves_the_opened_model_too(
    hub: HubServer, tmp_path: Path
) -> None:
    time = Time()
    source = stored_source(hub, time, tmp_path)
    rows = await listed(source)
    await Refiner(source).refine(rows[:3])
    await source.close()
    hub.traffic.clear()
    time.now += 365 * 86400
    again = stored_source(hub, time, tmp_path)
    refined = await Refiner(again).refine(rows[:3])
    assert [row.estimated for row in refined] == [False] * 3
    assert hub.traffic.requests() == 0
    repo = await again.repo(ModelRef(rows[0].listing.id))
    assert await again.text(repo, "config.json")
    assert [exchange.kind for exchange in hub.traffic.exchanges] == ["info"]
    await again.close()


async def test_what_is_in_view_now_comes_first_and_what_was_seen_long_ago_is_dropped(
    hub: HubServer,
) -> None:
    source = hub_source(hub, Time())
    rows = await listed(source)
    refiner = Refiner(source, in_flight=1)
    others = [replace(rows[0], listing=Listing(f"acme/other-{i}")) for i in range(WAITING)]
    refiner.look_at(rows[20:25])
    refiner.look_at(others[: WAITING - 8])
    refiner.look_at(rows[:5])
    refiner.look_at(rows[5:8])
    first = [row.listing.id for row in await take(refiner, 8)]
    assert first == [row.listing.id for row in (*rows[5:8], *rows[:5])]
    # The five seen at the very first had to make room.
    assert refiner.state.waiting == WAITING - 8
    refiner.close()
    await source.close()


async def test_no_more_than_agreed_are_in_flight(hub: HubServer) -> None:
    source = hub_source(hub, Time())
    rows = await listed(source)
    hub.traffic.clear()
    hub.latency_seconds = 0.01
    refiner = Refiner(source, in_flight=3)
    refiner.look_at(rows)
    assert len(await take(refiner, NUMBER)) == NUMBER
    assert hub.traffic.peak_in_flight <= 3
    await source.close()


async def test_that_there_is_nothing_is_remembered(hub: HubServer, tmp_path: Path) -> None:
    hub.catalog.add(HubRepo("acme/bare", safetensors={"parameters": {"BF16": 10**9}}))
    hub.catalog.add(llama_like("acme/gated", gated="manual"))
    time = Time()
    source = stored_source(hub, time, tmp_path)
    rows = [*await listed(source, "bare"), *await listed(source, "gated")]
    hub.traffic.clear()
    for _ in range(2):
        refined = await Refiner(source).refine(rows)
        assert [row.estimated for row in refined] == [True, True]
    assert hub.traffic.requests() == 2
    time.now += 3600  # what a commit has not does not come; terms may have been accepted
    await Refiner(source).refine(rows)
    assert [e.target.split("/")[2] for e in hub.traffic.exchanges[2:]] == ["gated"]
    await source.close()


async def test_a_damaged_config_leaves_the_estimate_and_is_not_asked_for_again(
    hub: HubServer,
) -> None:
    hub.inject(Fault(path="*/model-00/*", body=b'{"num_hidden_layers": '))
    hub.inject(Fault(path="*/model-01/*", body=b'{"num_hidden_layers": "many", "a": 1, "b": 2}'))
    source = hub_source(hub, Time())
    rows = await listed(source)
    refiner = Refiner(source)
    for _ in range(2):
        refined = await refiner.refine(rows[:3])
        assert [row.estimated for row in refined] == [True, True, False]
    asked = [e.target for e in hub.traffic.of(kind="resolve") if "model-02" not in e.target]
    assert len(asked) == 2
    await source.close()


async def test_gguf_repositories_take_the_shape_of_their_base_which_is_asked_for_once(
    hub: HubServer,
) -> None:
    for name in ("one", "two"):
        about = {"total": 8_000_000_000, "architecture": "llama", "context_length": 2048}
        card = {"base_model": "acme/model-07"}
        hub.catalog.add(gguf_repo(f"{name}/model-07-GGUF", gguf=about, card=card))
    source = hub_source(hub, Time())
    rows = await listed(source, "gguf")
    assert [row.context_tokens for row in rows] == [2048, 2048]
    hub.traffic.clear()
    refined = await Refiner(source).refine(rows)
    assert [(row.estimated, row.context_tokens) for row in refined] == [(False, 2048)] * 2
    assert [row.active for row in refined] != [None, None]
    assert [row.parameters for row in refined] == [8_000_000_000] * 2
    assert hub.traffic.requests(kind="resolve") == 1
    await source.close()


async def test_half_of_a_window_is_left_to_what_a_person_asks_for() -> None:
    time = Time()
    with HubServer(MODELS, limits=RateLimits(resolvers=40), clock=time) as hub:
        source = hub_source(hub, time)
        rows = await listed(source)
        hub.traffic.clear()
        refiner = Refiner(source, in_flight=4, pause=time.pause, monotonic=time)
        refiner.look_at(rows)
        await take(refiner, 6)
        used = [len(hub.traffic.of(kind="resolve")) + len(hub.traffic.of(kind="cache"))]
        seen = {row.listing.id for row in await take(refiner, NUMBER - 6)}
        await source.close()
    assert used[0] <= 20
    # A file takes two exchanges, a redirect and its target: 60 in all, at most 20 a window of 300 s,
    # and somewhat fewer, since what is in flight at the end of a window counts in full.
    assert [exchange.status for exchange in hub.traffic.exchanges].count(429) == 0
    assert len([wait for wait in time.waits if wait > 0]) >= 2
    assert time.now - 1_800_000_000.0 <= 7 * 301
    assert len(seen) == NUMBER - 6


async def test_a_refusal_pauses_says_until_when_and_loses_nothing(hub: HubServer) -> None:
    time = Time()
    source = hub_source(hub, time)
    rows = await listed(source)
    hub.inject(Fault(kind="resolve", skip=5, times=2, status=429, retry_after_seconds=60))
    refiner = Refiner(source, in_flight=2, pause=time.pause, monotonic=time)
    refiner.look_at(rows)
    first = await take(refiner, 5)
    rest = await take(refiner, NUMBER - 5)
    ids = [row.listing.id for row in (*first, *rest)]
    assert sorted(set(ids)) == sorted(row.listing.id for row in rows)
    assert time.waits
    assert max(time.waits) == pytest.approx(61, abs=1)
    assert [e.status for e in hub.traffic.of(kind="resolve")].count(429) <= 2
    assert refiner.state.resumes_in_seconds is None
    await source.close()


async def test_stored_configs_come_while_the_hub_is_silent(hub: HubServer, tmp_path: Path) -> None:
    time = Time()
    source = stored_source(hub, time, tmp_path)
    rows = await listed(source)
    await Refiner(source).refine(rows[10:12])
    hub.inject(Fault(kind="resolve", status=429, retry_after_seconds=200))
    refiner = Refiner(source, monotonic=time, pause=_never)
    refiner.look_at(rows[:12])
    seen = {row.listing.id for row in await take(refiner, 2)}
    assert seen == {row.listing.id for row in rows[10:12]}
    assert refiner.state.resumes_in_seconds == pytest.approx(201, abs=1)
    assert refiner.state.waiting == 10
    assert [e.status for e in hub.traffic.of(kind="resolve")].count(429) <= 6
    refiner.close()
    await source.close()


async def _never(seconds: float) -> None:
    import asyncio

    await asyncio.Event().wait()


async def test_refined_rows_carry_the_age_of_their_listing(hub: HubServer, tmp_path: Path) -> None:
    time = Time()
    source = stored_source(hub, time, tmp_path)
    await listed(source)
    time.now += 600
    rows = await listed(source)
    [refined] = await Refiner(source).refine(rows[:1])
    assert (refined.estimated, refined.age_seconds) == (False, 600)
    await source.close()


@pytest.mark.parametrize("library", ["peft", "diffusers"])
def test_what_has_no_config_of_a_language_model_is_not_asked_for(library: str) -> None:
    assert not can_be_refined(describe(Listing("a/b", library=library, parameters=10**9)))
