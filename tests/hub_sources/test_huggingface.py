"""Listing and looking up models on a loopback hub, beside huggingface_hub's own client."""

import json
from collections.abc import Iterator
from typing import Literal

import pytest
from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile as ClientFile

from explorer.errors import (
    BadToken,
    ExplorerError,
    Gated,
    HubError,
    ModelNotFound,
    Offline,
    RateLimited,
    RevisionNotFound,
    Unreachable,
)
from explorer.hub.huggingface import HuggingFace
from explorer.hub.source import Query, Sort
from tests.hub import Account, Fault, HubFile, HubRepo, HubServer, RateLimits
from tests.hub.builder import generate_listing, llama_like, many_tensors, real_files
from tests.hub_sources.readings import (
    Pauses,
    look_up,
    names_of,
    pages_of,
    safetensors_header,
    weights_of,
)

ClientSort = Literal["created_at", "downloads", "last_modified", "likes", "trending_score"]
GATED = llama_like("acme/gated", gated="manual")
PRIVATE = llama_like("acme/private", private=True)


@pytest.fixture(name="hub", scope="module")
def running_hub() -> Iterator[HubServer]:
    accounts = [Account("hf_acme", "acme"), Account("hf_guest", "guest")]
    with HubServer([GATED, PRIVATE, *generate_listing(130)], accounts=accounts) as hub:
        yield hub


async def test_a_listing_row_needs_no_request_of_its_own(hub: HubServer) -> None:
    hub.traffic.clear()
    source = HuggingFace(hub.endpoint)
    (page,) = await pages_of(source, Query(sort="downloads", limit=20))
    await source.close()
    assert hub.traffic.requests() == 1
    row = page.rows[0]
    assert (row.id, row.parameters, row.license) == (
        "org-0/Model-0-1B",
        1_000_000_000,
        "apache-2.0",
    )
    assert (row.downloads, row.likes, row.config) == (50_000_000, 30_000, {"model_type": "llama"})
    assert None not in (row.created, row.updated, row.sha, row.trending, row.author)


async def test_pages_are_fetched_one_at_a_time_as_they_are_used(hub: HubServer) -> None:
    hub.traffic.clear()
    source = HuggingFace(hub.endpoint)
    sizes = []
    async for page in source.search(Query(sort="downloads")):
        sizes.append(len(page.rows))
        assert hub.traffic.requests() == len(sizes)
    await source.close()
    assert sum(sizes) == 131, "a private model is not listed"
    assert len(sizes) > 1


@pytest.mark.parametrize(
    ("sort", "client_sort"),
    [
        ("trending", "trending_score"),
        ("downloads", "downloads"),
        ("likes", "likes"),
        ("updated", "last_modified"),
        ("created", "created_at"),
    ],
)
async def test_order_and_filters_are_those_of_the_hubs_own_client(
    hub: HubServer, sort: Sort, client_sort: ClientSort
) -> None:
    source = HuggingFace(hub.endpoint)
    names = await names_of(source, Query("7B", author="org-1", task="text-generation", sort=sort))
    everything = await names_of(source, Query(tags=("license:apache-2.0",), sort=sort))
    await source.close()
    api = HfApi(hub.endpoint, token=False)
    client_names = api.list_models(
        search="7B", author="org-1", pipeline_tag="text-generation", sort=client_sort
    )
    assert names == [model.id for model in client_names]
    listed = api.list_models(filter="license:apache-2.0", sort=client_sort)
    assert everything == [model.id for model in listed]


async def test_a_search_for_nothing_there_is_an_empty_page(hub: HubServer) -> None:
    source = HuggingFace(hub.endpoint)
    (page,) = await pages_of(source, Query("no such model anywhere"))
    await source.close()
    assert (page.rows, page.more) == ((), False)


async def test_a_hub_that_refuses_a_property_is_asked_for_fewer_and_not_again(
    hub: HubServer,
) -> None:
    hub.heal()
    hub.traffic.clear()
    hub.inject(Fault(kind="list", status=400, times=2))
    source = HuggingFace(hub.endpoint)
    (page,) = await pages_of(source, Query("7B", sort="downloads", limit=5))
    assert len(page.rows) == 5
    assert page.rows[0].downloads
    assert hub.traffic.requests() == 3
    await pages_of(source, Query("8B", limit=5))
    await source.close()
    assert hub.traffic.requests() == 4


async def test_a_model_is_looked_up_in_one_request_with_all_its_files() -> None:
    repo = llama_like(shards=3, card={"base_model": "acme/base"})
    with HubServer([repo]) as hub:
        source = HuggingFace(hub.endpoint)
        found = await look_up(source, "acme/llama-tiny")
        assert hub.traffic.requests() == 1
        tree = HfApi(hub.endpoint, token=False).list_repo_tree("acme/llama-tiny", recursive=True)
        client_files = {
            entry.path: (entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id)
            for entry in tree
            if isinstance(entry, ClientFile)
        }
        await source.close()
    assert {f.path: (f.size_bytes, f.content_hash) for f in found.files} == client_files
    assert found.commit == repo.commits["main"]
    assert found.listing.base_models == ("acme/base",)


