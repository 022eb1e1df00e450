"""Ollama's registry as a source, over real HTTP against a loopback server of two origins."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.cli import main
from explorer.errors import (
    ExplorerError,
    HubError,
    ModelNotFound,
    Offline,
    RateLimited,
    Unreachable,
    UsageError,
)
from explorer.hub.answers import Subject
from explorer.hub.ollama_manifest import license_of, read_manifest
from explorer.hub.ollama_registry import OllamaRegistry
from explorer.hub.source import ModelRef, Query
from explorer.hub.store import Store
from explorer.hub.stored import Stored
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model
from tests.hub.contents import RealBytes
from tests.hub.faults import Fault
from tests.hub.gguf_files import llama_gguf
from tests.hub_sources.readings import Pauses, look_up
from tests.ollama import OllamaModel, OllamaServer

APACHE = "Apache License\n                           Version 2.0, January 2004\n" + "terms " * 2_000
WEIGHTS = llama_gguf()
TINY = OllamaModel(
    "library/tiny",
    "1b",
    [
        ("model", WEIGHTS),
        ("prompt", RealBytes(b"{{ .Prompt }}")),
        ("license", RealBytes(APACHE.encode())),
        ("license", RealBytes(b"Acceptable use policy")),
        ("params", RealBytes(b'{"stop":["<|end|>"]}')),
    ],
    {"model_format": "gguf", "model_family": "llama", "model_type": "1.2B", "file_type": "Q4_K_M"},
)
SEEING = OllamaModel("acme/seeing", "latest", [("model", WEIGHTS), ("projector", WEIGHTS)])
CLOUD = OllamaModel("library/giant", "cloud", [("license", RealBytes(b"MIT License"))])


@pytest.fixture(scope="module")
def running() -> Iterator[OllamaServer]:
    with OllamaServer([TINY, SEEING, CLOUD]) as server:
        yield server


@pytest.fixture
def registry(running: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> OllamaServer:
    running.heal()
    running.traffic.clear()
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("WEIGHTS_OLLAMA_REGISTRY", running.endpoint)
    return running


async def opened(source: OllamaRegistry, name: str) -> Model:
    models = [model async for model in open_model(source, ModelRef(name))]
    return models[-1]


async def test_a_model_is_its_layers(registry: OllamaServer) -> None:
    source = OllamaRegistry()
    repo = await look_up(source, "ollama:tiny:1b")
    assert [(file.path, file.size_bytes) for file in repo.files] == [
        ("model.gguf", WEIGHTS.size),
        ("template.txt", 13),
        ("LICENSE.txt", len(APACHE)),
        ("LICENSE-2.txt", 21),
        ("params.json", 20),
    ]
    assert repo.commit == TINY.digest
    listing = repo.listing
    assert listing.id == "ollama:tiny:1b"
    assert listing.license == "apache-2.0"
    assert listing.gguf is not None
    assert (listing.gguf.parameters, listing.gguf.architecture) == (1_200_000_000, "llama")
    assert "Q4_K_M" in listing.tags
    assert listing.size_bytes == sum(content.size for _, content in TINY.layers)
    # the manifest, the configuration and the first license
    assert [exchange.kind for exchange in registry.traffic.exchanges] == [
        "manifest",
        "blob",
        "blob",
    ]
    assert await source.text(repo, "template.txt") == "{{ .Prompt }}"
    assert await source.text(repo, "LICENSE.txt") == APACHE
    assert await source.text(repo, "config.json") is None
    assert await source.config(listing) is None
    await source.close()


async def test_the_header_is_read_by_range_from_where_the_registry_points(
    registry: OllamaServer,
) -> None:
    source = OllamaRegistry()
    model = await opened(source, "ollama:tiny:1b")
    assert model.complete
    assert model.architecture is not None
    assert model.architecture.name == "llama"
    [shard] = model.checkpoint.shards
    assert shard.header is not None
    assert shard.header.data_start + sum(t.size_bytes for t in shard.header.tensors) <= WEIGHTS.size
    assert registry.traffic.requests(origin="cdn") == 1
    assert all(exchange.range for exchange in registry.traffic.of(kind="file"))
    await source.close()


async def test_later_ranges_go_straight_to_that_place(registry: OllamaServer) -> None:
    source = OllamaRegistry()
    await opened(source, "ollama:tiny:1b")
    await opened(source, "ollama:tiny:1b")
    redirected = [e for e in registry.traffic.of(kind="blob") if e.status == 307]
    assert len(redirected) == 1
    await source.close()


async def test_no_token_is_sent_anywhere(
    registry: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    source = OllamaRegistry()
    await opened(source, "ollama:tiny:1b")
    assert not registry.traffic.saw_token(origin="hub")
    assert not registry.traffic.saw_token(origin="cdn")
    await source.close()


async def test_a_projector_is_a_file_of_its_own(registry: OllamaServer) -> None:
    source = OllamaRegistry()
    repo = await look_up(source, "ollama:acme/seeing")
    assert [file.path for file in repo.files] == ["model.gguf", "mmproj.gguf"]
    assert repo.listing.author == "acme"
    await source.close()


async def test_what_cannot_be_had_is_said(registry: OllamaServer) -> None:
    source = OllamaRegistry(pause=Pauses())
    with pytest.raises(ModelNotFound, match="ollama:none:latest") as missing:
        await look_up(source, "ollama:none")
    assert "ollama.com" in missing.value.hint
    with pytest.raises(HubError, match="not stored as GGUF"):
        await look_up(source, "ollama:giant:cloud")
    with pytest.raises(UsageError, match="cannot be searched"):
        source.search(Query(text="tiny"))
    registry.inject(Fault(kind="manifest", status=503))
    with pytest.raises(Unreachable):
        await look_up(source, "ollama:tiny:1b")
    registry.heal()
    registry.inject(Fault(kind="manifest", status=429, retry_after_seconds=60))
    with pytest.raises(RateLimited, match="Ollama"):
        await look_up(source, "ollama:tiny:1b")
    await source.close()


async def test_what_was_seen_is_there_without_a_network(
    registry: OllamaServer, tmp_path: Path
) -> None:
    stored = Stored(OllamaRegistry(), Store(tmp_path), scope=registry.endpoint)
    seen = [model async for model in open_model(stored, ModelRef("ollama:tiny:1b"))][-1]
    await stored.close()
    sent = registry.traffic.requests()
    offline = Stored(OllamaRegistry(offline=True), Store(tmp_path), scope=registry.endpoint)
    again = [model async for model in open_model(offline, ModelRef("ollama:tiny:1b"))][-1]
    assert again.checkpoint.counts == seen.checkpoint.counts
    with pytest.raises(Offline):
        await look_up(offline, "ollama:acme/seeing")
    assert registry.traffic.requests() == sent
    await offline.close()


def test_the_commands_take_its_names(
    registry: OllamaServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path))
    assert main(["show", "ollama:tiny:1b", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["id"], shown["source"], shown["format"]) == ("ollama:tiny:1b", "ollama", "gguf")
    assert main(["tensors", "ollama:tiny:1b", "--json"]) == 0
    tensors = json.loads(capsys.readouterr().out)
    assert len(tensors) == shown["tensors"]
    assert (
        main(["fit", "ollama:tiny:1b", "--machine", "RTX 4090", "--engine", "llama.cpp", "--json"])
        == 0
    )
    [fit] = json.loads(capsys.readouterr().out)
    assert fit["verdict"] == "fits"
    assert fit["commands"]["download"]["line"] == "ollama pull tiny:1b"
    assert [command["line"] for command in fit["commands"]["run"]] == [
        "OLLAMA_CONTEXT_LENGTH=8192 ollama serve",
        "ollama run tiny:1b",
    ]
    assert main(["show", "ollama:none", "--json"]) == 3
    assert main(["show", "ollama:tiny:1b", "--offline", "--json"]) == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (APACHE, "apache-2.0"),
        ("MIT License\n\nCopyright (c) 2023 DeepSeek", "mit"),
        ("LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\nLlama 3.2 Version Release Date", "llama3.2"),
        ("Gemma Terms of Use\n\nLast modified", "gemma"),
        ("Some terms of our own", "other"),
        ("  \n", None),
    ],
)
def test_a_license_is_told_by_its_title(text: str, found: str | None) -> None:
    assert license_of(text) == found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["layers", "config", "mediaType", "digest", "size"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(content=_JSON)
def test_a_hostile_manifest_raises_the_projects_errors_only(content: object) -> None:
    with pytest.raises(ExplorerError):
        read_manifest(json.dumps(content).encode(), Subject("ollama:x:y"))


@given(data=st.binary(max_size=64))
def test_bytes_that_are_no_manifest(data: bytes) -> None:
    with pytest.raises(ExplorerError):
        read_manifest(data, Subject("ollama:x:y"))
