"""ModelScope as a source, over real HTTP against a loopback server of two origins."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from explorer.errors import (
    BadToken,
    FileNotFound,
    Gated,
    ModelNotFound,
    Offline,
    RateLimited,
    RevisionNotFound,
    Unreachable,
    UsageError,
)
from explorer.hub.modelscope import ModelScope
from explorer.hub.source import ModelRef, Query, RepoFile
from explorer.hub.store import Store
from explorer.hub.stored import Stored
from explorer.inspection.opening import open_model
from explorer.spans import Span
from explorer.weights.safetensors import read_header
from tests.hub.builder import generate_listing, llama_like
from tests.hub.faults import Fault
from tests.hub.repositories import HubFile, HubRepo
from tests.hub_sources.readings import Pauses, bytes_of, look_up, names_of, pages_of, weights_of
from tests.modelscope import ModelScopeServer

TINY = llama_like("acme/Tiny", shards=2, updated=datetime(2026, 3, 1, tzinfo=UTC))
GATED = llama_like("acme/Gated", gated="manual")
PRIVATE = llama_like("acme/Private", private=True)


@pytest.fixture(scope="module")
def running() -> Iterator[ModelScopeServer]:
    with ModelScopeServer([TINY, GATED, PRIVATE, *generate_listing(200)]) as server:
        yield server


@pytest.fixture
def site(running: ModelScopeServer) -> ModelScopeServer:
    running.heal()
    running.traffic.clear()
    running.most_entries, running.names_commit = 3_000, True
    return running


def source_of(site: ModelScopeServer, **options: object) -> ModelScope:
    token = options.get("token", "")
    return ModelScope(site.endpoint, token=str(token), pause=Pauses())


async def test_a_listing_is_read_page_by_page(site: ModelScopeServer) -> None:
    source = source_of(site)
    pages = await pages_of(source, Query(sort="downloads", limit=120))
    assert [len(page.rows) for page in pages] == [50, 50, 20]
    assert [page.more for page in pages] == [True, True, False]
    downloads = [row.downloads or 0 for page in pages for row in page.rows]
    assert downloads == sorted(downloads, reverse=True)
    assert site.traffic.requests() == source.transfer.requests == 3
    await source.close()


async def test_a_row_says_what_the_open_api_says(site: ModelScopeServer) -> None:
    source = source_of(site)
    [row] = [row for page in await pages_of(source, Query(text="acme/tiny")) for row in page.rows]
    assert row.id == "acme/Tiny"
    assert row.author == "acme"
    assert row.updated == datetime(2026, 3, 1, tzinfo=UTC)
    assert row.license == TINY.card["license"]
    assert row.task == "text-generation"
    assert row.size_bytes == sum(file.content.size for file in TINY.files)
    await source.close()


async def test_the_site_filters_and_sorts(site: ModelScopeServer) -> None:
    source = source_of(site)
    await names_of(
        source,
        Query(
            text="x", author="acme", task="text-generation", tags=("license:mit",), sort="updated"
        ),
    )
    [asked] = site.traffic.of(kind="list")
    assert asked.target.partition("?")[2].split("&") == [
        "search=x",
        "owner=acme",
        "sort=last_modified",
        "filter.task=text-generation",
        "filter.license=mit",
        "page_number=1",
        "page_size=50",
    ]
    await source.close()


async def test_a_listing_goes_on_behind_a_page(site: ModelScopeServer) -> None:
    source = source_of(site)
    first, second = (await pages_of(source, Query(sort="likes"), most=2))[:2]
    again = await pages_of(source, Query(sort="likes", start=first.following), most=1)
    assert again[0].rows == second.rows
    await source.close()


async def test_a_query_never_goes_beyond_the_3000_rows_that_are_given(
    site: ModelScopeServer,
) -> None:
    with ModelScopeServer([*generate_listing(3_100)]) as large:
        source = source_of(large)
        pages = await pages_of(source, Query())
        assert sum(len(page.rows) for page in pages) == 3_000
        assert not pages[-1].more
        assert [page.note for page in pages[:-1]] == [""] * (len(pages) - 1)
        assert "first 3,000 of the 3,100 models" in pages[-1].note
        assert (await pages_of(source, Query(limit=200)))[-1].note == ""
        assert {exchange.status for exchange in large.traffic.of(kind="list")} == {200}
        await source.close()


async def test_a_model_is_looked_up_with_its_files(site: ModelScopeServer) -> None:
    source = source_of(site)
    repo = await look_up(source, "acme/Tiny")
    assert {file.path: file.size_bytes for file in repo.files} == {
        file.path: file.content.size for file in TINY.files
    }
    assert repo.commit == TINY.commits["main"]
    assert repo.notes == ()
    assert sorted(exchange.kind for exchange in site.traffic.exchanges) == ["info", "tree"]
    await source.close()


async def test_headers_are_read_by_range_from_where_the_site_points(site: ModelScopeServer) -> None:
    source = source_of(site, token="ms-loopback")
    repo = await look_up(source, "acme/Tiny")
    site.traffic.clear()
    for file in weights_of(repo):
        header = await source.read(repo, file, read_header(file.path, file.size_bytes))
        assert header.data_start + sum(t.size_bytes for t in header.tensors) == file.size_bytes
    assert site.traffic.requests(kind="resolve") == site.traffic.requests(kind="file") == 2
    assert all(exchange.range for exchange in site.traffic.exchanges)
    asked = [exchange.target for exchange in site.traffic.of(kind="resolve")]
    assert all(str(repo.commit) in target for target in asked)
    await source.close()


async def test_the_token_never_leaves_the_site(site: ModelScopeServer) -> None:
    source = source_of(site, token="ms-loopback")
    repo = await look_up(source, "acme/Private")
    for file in weights_of(repo):
        await source.read(repo, file, bytes_of(Span(0, 8)))
    assert site.traffic.saw_token(origin="hub")
    assert site.traffic.requests(origin="cdn")
    assert not site.traffic.saw_token(origin="cdn")
    sent = site.traffic.of(origin="hub")[0].headers
    assert sent["authorization"] == "Bearer ms-loopback"
    assert sent["cookie"] == "m_session_id=ms-loopback"
    await source.close()


async def test_token_and_site_come_from_the_environment(
    site: ModelScopeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", site.endpoint)
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-loopback")
    source = ModelScope()
    assert (await look_up(source, "acme/Private")).files
    await source.close()
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "www.modelscope.ai")
    assert ModelScope().endpoint == "https://www.modelscope.ai"
    monkeypatch.delenv("MODELSCOPE_ENDPOINT")
    monkeypatch.setenv("MODELSCOPE_DOMAIN", "scope.lab")
    assert ModelScope().endpoint == "https://scope.lab"
    monkeypatch.delenv("MODELSCOPE_DOMAIN")
    assert ModelScope().title == "ModelScope"


async def test_hugging_faces_token_is_not_sent(
    site: ModelScopeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    source = ModelScope(site.endpoint)
    await look_up(source, "acme/Tiny")
    assert not site.traffic.saw_token(origin="hub")
    await source.close()


async def test_small_files_and_configs(site: ModelScopeServer) -> None:
    source = source_of(site)
    repo = await look_up(source, "acme/Tiny")
    config = await source.text(repo, "config.json")
    assert config is not None
    assert config == await source.config(repo.listing)
    assert await source.text(repo, "nothing.json") is None
    assert await source.sharded_headers(repo, "model.safetensors.index.json") is None
    await source.close()


async def test_a_model_opens_like_any_other(site: ModelScopeServer) -> None:
    source = source_of(site)
    models = [model async for model in open_model(source, ModelRef("acme/Tiny"))]
    assert models[-1].complete
    assert models[-1].architecture is not None
    await source.close()


async def test_a_revision_that_is_not_there(site: ModelScopeServer) -> None:
    source = source_of(site)
    with pytest.raises(RevisionNotFound, match="v9") as raised:
        await look_up(source, "acme/Tiny", "v9")
    assert "master" in raised.value.hint
    with pytest.raises(ModelNotFound):
        await look_up(source, "acme/Nothing", "v9")
    await source.close()


async def test_refusals_say_what_to_do(site: ModelScopeServer) -> None:
    source = source_of(site)
    with pytest.raises(ModelNotFound, match="acme/Nothing"):
        await look_up(source, "acme/Nothing")
    with pytest.raises(ModelNotFound):
        await look_up(source, "acme/Private")
    with pytest.raises(UsageError, match="owner/name"):
        await look_up(source, "gpt2")
    repo = await look_up(source, "acme/Gated")
    with pytest.raises(Gated) as gated:
        await source.read(repo, weights_of(repo)[0], bytes_of(Span(0, 8)))
    assert "MODELSCOPE_API_TOKEN" in gated.value.hint
    gone = RepoFile("gone.safetensors", 100)
    with pytest.raises(FileNotFound, match=r"gone\.safetensors"):
        await source.read(
            repo=await look_up(source, "acme/Tiny"), file=gone, reading=bytes_of(Span(0, 8))
        )
    await source.close()


async def test_a_wrong_token_is_told_apart(site: ModelScopeServer) -> None:
    site.inject(Fault(kind="list", status=401))
    source = source_of(site, token="ms-wrong")
    with pytest.raises(BadToken) as raised:
        await names_of(source, Query())
    assert "MODELSCOPE_API_TOKEN" in raised.value.hint
    await source.close()


async def test_faults_are_retried_and_then_told(site: ModelScopeServer) -> None:
    source = source_of(site)
    site.inject(Fault(kind="info", status=502, times=1))
    assert (await look_up(source, "acme/Tiny")).files
    site.inject(Fault(kind="list", status=429, retry_after_seconds=100))
    with pytest.raises(RateLimited) as limited:
        await names_of(source, Query())
    assert limited.value.retry_after_seconds == 101
    sent = site.traffic.requests()
    with pytest.raises(RateLimited, match="ModelScope"):
        await names_of(source, Query())  # refused here, without asking again
    assert site.traffic.requests() == sent
    await source.close()


async def test_an_answer_that_is_not_one(site: ModelScopeServer) -> None:
    source = source_of(site)
    site.inject(Fault(kind="tree", body=b"<html>"))
    with pytest.raises(Unreachable, match="cannot be understood"):
        await look_up(source, "acme/Tiny")
    await source.close()


async def test_an_expired_address_is_looked_up_again(site: ModelScopeServer) -> None:
    source = source_of(site)
    repo = await look_up(source, "acme/Tiny")
    file = weights_of(repo)[0]
    await source.read(repo, file, bytes_of(Span(0, 8)))
    site.inject(Fault(origin="cdn", status=403, times=1))
    await source.read(repo, file, bytes_of(Span(0, 8)))
    assert site.traffic.requests(kind="resolve") == 2
    await source.close()


async def test_a_large_list_is_completed_folder_by_folder() -> None:
    files = [HubFile.of_text(f"part-{n % 2}/{n}.txt", "x") for n in range(3_400)]
    with ModelScopeServer([HubRepo("acme/Large", files)]) as site:
        source = source_of(site)
        repo = await source.repo(ModelRef("acme/Large"))
        assert len(repo.files) == 3_400
        assert repo.notes == ()
        # all at once, the top alone, and each of the two folders
        assert site.traffic.requests(kind="tree") == 4
        await source.close()


async def test_a_folder_that_is_refused_among_many_is_asked_for_again() -> None:
    files = [HubFile.of_text(f"part-{n % 2}/{n}.txt", "x") for n in range(3_400)]
    with ModelScopeServer([HubRepo("acme/Large", files)]) as site:
        site.inject(Fault(kind="tree", skip=2, times=1, status=403))
        source = source_of(site)
        assert len((await source.repo(ModelRef("acme/Large"))).files) == 3_400
        assert site.traffic.requests(kind="tree") == 5
        site.inject(Fault(kind="tree", skip=2, status=403))
        with pytest.raises(Gated):
            await source.repo(ModelRef("acme/Large"))
        await source.close()


async def test_a_folder_beyond_the_limit_is_said_to_be_incomplete() -> None:
    files = [HubFile.of_text(f"{n}.txt", "x") for n in range(3_100)]
    with ModelScopeServer([HubRepo("acme/Flat", files)]) as site:
        source = source_of(site)
        repo = await source.repo(ModelRef("acme/Flat"))
        assert len(repo.files) == 3_000
        [note] = repo.notes
        assert "3,000" in note
        [model] = [model async for model in open_model(source, ModelRef("acme/Flat"))]
        assert note in model.warnings
        await source.close()


async def test_what_was_seen_is_there_without_a_network(
    site: ModelScopeServer, tmp_path: Path
) -> None:
    stored = Stored(source_of(site), Store(tmp_path), scope=site.endpoint)
    repo = await look_up(stored, "acme/Tiny")
    file = weights_of(repo)[0]
    await stored.read(repo, file, read_header(file.path, file.size_bytes))
    await pages_of(stored, Query(text="tiny"))
    await stored.close()
    seen = site.traffic.requests()
    offline = Stored(
        ModelScope(site.endpoint, token="", offline=True), Store(tmp_path), scope=site.endpoint
    )
    again = await look_up(offline, "acme/Tiny")
    assert again.files == repo.files
    await offline.read(again, file, read_header(file.path, file.size_bytes))
    assert await names_of(offline, Query(text="tiny")) == ["acme/Tiny"]
    with pytest.raises(Offline):
        await look_up(offline, "acme/Gated")
    assert site.traffic.requests() == seen
    await offline.close()
