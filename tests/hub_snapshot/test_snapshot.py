"""The bundled snapshot, used as any source is."""

import contextlib
import json
from datetime import UTC, datetime
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import ExplorerError, FileNotFound, HubError, ModelNotFound, RevisionNotFound
from explorer.hub.snapshot import Snapshot, bundled
from explorer.hub.snapshot_codec import Contents, open_snapshot
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo
from explorer.weights.safetensors import read_header
from explorer.weights.tensors import Tensor

BUDGET_BYTES = 1_500_000
CONTENTS: Contents = open_snapshot(bundled())
MODELS = sorted(CONTENTS.places)
SMALL = 5_000
"""Of models with more tensors than this every fourth is looked at, by its first and last shard."""


async def pages(snapshot: Snapshot, query: Query) -> list[Page]:
    return [page async for page in snapshot.search(query)]


async def found(query: Query) -> list[Listing]:
    return [row for page in await pages(Snapshot(), query) for row in page.rows]


async def tensors_of(snapshot: Snapshot, repo: Repo, *, all_shards: bool = True) -> list[Tensor]:
    """What the parser reads in the weight files, which must be without a flaw."""
    shards = [file for file in repo.files if file.path.endswith(".safetensors")]
    tensors: list[Tensor] = []
    for file in shards if all_shards else (shards[0], shards[-1]):
        header = await snapshot.read(repo, file, read_header(file.path, file.size_bytes))
        assert header.problems == ()
        assert header.data_start + sum(t.size_bytes for t in header.tensors) == file.size_bytes
        tensors += header.tensors
    return tensors


def test_it_is_small() -> None:
    assert len(bundled()) < BUDGET_BYTES
    assert len(MODELS) >= 250
    assert len(CONTENTS.rows) >= 3_700


async def test_every_model_reads_through_the_parser_and_adds_up_to_its_figures() -> None:
    snapshot = Snapshot()
    large = 0
    for name in MODELS:
        parts = CONTENTS.components(name)
        declared = sum(group.tensors for part in parts for group in part.groups)
        small = declared < SMALL
        large += not small
        if not small and large % 4:
            continue
        repo = await snapshot.repo(ModelRef(name))
        tensors = await tensors_of(snapshot, repo, all_shards=small)
        assert len(tensors) == declared or not small
        listing = repo.listing
        if len(parts) == 1 and listing.parameters_by_dtype and small:
            counts = dict.fromkeys(listing.parameters_by_dtype, 0)
            for tensor in tensors:
                counts[tensor.dtype] += prod(tensor.shape) if tensor.shape else 0
            assert counts == dict(listing.parameters_by_dtype)
            assert sum(counts.values()) == listing.parameters


async def test_the_largest_kind_of_model_is_complete() -> None:
    """91,991 tensors as DeepSeek publishes them; 684,489,845,504 parameters and the scales beside."""
    snapshot = Snapshot()
    repo = await snapshot.repo(ModelRef("deepseek-ai/DeepSeek-R1"))
    tensors = await tensors_of(snapshot, repo)
    assert len(tensors) == len({tensor.name for tensor in tensors}) == 91_991
    weights = [tensor for tensor in tensors if not tensor.name.endswith("_scale_inv")]
    assert sum(tensor.elements for tensor in weights) == 684_489_845_504
    assert repo.listing.parameters == 684_489_845_504


@pytest.mark.parametrize(
    ("model", "folder", "total_size"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "", 16_584_333_312),
        ("mistralai/Devstral-Small-2507", "", 47_144_806_400),
        ("black-forest-labs/FLUX.1-schnell", "transformer/", 23_782_357_120),
        ("black-forest-labs/FLUX.1-schnell", "text_encoder_2/", 9_524_621_312),
        ("stabilityai/stable-diffusion-3-medium-diffusers", "text_encoder_3/", 9_524_621_312),
    ],
)
async def test_stored_bytes_are_those_of_the_published_index(
    model: str, folder: str, total_size: int
) -> None:
    """``metadata.total_size`` of the model's own index file on the hub."""
    snapshot = Snapshot()
    repo = await snapshot.repo(ModelRef(model))
    files = [f for f in repo.files if f.path.startswith(folder) and f.path.endswith(".safetensors")]
    read = [await snapshot.read(repo, f, read_header(f.path, f.size_bytes)) for f in files]
    assert sum(tensor.size_bytes for header in read for tensor in header.tensors) == total_size


async def test_all_headers_at_once_are_those_of_the_shards() -> None:
    snapshot = Snapshot()
    repo = await snapshot.repo(ModelRef("Qwen/Qwen3-8B"))
    index = await snapshot.text(repo, "model.safetensors.index.json")
    assert index is not None
    placed = json.loads(index)["weight_map"]
    headers = await snapshot.sharded_headers(repo, "model.safetensors.index.json")
    assert headers is not None
    for path, header in headers.items():
        names = json.loads(header).keys() - {"__metadata__"}
        assert {name for name, shard in placed.items() if shard == path} == names
    assert {file.path: file.size_bytes for file in repo.files}[
        "model.safetensors.index.json"
    ] == len(index)
    assert await snapshot.sharded_headers(repo, "other.safetensors.index.json") is None


async def test_sizes_of_texts_are_right_and_other_files_are_not_there() -> None:
    snapshot = Snapshot()
    repo = await snapshot.repo(ModelRef("Qwen/Qwen3-8B"))
    config = await snapshot.text(repo, "config.json")
    assert config is not None
    assert {f.path: f.size_bytes for f in repo.files}["config.json"] == len(config.encode())
    assert json.loads(config) == repo.listing.config
    assert await snapshot.text(repo, "README.md") is None
    missing = repo.files[0]
    with pytest.raises(FileNotFound):
        await snapshot.read(repo, missing, read_header(missing.path, missing.size_bytes))


