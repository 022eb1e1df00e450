"""Searching a long listing through filters: what is asked, how often, and what is said of it."""

from collections.abc import Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest

from explorer.fit.values import Scenario, Verdict
from explorer.hardware.spec import parse_machine
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import Source
from explorer.inspection.filter_words import parse_filters
from explorer.inspection.refine import Refiner
from explorer.inspection.rows import judge_again
from explorer.inspection.searching import Account, Found, Judge, search
from tests.hub import Fault, HubServer, RateLimits
from tests.hub.builder import generate_listing, llama_like
from tests.inspection_listing.desk import Time, hub_source, stored_source

ROWS = 100_000
JUDGE: Judge = partial(judge_again, machine=parse_machine("RTX 4090"), scenario=Scenario())


@pytest.fixture(name="hub", scope="module")
def running_hub() -> Iterator[HubServer]:
    with HubServer(generate_listing(ROWS)) as hub:
        yield hub


@pytest.fixture(autouse=True)
def nothing_seen(hub: HubServer) -> None:
    hub.heal()
    hub.traffic.clear()


async def fill(
    source: Source,
    words: str,
    wanted: int,
    refiner: Refiner | None = None,
    time: Time | None = None,
) -> list[Found]:
    """What comes until so many rows are there: a screen is filled."""
    parts: list[Found] = []
    found = search(
        source, parse_filters(words), JUDGE, refiner=refiner, pause=(time or Time()).pause
    )
    async with aclosing(found) as coming:
        async for part in coming:
            parts.append(part)
            if sum(len(part.rows) for part in parts) >= wanted:
                break
    return parts


def names(parts: list[Found]) -> list[str]:
    return [row.listing.id for part in parts for row in part.rows]


async def test_pages_come_until_the_screen_is_full_and_no_further(hub: HubServer) -> None:
    source = hub_source(hub, Time())
    parts = await fill(source, "fits params:14B..32B sort:downloads", 100)
    # Two of seven rows have such a size, and the hub gives no others: two pages of 50 are enough.
    assert hub.traffic.requests(kind="list") == 2
    assert len(names(parts)) == 100
    assert parts[-1].account == Account(passed=100, looked_at=100, more=True)
    for row in (row for part in parts for row in part.rows):
        assert 14e9 <= (row.parameters or 0) <= 32e9
        assert row.answer is not None
        assert row.answer.verdict in (Verdict.FITS, Verdict.TIGHT)
    await source.close()


async def test_the_account_says_how_many_were_looked_at_and_what_is_not_known(
    hub: HubServer,
) -> None:
    source = hub_source(hub, Time())
    found = search(source, parse_filters("runs context:>=32k sort:likes"), JUDGE, limit=200)
    accounts = [part.account async for part in found]
    assert hub.traffic.requests(kind="list") == 2
    # No row tells its context, so none passes; those that are too large are no, not unknown.
    assert accounts[-1].passed == 0
    assert accounts[-1].looked_at == 200
    assert str(accounts[-1]) == f"0 of 200 looked at, {accounts[-1].unknown} not known"
    assert 100 < accounts[-1].unknown <= 200
    await source.close()


async def test_rows_are_made_exact_where_a_filter_needs_it(hub: HubServer) -> None:
    for context in (4096, 65536):
        hub.catalog.add(llama_like(f"zeta/context-{context}", context=context))
    source = hub_source(hub, Time())
    parts = await fill(source, "zeta context:>=32k", 2, Refiner(source))
    assert names(parts) == ["zeta/context-65536"]
    assert (parts[-1].account.looked_at, parts[-1].account.unknown) == (2, 0)
    assert hub.traffic.requests(kind="resolve") == 2
    await source.close()


async def test_scrolling_on_asks_each_page_once_and_scrolling_back_costs_nothing(
    hub: HubServer, tmp_path: Path
) -> None:
    time = Time()
    source = stored_source(hub, time, tmp_path)
    near = names(await fill(source, "sort:downloads", 500))
    assert hub.traffic.requests(kind="list") == 10
    # Begun anew and scrolled past its stored pages: those are not asked for again.
    far = names(await fill(source, "sort:downloads", 1000))
    assert hub.traffic.requests(kind="list") == 20
    assert far[:500] == near
    assert len(set(far)) == 1000
    targets = [exchange.target for exchange in hub.traffic.of(kind="list")]
    assert len(set(targets)) == len(targets)
    assert names(await fill(source, "sort:downloads", 1000)) == far
    assert hub.traffic.requests(kind="list") == 20
    await source.close()


async def test_after_a_pause_a_search_goes_on_where_it_was_and_loses_nothing(
    hub: HubServer,
) -> None:
    time = Time()
    source = hub_source(hub, time)
    fault = Fault(kind="list", skip=3, times=1, status=429, retry_after_seconds=120)
    hub.inject(fault)
    parts = await fill(source, "sort:downloads", 300, time=time)
    assert [part.account.resumes_in_seconds for part in parts] == [None] * 3 + [121.0] + [None] * 3
    assert time.waits == [121.0]
    found = names(parts)
    assert len(set(found)) == 300
    assert hub.traffic.requests(kind="list") == 7
    assert found == names(await fill(source, "sort:downloads", 300))
    await source.close()


async def test_the_limits_of_the_hub_are_never_exceeded() -> None:
    time = Time()
    limits = RateLimits(api=10, window_seconds=300)
    with HubServer(generate_listing(2_000), limits=limits, clock=time) as hub:
        source = hub_source(hub, time)
        parts = await fill(source, "sort:downloads", 1_500, time=time)
        await source.close()
        statuses = {exchange.status for exchange in hub.traffic.exchanges}
    assert len(set(names(parts))) == 1_500
    assert statuses == {200}
    assert len(time.waits) == 2


async def test_a_search_of_the_snapshot_needs_no_hub() -> None:
    parts = await fill(Snapshot(), "qwen3 fits params:..10B license:commercial sort:likes", 10)
    assert len(names(parts)) >= 10
    assert all("qwen3" in name.lower() for name in names(parts))
    assert parts[-1].account.age_seconds > 0
