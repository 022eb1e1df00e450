"""A second look: what it costs, how old it is, and what is left without a network."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import ModelNotFound, Offline, Unreachable
from explorer.hub.huggingface import HuggingFace
from explorer.hub.records import decode_page, decode_repo, encode_page, encode_repo
from explorer.hub.source import (
    GgufSummary,
    Listing,
    ModelRef,
    Page,
    Query,
    Repo,
    RepoFile,
    Source,
)
from explorer.hub.store import Store
from explorer.hub.stored import FRESH_SECONDS, Stored
from explorer.spans import Span
from tests.hub import Fault, HubFile, HubRepo, HubServer
from tests.hub.builder import generate_listing, llama_like, real_files
from tests.hub_sources.readings import (
    Clock,
    Pauses,
    bytes_of,
    look_up,
    names_of,
    pages_of,
    safetensors_header,
    weights_of,
)

MODEL = llama_like(shards=4)


@pytest.fixture(name="hub")
def running_hub() -> Iterator[HubServer]:
    with HubServer([MODEL, *generate_listing(120)]) as hub:
        yield hub


class Desk:
    """One person's program, started anew at will over the same store."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.clock = Clock()
        self._endpoint = endpoint
        self._folder = folder
        self._started: list[Stored] = []

    def start(self, *, offline: bool = False) -> Stored:
        hub = HuggingFace(self._endpoint, offline=offline, pause=Pauses())
        source = Stored(hub, Store(self._folder, clock=self.clock), clock=self.clock)
        self._started.append(source)
        return source

    async def close(self) -> None:
        for source in self._started:
            await source.close()


