"""The loopback ModelScope as its own client sees it, so that what is imitated is not what we imagine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.hub.modelscope import ModelScope
from explorer.hub.source import Query
from tests.hub.builder import generate_listing, llama_like
from tests.hub.contents import RealBytes
from tests.hub.repositories import HubFile, HubRepo
from tests.hub_sources.readings import look_up, pages_of
from tests.modelscope import ModelScopeServer

pytestmark = pytest.mark.modelscope

TOKEN = "ms-loopback"
TINY = llama_like("acme/Tiny", shards=2)
REAL = HubRepo(
    "acme/Real",
    [
        HubFile("model.safetensors", RealBytes(bytes(range(256)) * 1_000)),
        HubFile.of_text("config.json", "{}\n"),
        HubFile.of_text("folder/notes.txt", "x"),
    ],
)


@pytest.fixture(scope="module")
def site() -> Iterator[ModelScopeServer]:
    with ModelScopeServer([TINY, REAL, *generate_listing(120)]) as server:
        yield server


@pytest.fixture
def official(site: ModelScopeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
    client = pytest.importorskip("modelscope_hub", reason="pip install modelscope-hub")
    api = client.HubApi(endpoint=site.endpoint, token=TOKEN)
    yield api
    api.openapi.close()
    # The older client has no way to be closed.
    api.legacy._session.close()
    api.legacy._read_session.close()


async def test_the_same_rows(site: ModelScopeServer, official: Any) -> None:
    source = ModelScope(site.endpoint, token=TOKEN)
    [ours, *_] = await pages_of(source, Query(sort="downloads"), most=1)
    theirs = official.list_repos("model", sort="downloads", page_size=50)
    assert theirs.total_count == 122
    assert [item.id for item in theirs.items] == [row.id for row in ours.rows]
    assert [item.downloads for item in theirs.items] == [row.downloads for row in ours.rows]
    assert [item.last_modified for item in theirs.items] == [row.updated for row in ours.rows]
    await source.close()


async def test_the_same_files(site: ModelScopeServer, official: Any) -> None:
    source = ModelScope(site.endpoint, token=TOKEN)
    for name in ("acme/Tiny", "acme/Real"):
        ours = (await look_up(source, name)).files
        theirs = [f for f in official.list_repo_files(name, "model") if not f.is_dir]
        assert {(f.path, f.size, f.sha256) for f in theirs} == {
            (f.path, f.size_bytes, f.content_hash) for f in ours
        }
    await source.close()


async def test_the_same_list_beyond_the_limit(official: Any, site: ModelScopeServer) -> None:
    files = [HubFile.of_text(f"part-{n % 3}/{n}.txt", "x") for n in range(3_200)]
    site.repos["acme/Large"] = HubRepo("acme/Large", files)
    source = ModelScope(site.endpoint, token=TOKEN)
    ours = {file.path for file in (await look_up(source, "acme/Large")).files}
    theirs = {f.path for f in official.list_repo_files("acme/Large", "model") if not f.is_dir}
    assert ours == theirs == {file.path for file in files}
    await source.close()


def test_it_downloads_what_is_there(official: Any, site: ModelScopeServer, tmp_path: Path) -> None:
    site.traffic.clear()
    path = official.download_file(
        "acme/Real", "model", "model.safetensors", local_dir=tmp_path / "here"
    )
    assert hashlib.sha256(path.read_bytes()).hexdigest() == REAL.files[0].content.sha256
    assert site.traffic.requests(origin="cdn") >= 1
    # Its cookie goes to every port of a host; its bearer, like ours, to the site alone.
    assert not [e for e in site.traffic.of(origin="cdn") if "authorization" in e.headers]