async def test_without_sizes_in_the_answer_the_tree_is_read_in_pages() -> None:
    files = {f"file-{number:05d}.txt": b"x" * (number % 7) for number in range(2_500)}
    with HubServer([real_files("acme/many", files)]) as hub:
        hub.inject(Fault(kind="info", body=json.dumps({"id": "acme/many"}).encode()))
        source = HuggingFace(hub.endpoint)
        found = await look_up(source, "acme/many")
        await source.close()
        assert {file.path: file.size_bytes for file in found.files} == {
            path: len(content) for path, content in files.items()
        }
        assert hub.traffic.requests(kind="tree") == 3


async def test_a_revision_is_its_own_tree() -> None:
    repo = HubRepo(
        "acme/branches",
        [HubFile.of_text("a.txt", "main")],
        branches={"refs/pr/1": [HubFile.of_text("a.txt", "proposal")]},
    )
    with HubServer([repo]) as hub:
        source = HuggingFace(hub.endpoint)
        found = await look_up(source, "acme/branches", "refs/pr/1")
        assert found.commit == repo.commits["refs/pr/1"]
        assert await source.text(found, "a.txt") == "proposal"
        with pytest.raises(RevisionNotFound, match="no revision “nope”"):
            await look_up(source, "acme/branches", "nope")
        await source.close()


async def test_a_renamed_model_is_found_under_its_old_name() -> None:
    with HubServer([llama_like("acme/new")]) as hub:
        hub.catalog.rename("acme/old", "acme/new")
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/old")
        assert (repo.ref.id, repo.listing.id) == ("acme/old", "acme/new")
        text = await source.text(repo, "config.json")
        await source.close()
    assert text is not None
    assert json.loads(text)["model_type"] == "llama"


async def test_texts_are_bounded_and_may_be_absent() -> None:
    files = {"big.json": b" " * 10_000_001, "bad.txt": b"\xff\xfe"}
    with HubServer([real_files("acme/texts", files)]) as hub:
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/texts")
        hub.traffic.clear()
        assert await source.text(repo, "big.json") is None
        assert await source.text(repo, "none.json") is None
        assert hub.traffic.requests() == 0
        assert await source.text(repo, "bad.txt") == "\ufffd\ufffd"
        await source.close()


async def test_the_endpoint_gives_all_headers_in_one_request_as_they_are_in_the_files() -> None:
    with HubServer([many_tensors(shards=6, per_shard=20)]) as hub:
        source = HuggingFace(hub.endpoint)
        repo = await look_up(source, "acme/many-tensors")
        hub.traffic.clear()
        headers = await source.sharded_headers(repo, "model.safetensors.index.json")
        assert hub.traffic.requests() == 1
        assert headers is not None
        for file in weights_of(repo):
            assert json.loads(headers[file.path]) == await source.read(
                repo, file, safetensors_header()
            )
            # 8 bytes of length, the header, the data: the whole file and nothing more.
            ends = [
                entry["data_offsets"][1]
                for name, entry in json.loads(headers[file.path]).items()
                if name != "__metadata__"
            ]
            assert 8 + len(headers[file.path]) + max(ends) == file.size_bytes
        await source.close()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="headers", status=404),
        Fault(kind="headers", status=400),
        Fault(kind="headers", status=500),
        Fault(kind="headers", body=b"not json"),
        Fault(kind="headers", body=b'{"headers": [1]}'),
        Fault(kind="headers", body=b'{"headers": {"model-00001-of-00002.safetensors": {"w": {}}}}'),
        Fault(kind="headers", body=b'{"headers": {"../../etc/passwd": {}}}'),
        Fault(kind="headers", body=b"[" * 100_000),
    ],
)
async def test_a_refused_or_strange_endpoint_is_no_headers(fault: Fault) -> None:
    with HubServer([llama_like(shards=2)]) as hub:
        hub.inject(fault)
        source = HuggingFace(hub.endpoint, pause=Pauses())
        repo = await look_up(source, "acme/llama-tiny")
        assert await source.sharded_headers(repo, "model.safetensors.index.json") is None
        await source.close()


async def test_another_revision_than_main_has_no_short_cut() -> None:
    main = many_tensors(shards=2, per_shard=3)
    repo = HubRepo(main.id, main.files, branches={"dev": main.files})
    with HubServer([repo]) as hub:
        source = HuggingFace(hub.endpoint)
        found = await look_up(source, main.id, "dev")
        hub.traffic.clear()
        assert await source.sharded_headers(found, "model.safetensors.index.json") is None
        assert hub.traffic.requests() == 0
        await source.close()