@pytest.fixture(name="desk")
async def set_up_desk(hub: HubServer, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(hub.endpoint, tmp_path)
    yield desk
    await desk.close()


async def inspect(source: Source) -> tuple[Repo, list[str], str | None]:
    """Everything a look at a model takes: files, config, headers."""
    repo = await look_up(source, "acme/llama-tiny")
    config = await source.text(repo, "config.json")
    headers = await source.sharded_headers(repo, "model.safetensors.index.json")
    if headers is None:
        parts = await asyncio.gather(
            *(source.read(repo, file, safetensors_header()) for file in weights_of(repo))
        )
        return repo, sorted(name for part in parts for name in part), config
    names = [name for header in headers.values() for name in json.loads(header)]
    return repo, sorted(names), config


@pytest.mark.parametrize("endpoint", [True, False], ids=["with endpoint", "without"])
async def test_a_second_look_costs_nothing_while_fresh_and_one_request_later(
    hub: HubServer, desk: Desk, endpoint: bool
) -> None:
    hub.api.headers_endpoint = endpoint
    first = await inspect(desk.start())
    hub.traffic.clear()

    desk.clock.now += FRESH_SECONDS - 1
    source = desk.start()
    assert replace((await inspect(source))[0], age_seconds=0) == first[0]
    assert hub.traffic.requests() == 0
    assert source.transfer.requests == 0
    assert source.transfer.cached > 0

    desk.clock.now += 365 * 86400
    assert (await inspect(desk.start()))[1:] == first[1:]
    assert [exchange.kind for exchange in hub.traffic.exchanges] == ["info"]


async def test_a_new_commit_is_seen_and_unchanged_files_are_not_read_again(
    hub: HubServer, desk: Desk
) -> None:
    hub.api.headers_endpoint = False
    old, names, _ = await inspect(desk.start())
    hub.catalog.add(HubRepo(MODEL.id, [*MODEL.files[:-1]], card=MODEL.card))
    desk.clock.now += FRESH_SECONDS + 1
    hub.traffic.clear()
    new, same_names, _ = await inspect(desk.start())
    assert new.commit != old.commit
    assert same_names == names
    assert hub.traffic.requests(kind="resolve") == 0


async def test_headers_that_came_at_once_serve_the_next_commit_with_the_same_shards(
    hub: HubServer, desk: Desk
) -> None:
    old, names, _ = await inspect(desk.start())
    changed = [file for file in MODEL.files if file.path != "README.md"]
    hub.catalog.add(HubRepo(MODEL.id, [*changed, HubFile.of_text("README.md", "# another card")]))
    desk.clock.now += FRESH_SECONDS + 1
    hub.traffic.clear()
    new, same_names, _ = await inspect(desk.start())
    assert new.commit != old.commit
    assert same_names == names
    assert [exchange.kind for exchange in hub.traffic.exchanges] == ["info"]


async def test_old_answers_serve_with_their_age_when_the_hub_is_down(
    hub: HubServer, desk: Desk
) -> None:
    await inspect(desk.start())
    await pages_of(desk.start(), Query(sort="downloads"), most=2)
    hub.inject(Fault(origin="hub", drop_after_bytes=0))
    desk.clock.now += 3 * 86400
    source = desk.start()
    repo, names, config = await inspect(source)
    assert repo.age_seconds == 3 * 86400
    assert names
    assert config
    pages = await pages_of(source, Query(sort="downloads"), most=2)
    assert [(len(page.rows), page.age_seconds) for page in pages] == [(50, 3 * 86400)] * 2
    with pytest.raises(Unreachable):
        await look_up(source, "acme/never-seen")
    with pytest.raises(Unreachable):
        await pages_of(source, Query("never asked"))


async def test_offline_answers_with_what_is_stored_and_connects_to_nothing(
    hub: HubServer, desk: Desk
) -> None:
    await inspect(desk.start())
    hub.traffic.clear()
    desk.clock.now += 30 * 86400
    source = desk.start(offline=True)
    repo, _, _ = await inspect(source)
    assert repo.age_seconds == 30 * 86400
    with pytest.raises(Offline):
        await source.text(repo, "README.md")
    with pytest.raises(Offline):
        await look_up(source, "org-0/Model-0-1B")
    assert hub.traffic.requests() == 0


async def test_a_missing_model_is_asked_for_each_time(hub: HubServer, desk: Desk) -> None:
    source = desk.start()
    for _ in range(2):
        with pytest.raises(ModelNotFound):
            await look_up(source, "acme/missing")
    assert hub.traffic.requests() == 2


async def test_a_listing_is_stored_page_by_page(hub: HubServer, desk: Desk) -> None:
    source = desk.start()
    await pages_of(source, Query(sort="downloads"), most=2)
    assert hub.traffic.requests() == 2
    again = desk.start()
    pages = await pages_of(again, Query(sort="downloads"), most=2)
    assert hub.traffic.requests() == 2
    names = await names_of(again, Query(sort="downloads"))
    assert len(names) == len(set(names)) == 121
    assert names[:50] == [row.id for row in pages[0].rows]
    assert await names_of(again, Query(sort="likes")) != []


async def test_only_missing_ranges_are_fetched(hub: HubServer, desk: Desk) -> None:
    content = bytes(range(256)) * 1000
    hub.catalog.add(real_files("acme/bytes", {"model.bin": content}))
    source = desk.start()
    repo = await look_up(source, "acme/bytes")
    file = repo.files[0]
    await source.read(repo, file, bytes_of(Span(0, 1000)))
    hub.traffic.clear()
    bodies = await source.read(
        repo, file, bytes_of(Span(10, 20), Span(200_000, 200_010), Span(255_990, 300_000))
    )
    assert bodies == (content[10:20], content[200_000:200_010], content[255_990:])
    assert [e.range for e in hub.traffic.of(origin="cdn")] == [
        "bytes=200000-200009",
        "bytes=255990-255999",
    ]


async def test_two_models_with_the_same_file_share_its_bytes(hub: HubServer, desk: Desk) -> None:
    source = desk.start()
    for name in ("acme/one", "acme/two"):
        hub.catalog.add(real_files(name, {"model.bin": b"same bytes in both"}))
        repo = await look_up(source, name)
        await source.read(repo, repo.files[0], bytes_of(Span(0, 4)))
        assert hub.traffic.requests(kind="resolve") == 1


SECOND_LOOK = """
import asyncio, sys
from pathlib import Path
from explorer.hub.options import open_source
from explorer.hub.source import ModelRef

async def look() -> None:
    source = open_source("hub", endpoint=sys.argv[1], cache=Path(sys.argv[2]))
    repo = await source.repo(ModelRef("acme/llama-tiny"))
    assert await source.text(repo, "config.json")
    assert await source.sharded_headers(repo, "model.safetensors.index.json")

asyncio.run(look())
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"httpcore2", "huggingface_hub", "ssl"}))
"""


async def test_an_answer_from_the_store_loads_no_http_client(
    hub: HubServer, tmp_path: Path
) -> None:
    def look() -> str:
        command = [sys.executable, "-c", SECOND_LOOK, hub.endpoint, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "httpcore2" in await asyncio.to_thread(look)
    second = await asyncio.to_thread(look)
    assert "httpcore2" not in second
    assert "huggingface_hub" not in second


texts = st.text(max_size=8)
listings = st.builds(
    Listing,
    id=texts,
    author=st.none() | texts,
    downloads=st.none() | st.integers(0, 2**63),
    trending=st.none() | st.floats(0, 1e6),
    created=st.none() | st.datetimes(timezones=st.just(UTC)),
    parameters_by_dtype=st.dictionaries(texts, st.integers(0, 2**60), max_size=3),
    gguf=st.none() | st.builds(GgufSummary, st.none() | st.integers(0), st.none() | texts),
    config=st.dictionaries(texts, st.lists(st.none() | st.booleans() | texts), max_size=3),
    tags=st.lists(texts, max_size=3).map(tuple),
    base_models=st.lists(texts, max_size=3).map(tuple),
    provenance=texts,
)
files = st.builds(RepoFile, texts, st.integers(0, 2**63), st.none() | texts)


@given(st.lists(listings, max_size=3).map(tuple), st.booleans(), st.floats(0, 1e9))
def test_pages_come_back_as_they_were(
    rows: tuple[Listing, ...], more: bool, age_seconds: float
) -> None:
    page = Page(rows, more, age_seconds)
    assert decode_page(encode_page(page), age_seconds) == page


@given(listings, st.none() | texts, st.lists(files, max_size=4).map(tuple))
def test_models_come_back_as_they_were(
    listing: Listing, commit: str | None, repo_files: tuple[RepoFile, ...]
) -> None:
    repo = Repo(ModelRef("a/b", "main"), listing, commit, repo_files)
    assert decode_repo(encode_repo(repo), repo.ref, 0.0) == repo


@given(st.binary(max_size=50) | st.sampled_from([b"[]", b"{}", b'{"rows": [3]}', b"[" * 10**5]))
def test_other_bytes_are_no_page_and_no_model(body: bytes) -> None:
    assert decode_page(body, 0.0) is None
    assert decode_repo(body, ModelRef("a/b"), 0.0) is None