async def test_a_context_that_was_guessed_is_nowhere_to_be_seen() -> None:
    snapshot = Snapshot()
    for row in CONTENTS.rows:
        said = CONTENTS.provenances[row.provenance]
        if "derived" not in said:
            continue
        repo = await snapshot.repo(ModelRef(row.id))
        config = json.dumps(repo.listing.config)
        assert "rope_theta" not in config
        assert "rope and context left out" in repo.listing.provenance
        if '"max_position_embeddings"' in config:
            positions = repo.listing.config["max_position_embeddings"]
            stored = await tensors_of(snapshot, repo)
            assert any("position" in t.name and positions in t.shape for t in stored)


async def test_a_published_config_keeps_its_context() -> None:
    repo = await Snapshot().repo(ModelRef("deepseek-ai/DeepSeek-R1"))
    assert repo.listing.config["max_position_embeddings"] == 163_840
    assert repo.listing.provenance.startswith("snapshot of 2026-11; config: real")


async def test_search_finds_words_in_any_order_and_case() -> None:
    rows = await found(Query(text="8b QWEN3"))
    assert "Qwen/Qwen3-8B" in {row.id for row in rows}
    assert all("qwen3" in row.id.lower() and "8b" in row.id.lower() for row in rows)


async def test_search_narrows_by_author_task_and_tag() -> None:
    rows = await found(
        Query(author="Qwen", task="text-generation", tags=("license:apache-2.0", "qwen3"))
    )
    assert rows
    assert {(row.author, row.task, row.license) for row in rows} == {
        ("Qwen", "text-generation", "apache-2.0")
    }


async def test_a_tag_finds_the_gguf_repositories_of_a_model() -> None:
    rows = await found(Query(tags=("base_model:quantized:Qwen/Qwen3-0.6B", "gguf")))
    assert "unsloth/Qwen3-0.6B-GGUF" in {row.id for row in rows}
    assert {row.base_models for row in rows} == {("Qwen/Qwen3-0.6B",)}


async def test_rows_come_in_the_order_asked_for() -> None:
    downloads = [row.downloads or 0 for row in await found(Query(sort="downloads"))]
    likes = [row.likes or 0 for row in await found(Query(sort="likes"))]
    created = [row.created for row in await found(Query(sort="created")) if row.created]
    assert downloads == sorted(downloads, reverse=True)
    assert likes == sorted(likes, reverse=True)
    assert created == sorted(created, reverse=True)


async def test_pages_say_whether_more_follow() -> None:
    listed = await pages(Snapshot(), Query(limit=250))
    assert [(len(page.rows), page.more) for page in listed] == [
        (100, True),
        (100, True),
        (50, False),
    ]
    assert [page.rows for page in await pages(Snapshot(), Query(text="no such model"))] == [()]


async def test_ages_count_from_the_month_of_the_data() -> None:
    snapshot = Snapshot(now=lambda: datetime(2026, 12, 1, tzinfo=UTC))
    assert snapshot.title == "Snapshot of 2026-11"
    repo = await snapshot.repo(ModelRef("Qwen/Qwen3-8B"))
    assert repo.age_seconds == 30 * 86_400


async def test_a_name_in_another_case_is_the_same_model() -> None:
    repo = await Snapshot().repo(ModelRef("qwen/qwen3-8b"))
    assert repo.ref.id == "Qwen/Qwen3-8B"


@pytest.mark.parametrize(
    ("ref", "error", "said"),
    [
        (ModelRef("acme/none"), ModelNotFound, "is not in the snapshot"),
        (ModelRef("unsloth/Qwen3-0.6B-GGUF"), ModelNotFound, "only the listing"),
        (ModelRef("ggml-org/Qwen3-0.6B-GGUF"), ModelNotFound, "only the listing"),
        (ModelRef("Qwen/Qwen3-8B", "v2"), RevisionNotFound, "no revision v2"),
    ],
)
async def test_what_it_lacks_is_said(ref: ModelRef, error: type[HubError], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        await Snapshot().repo(ref)
    assert raised.value.hint


@pytest.mark.parametrize("name", ["Qwen3-8B", "Qwen/Qwen3-8b-", "Qwem/Qwen3-8B"])
async def test_a_misspelt_name_is_answered_with_what_may_be_meant(name: str) -> None:
    with pytest.raises(ModelNotFound) as raised:
        await Snapshot().repo(ModelRef(name))
    assert "did you mean" in raised.value.hint
    assert "Qwen/Qwen3-8B" in raised.value.hint


async def test_it_can_be_closed_twice_and_used_again() -> None:
    snapshot = Snapshot()
    await snapshot.close()
    await snapshot.close()
    assert await pages(snapshot, Query(limit=1))
    assert snapshot.transfer.requests == 0


@given(at=st.integers(0, len(bundled()) - 1), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_raises_the_projects_errors_or_tells_the_truth(
    at: int, value: int, cut: bool
) -> None:
    data = bytearray(bundled())
    data[at] = value
    damaged = bytes(data[:at]) if cut else bytes(data)
    with contextlib.suppress(ExplorerError):
        contents = open_snapshot(damaged)
        for model in MODELS[::40]:
            assert contents.texts(model) == CONTENTS.texts(model)
            assert contents.components(model) == CONTENTS.components(model)
