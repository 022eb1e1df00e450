"""One model's row, with what was made of it counted, from every kind of source."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi

from explorer.errors import ModelNotFound, Unreachable
from explorer.hub.fallback import Fallback
from explorer.hub.huggingface import HuggingFace
from explorer.hub.local import Local
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import Query, Source
from explorer.hub.store import Store
from explorer.hub.stored import FRESH_SECONDS, Stored
from tests.hub import Fault, HubServer
from tests.hub_sources.readings import Clock, Pauses, pages_of
from tests.lineage.families import ORIGINAL, family

COUNTED = {"adapter": 1, "merge": 1, "quantized": 3, "finetune": 1}


async def row_of(source: Source, model: str = ORIGINAL) -> dict[str, int]:
    (row,) = (await source.listed(model)).rows
    assert row.id == model
    return dict(row.derived)


async def test_the_hub_is_asked_once_and_says_what_its_own_client_reads() -> None:
    with HubServer(family()) as hub:
        source = HuggingFace(hub.endpoint)
        (row,) = (await source.listed(ORIGINAL)).rows
        assert hub.traffic.requests() == 1
        client = HfApi(hub.endpoint).model_info(ORIGINAL, expand=["childrenModelCount", "sha"])
        # an int by its annotation, an object in truth
        children: object = client.children_model_count
        assert row.derived == children == COUNTED
        assert row.sha == client.sha
        (page,) = await pages_of(source, Query(text="Llama-8B", limit=1))
        assert page.rows[0].derived == {}, "a listing does not count"
        with pytest.raises(ModelNotFound):
            await source.listed("no/such")
        await source.close()


async def test_a_hub_that_refuses_to_count_is_looked_up_instead() -> None:
    with HubServer(family()) as hub:
        hub.inject(Fault(kind="info", status=400, times=1))
        source = HuggingFace(hub.endpoint)
        assert await row_of(source) == {}
        assert hub.traffic.requests() == 2
        await source.close()


async def test_it_is_kept_while_fresh_and_as_it_was_without_a_network(tmp_path: Path) -> None:
    clock = Clock()
    with HubServer(family()) as hub:
        endpoint = hub.endpoint
        source = Stored(
            HuggingFace(endpoint, pause=Pauses()), Store(tmp_path, clock=clock), clock=clock
        )
        assert await row_of(source) == await row_of(source) == COUNTED
        assert hub.traffic.requests() == 1
        clock.now += FRESH_SECONDS + 1
        assert await row_of(source) == COUNTED
        assert hub.traffic.requests() == 2
        clock.now += FRESH_SECONDS + 1
    page = await source.listed(ORIGINAL)
    assert page.rows[0].derived == COUNTED
    assert page.age_seconds == FRESH_SECONDS + 1
    with pytest.raises(Unreachable):
        await source.listed("lab/Chat-8B")
    await source.close()


async def test_the_snapshot_stands_in_and_counts_nothing() -> None:
    source = Fallback(HuggingFace("http://127.0.0.1:9", pause=Pauses()), Snapshot())
    assert await row_of(source, "Qwen/Qwen3-8B") == {}
    assert source.title.endswith("(http://127.0.0.1:9 could not be reached)")
    with pytest.raises(Unreachable):
        await source.listed("only/on-the-hub")
    await source.close()


async def test_a_model_on_disk_has_a_row_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert await row_of(Local((tmp_path,)), str(tmp_path)) == {}
