"""What somebody publishes, and its sizes over time, on a loopback hub."""

from datetime import UTC, datetime

from explorer.fit.values import Scenario
from explorer.hardware.spec import parse_machine
from explorer.hub.huggingface import HuggingFace
from explorer.inspection.publisher import Publisher, Quarter, publisher
from tests.hub import HubRepo, HubServer

MACHINE = parse_machine("RTX 4090, 64 GB")


def model(name: str, month: int, billions: int | None, downloads: int = 10) -> HubRepo:
    total = (billions or 0) * 10**9
    sizes = {"parameters": {"BF16": total}, "total": total} if billions else None
    created = datetime(2026, month, 15, tzinfo=UTC)
    return HubRepo(name, safetensors=sizes, created=created, downloads=downloads)


async def published(repos: list[HubRepo], name: str, limit: int = 500) -> tuple[Publisher, int]:
    with HubServer(repos) as hub:
        source = HuggingFace(hub.endpoint)
        found = await publisher(source, name, MACHINE, Scenario(), limit)
        await source.close()
        return found, hub.traffic.requests()


async def test_sizes_over_time_the_latest_first() -> None:
    repos = [
        model("acme/a", 1, 1),
        model("acme/b", 3, 7),
        model("acme/c", 3, 70, downloads=500),
        model("acme/d", 4, None),
        model("other/e", 4, 8),
    ]
    found, requests = await published(repos, "acme")
    assert requests == 1
    assert [row.listing.id for row in found.rows] == ["acme/d", "acme/b", "acme/c", "acme/a"]
    assert found.quarters == (
        Quarter("2026 Q2", 1, downloads=10),
        Quarter("2026 Q1", 3, 10**9, 7 * 10**9, 70 * 10**9, "acme/c", 520),
    )
    assert all(row.answer for row in found.rows if row.parameters)


async def test_no_more_pages_than_wanted() -> None:
    repos = [model(f"acme/m{i}", 1 + i % 12, 1) for i in range(130)]
    found, requests = await published(repos, "acme", limit=60)
    assert (len(found.rows), found.more, requests) == (60, True, 2)
    found, requests = await published(repos, "acme")
    assert (len(found.rows), found.more, requests) == (130, False, 3)


async def test_nobody_of_that_name() -> None:
    found, _ = await published([], "nobody")
    assert (found.rows, found.quarters, found.more) == ((), (), False)
