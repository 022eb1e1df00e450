"""The hub with the snapshot behind it, and the sources as the command line asks for them."""

from pathlib import Path

import pytest

from explorer.errors import ModelNotFound, Offline, Unreachable
from explorer.hub.fallback import Fallback
from explorer.hub.huggingface import HuggingFace
from explorer.hub.options import SourceKind, is_offline, open_source
from explorer.hub.source import Query
from tests.hub import Fault, HubServer
from tests.hub.builder import generate_listing, llama_like
from tests.hub_sources.readings import (
    Pauses,
    look_up,
    names_of,
    pages_of,
    safetensors_header,
    weights_of,
)

NOWHERE = "http://127.0.0.1:9"


async def test_while_the_first_answers_it_is_the_only_one_asked() -> None:
    with HubServer([llama_like("a/live")]) as hub, HubServer([llama_like("a/spare")]) as spare:
        source = Fallback(HuggingFace(hub.endpoint), HuggingFace(spare.endpoint))
        assert await names_of(source, Query()) == ["a/live"]
        repo = await look_up(source, "a/live")
        assert await source.read(repo, weights_of(repo)[0], safetensors_header())
        with pytest.raises(ModelNotFound):
            await look_up(source, "a/spare")
        assert source.title == hub.endpoint
        assert spare.traffic.requests() == 0
        await source.close()


async def test_without_the_first_the_second_answers_and_the_title_says_so() -> None:
    with HubServer([llama_like("a/spare")]) as spare:
        source = Fallback(HuggingFace(NOWHERE, pause=Pauses()), HuggingFace(spare.endpoint))
        assert await names_of(source, Query()) == ["a/spare"]
        repo = await look_up(source, "a/spare")
        assert await source.text(repo, "config.json")
        assert await source.read(repo, weights_of(repo)[0], safetensors_header())
        assert source.title == f"{spare.endpoint} ({NOWHERE} could not be reached)"
        assert source.transfer.requests > 2
        with pytest.raises(Unreachable):
            await look_up(source, "a/only-on-the-hub")
        await source.close()


async def test_files_come_from_where_the_model_came_from_also_when_the_first_is_back() -> None:
    with HubServer([llama_like()]) as hub, HubServer([llama_like()]) as spare:
        hub.inject(Fault(kind="info", drop_after_bytes=0))
        source = Fallback(HuggingFace(hub.endpoint, pause=Pauses()), HuggingFace(spare.endpoint))
        repo = await look_up(source, "acme/llama-tiny")
        hub.heal()
        assert await source.read(repo, weights_of(repo)[0], safetensors_header())
        assert spare.traffic.requests(kind="resolve") == 1
        assert await names_of(source, Query()) == ["acme/llama-tiny"]
        assert source.title == hub.endpoint
        await source.close()


async def test_a_listing_that_breaks_off_is_an_error_and_not_mixed_with_another() -> None:
    with HubServer(generate_listing(80)) as hub, HubServer([llama_like()]) as spare:
        hub.inject(Fault(kind="list", skip=1, drop_after_bytes=0))
        source = Fallback(HuggingFace(hub.endpoint, pause=Pauses()), HuggingFace(spare.endpoint))
        with pytest.raises(Unreachable):
            await pages_of(source, Query())
        assert spare.traffic.requests() == 0
        await source.close()


async def test_auto_without_a_network_is_the_snapshot(tmp_path: Path) -> None:
    source = open_source("auto", endpoint=NOWHERE, cache=tmp_path)
    page = (await pages_of(source, Query(), most=1))[0]
    assert page.rows
    assert source.name == "snapshot"
    assert "could not be reached" in source.title
    await source.close()


async def test_offline_says_so_and_hub_alone_has_nothing(tmp_path: Path) -> None:
    source = open_source("auto", offline=True, cache=tmp_path)
    assert (await pages_of(source, Query(), most=1))[0].rows
    assert "offline" in source.title
    await source.close()
    hub = open_source("hub", offline=True, cache=tmp_path)
    with pytest.raises(Offline):
        await look_up(hub, "acme/model")
    await hub.close()


async def test_what_the_hub_once_said_is_preferred_to_the_snapshot(tmp_path: Path) -> None:
    with HubServer([llama_like()]) as hub:
        source = open_source("auto", endpoint=hub.endpoint, cache=tmp_path)
        await look_up(source, "acme/llama-tiny")
        await source.close()
        source = open_source("auto", endpoint=hub.endpoint, cache=tmp_path, offline=True)
        repo = await look_up(source, "acme/llama-tiny")
        assert (source.name, len(repo.files)) == ("hub", 3)
        await source.close()


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("yes", True), ("0", False), ("", False)]
)
def test_the_environment_rules_the_network_out(
    monkeypatch: pytest.MonkeyPatch, value: str, offline: bool
) -> None:
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert is_offline() is offline


def test_kinds_have_the_names_of_the_contract(tmp_path: Path) -> None:
    kinds: tuple[SourceKind, ...] = ("hub", "snapshot", "local")
    assert tuple(open_source(kind, cache=tmp_path).name for kind in kinds) == kinds
    assert open_source("auto", cache=tmp_path).name == "hub"