@pytest.mark.parametrize(
    ("name", "token", "error", "hint"),
    [
        ("acme/missing", "", ModelNotFound, "spelling"),
        ("acme/private", "", ModelNotFound, "HF_TOKEN if it is private"),
        ("acme/private", "hf_guest", ModelNotFound, "may not see it"),
        ("acme/gated", "hf_nobody", BadToken, "settings/tokens"),
    ],
)
async def test_a_model_that_cannot_be_looked_up(
    hub: HubServer, name: str, token: str, error: type[ExplorerError], hint: str
) -> None:
    source = HuggingFace(hub.endpoint, token=token)
    with pytest.raises(error) as failure:
        await look_up(source, name)
    await source.close()
    assert hint in failure.value.hint


@pytest.mark.parametrize(("token", "hint"), [("", "set HF_TOKEN"), ("hf_guest", "ask for access")])
async def test_a_gated_model_shows_its_files_and_says_how_to_get_them(
    hub: HubServer, token: str, hint: str
) -> None:
    source = HuggingFace(hub.endpoint, token=token)
    repo = await look_up(source, "acme/gated")
    assert repo.listing.gated == "manual"
    with pytest.raises(Gated) as text_failure:
        await source.text(repo, "config.json")
    with pytest.raises(Gated) as failure:
        await source.read(repo, weights_of(repo)[0], safetensors_header())
    await source.close()
    assert hint in failure.value.hint == text_failure.value.hint
    assert f"{hub.endpoint}/acme/gated" in failure.value.hint
    assert failure.value.exit_code == 3


async def test_an_account_that_may_reads_what_is_gated_and_private(hub: HubServer) -> None:
    source = HuggingFace(hub.endpoint, token="hf_acme")
    for name in ("acme/gated", "acme/private"):
        repo = await look_up(source, name)
        assert await source.read(repo, weights_of(repo)[0], safetensors_header())
    await source.close()


async def test_the_token_is_the_one_of_the_environment(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_acme")
    source = HuggingFace(hub.endpoint)
    assert (await look_up(source, "acme/private")).files
    await source.close()


async def test_a_token_that_cannot_be_sent_is_a_bad_token(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_é")
    source = HuggingFace(hub.endpoint)
    with pytest.raises(BadToken):
        await look_up(source, "acme/gated")
    await source.close()


async def test_no_network_is_said_once_and_not_waited_for_again() -> None:
    pauses = Pauses()
    source = HuggingFace("http://127.0.0.1:9", pause=pauses)
    for _ in range(3):
        with pytest.raises(Unreachable, match="could not be reached") as failure:
            await look_up(source, "acme/model")
        assert "--offline" in failure.value.hint
    await source.close()
    assert source.transfer.requests == 2
    assert pauses.seconds == [0.25]


async def test_offline_opens_no_connection(hub: HubServer) -> None:
    hub.traffic.clear()
    source = HuggingFace(hub.endpoint, offline=True)
    with pytest.raises(Offline):
        await look_up(source, "acme/gated")
    with pytest.raises(Offline):
        await pages_of(source, Query())
    assert hub.traffic.requests() == 0
    assert source.transfer.requests == 0


async def test_a_spent_rate_limit_says_when_it_is_over() -> None:
    with HubServer([llama_like()], limits=RateLimits(api=1)) as hub:
        source = HuggingFace(hub.endpoint, pause=Pauses())
        await look_up(source, "acme/llama-tiny")
        with pytest.raises(RateLimited) as failure:
            await look_up(source, "acme/llama-tiny")
        await source.close()
    assert failure.value.retry_after_seconds is not None
    assert 200 < failure.value.retry_after_seconds <= 301
    assert "HF_TOKEN" in failure.value.hint


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b'"text"', b"[3]", b"null"])
async def test_an_answer_that_makes_no_sense_is_the_hubs_failure(body: bytes) -> None:
    with HubServer([llama_like()]) as hub:
        hub.inject(Fault(origin="hub", body=body))
        source = HuggingFace(hub.endpoint, pause=Pauses())
        with pytest.raises(HubError):
            await look_up(source, "acme/llama-tiny")
        if body == b"[3]":
            assert await names_of(source, Query()) == []
        else:
            with pytest.raises(HubError):
                await names_of(source, Query())
        await source.close()


@pytest.mark.parametrize(
    "endpoint", ["nonsense", "http://", "http://[::1", "ftp://x", "http://a b"]
)
async def test_an_endpoint_that_is_no_address_is_unreachable(endpoint: str) -> None:
    source = HuggingFace(endpoint, pause=Pauses())
    with pytest.raises(Unreachable):
        await look_up(source, "acme/model")
    await source.close()


async def test_a_next_page_at_another_origin_is_not_followed(hub: HubServer) -> None:
    hub.heal()
    hub.inject(Fault(kind="list", headers={"link": '<http://example.com/x>; rel="next"'}))
    source = HuggingFace(hub.endpoint)
    pages = await pages_of(source, Query())
    await source.close()
    hub.heal()
    assert [page.more for page in pages] == [False]
