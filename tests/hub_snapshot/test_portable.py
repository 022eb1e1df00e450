"""Portable snapshots: what is read from a hub, kept in a file, and read back without a network."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explorer.errors import (
    ExplorerError,
    HeaderError,
    HubError,
    ModelNotFound,
    RateLimited,
    RevisionNotFound,
    Unreachable,
    UsageError,
)
from explorer.hub.huggingface import HuggingFace
from explorer.hub.snapshot import Snapshot
from explorer.hub.snapshot_codec import (
    Model,
    Origin,
    Texts,
    deflate_headers,
    inflate_headers,
    write_portable,
)
from explorer.hub.snapshot_held import HeldFile, held_file, pack, unpack
from explorer.hub.snapshot_journal import Journal, open_journal, write_file
from explorer.hub.source import Listing, ModelRef, Query, Repo, RepoFile, Source
from explorer.inspection import model as opened
from explorer.inspection.collecting import collect, collect_model
from explorer.inspection.opening import open_model
from explorer.spans import Span
from explorer.weights.checkpoint import Shard
from tests.hub import Fault, HubServer
from tests.hub.builder import generate_listing, gguf_repo, llama_like, mixture_like, real_files
from tests.hub_sources.readings import Pauses, names_of, pages_of

SINGLE = llama_like("acme/single", downloads=40)
SHARDED = mixture_like("acme/sharded", shards=3, downloads=30)
GGUF = gguf_repo("acme/quantized", downloads=20)
GATED = llama_like("acme/gated", gated="manual", downloads=10)
BROKEN = real_files("acme/broken", {"model.safetensors": b"\xff" * 64}, downloads=5)
STATES = Path(__file__).parents[1] / "data" / "torch" / "state_dict.bin"
TORCH = real_files("acme/torch", {"pytorch_model.bin": STATES.read_bytes()}, downloads=15)
REPOS = [SINGLE, SHARDED, GGUF, TORCH, GATED, BROKEN]
NAMES = [repo.id for repo in REPOS]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> contextlib.AbstractContextManager[HubServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return HubServer(REPOS)


@pytest.fixture
async def live(
    hub: contextlib.AbstractContextManager[HubServer],
) -> AsyncIterator[tuple[HubServer, HuggingFace]]:
    with hub as server:
        source = HuggingFace(server.endpoint, token="", pause=Pauses())
        yield server, source
        await source.close()


async def written(path: Path, source: Source) -> Path:
    """A snapshot of everything there is."""
    rows = [row for page in await pages_of(source, Query(sort="downloads")) for row in page.rows]
    models: dict[str, Model] = {}
    left_out: dict[str, str] = {}
    async for name, outcome in collect(source, [row.id for row in rows]):
        if isinstance(outcome, ExplorerError):
            left_out[name] = outcome.title
        else:
            models[name] = outcome
    origin = Origin(source.title, "everything", rows, left_out)
    ordered = [models[row.id] for row in rows if row.id in models]
    write_file(path, write_portable("2026-11-23", origin, ordered))
    return path


async def last(source: Source, name: str) -> opened.Model:
    return [model async for model in open_model(source, ModelRef(name))][-1]


def shards(model: opened.Model) -> list[Shard]:
    """Every header and every error, whatever order they arrived in."""
    return sorted(model.checkpoint.shards, key=lambda shard: shard.path)


Live = tuple[HubServer, HuggingFace]


async def test_models_open_from_the_file_as_from_the_hub(live: Live, tmp_path: Path) -> None:
    server, source = live
    file = Snapshot.of_file(await written(tmp_path / "lab", source))
    requests = server.traffic.requests()
    for repo in (SINGLE, SHARDED, GGUF, TORCH):
        name = repo.id
        here, there = await last(file, name), await last(source, name)
        assert here.complete
        assert shards(here) == shards(there)
        assert here.architecture == there.architecture
        assert here.documents == there.documents
        assert here.repo.files == there.repo.files
        assert here.repo.commit == there.repo.commit == repo.commits["main"]
    assert file.transfer.requests == 0
    assert server.traffic.requests() > requests  # the hub was asked by ``source`` alone


async def test_headers_are_the_bytes_of_the_real_files(live: Live, tmp_path: Path) -> None:
    _, source = live
    for repo in (SINGLE, SHARDED, GGUF):
        model = await collect_model(source, repo.id)
        contents = {file.path: file.content for file in repo.files}
        for held in inflate_headers(model.headers).values():
            [(start, data)] = held.pieces
            assert start == 0
            assert data == contents[held.path].read(0, len(data))
            assert len(data) < contents[held.path].size  # none of the tensors' data


async def test_the_listing_comes_back_whole_in_its_order(live: Live, tmp_path: Path) -> None:
    _, source = live
    file = Snapshot.of_file(await written(tmp_path / "lab", source))
    [page] = await pages_of(file, Query(sort="downloads"))
    [there] = await pages_of(source, Query(sort="downloads"))
    assert [row.id for row in page.rows] == NAMES
    for row, original in zip(page.rows, there.rows, strict=True):
        assert row.downloads == original.downloads
        assert row.updated == original.updated
        assert row.tags == original.tags
        assert row.provenance.startswith("snapshot of 2026-11-23; read from http")
    assert page.rows[0].config["num_hidden_layers"] == 2
    assert await names_of(file, Query(text="quant")) == ["acme/quantized"]
    assert await names_of(file, Query(author="acme", tags=("gguf",))) == ["acme/quantized"]
    assert await names_of(file, Query(author="nobody")) == []
    assert await names_of(file, Query(gated=True)) == ["acme/gated"]
    assert "acme/gated" not in await names_of(file, Query(gated=False))


async def test_its_age_counts_from_the_day_it_was_made(live: Live, tmp_path: Path) -> None:
    _, source = live
    path = await written(tmp_path / "lab", source)
    file = Snapshot.of_file(path, now=lambda: datetime(2026, 11, 25, tzinfo=UTC))
    repo = await file.repo(ModelRef("acme/single"))
    assert repo.age_seconds == 2 * 86_400
    assert file.title == f"Snapshot of 2026-11-23 from {source.title}"


async def test_what_could_not_be_read_is_said(live: Live, tmp_path: Path) -> None:
    _, source = live
    file = Snapshot.of_file(await written(tmp_path / "lab", source))
    gated = await file.repo(ModelRef("acme/gated"))
    assert any("gated" in note for note in gated.notes)
    broken = await last(file, "acme/broken")
    assert any("1 of 1 headers" in warning for warning in broken.warnings)
    with pytest.raises(RevisionNotFound):
        await file.repo(ModelRef("acme/single", "v2"))
    with pytest.raises(ModelNotFound):
        await file.repo(ModelRef("acme/other"))


async def test_a_model_that_is_gone_is_left_out_with_the_reason(live: Live, tmp_path: Path) -> None:
    server, source = live
    server.inject(Fault(path="/api/models/acme/single", status=404))
    file = Snapshot.of_file(await written(tmp_path / "lab", source))
    with pytest.raises(ModelNotFound, match="only the listing") as raised:
        await file.repo(ModelRef("acme/single"))
    assert raised.value.detail


async def test_cards_and_licenses_are_kept_when_asked_for(live: Live, tmp_path: Path) -> None:
    _, source = live
    plain = await collect_model(source, "acme/quantized")
    full = await collect_model(source, "acme/quantized", documents=True)
    assert "README.md" not in plain.texts.texts
    assert "README.md" in full.texts.texts


async def test_a_snapshot_of_a_snapshot_says_where_it_came_from(tmp_path: Path) -> None:
    bundled = Snapshot()
    model = await collect_model(bundled, "Qwen/Qwen3-8B")
    row = (await bundled.repo(ModelRef("Qwen/Qwen3-8B"))).listing
    origin = Origin(bundled.title, "", [row], {})
    write_file(tmp_path / "one", write_portable("2026-11-23", origin, [model]))
    file = Snapshot.of_file(tmp_path / "one")
    again = await last(file, "Qwen/Qwen3-8B")
    assert shards(again) == shards(await last(bundled, "Qwen/Qwen3-8B"))
    assert "config: real" in again.repo.listing.provenance


async def test_rate_limits_are_waited_for(live: Live) -> None:
    server, source = live
    server.inject(Fault(kind="info", status=429, retry_after_seconds=100, times=1))
    waited: list[RateLimited] = []
    pauses = Pauses()
    # The client refuses of itself until the limit has passed, which no pause here makes happen.
    source._client._monotonic = lambda: 1_000.0 + sum(pauses.seconds)
    source._client.limits._monotonic = source._client._monotonic
    found = [
        name
        async for name, outcome in collect(
            source, ["acme/single"], waiting=waited.append, pause=pauses
        )
        if isinstance(outcome, Model)
    ]
    assert found == ["acme/single"]
    assert len(waited) == 1
    assert pauses.seconds[0] >= 100


async def test_no_answer_ends_the_work_and_keeps_what_was_under_way(live: Live) -> None:
    server, source = live
    server.inject(Fault(path="/api/models/acme/single", status=503))
    found: list[str] = []

    async def collected() -> None:
        async for name, _ in collect(source, NAMES, at_once=3):
            found.append(name)

    with pytest.raises(Unreachable):
        await collected()
    assert set(NAMES[1:3]) <= set(found)
    assert "acme/single" not in found


class TestJournal:
    """What was read is kept, whenever the work is interrupted."""

    async def begun(self, target: Path, source: Source, names: list[str]) -> Journal:
        journal = open_journal(target, "all", "2026-11-23")
        if not journal.listings:
            rows = await pages_of(source, Query(sort="downloads"))
            journal.begin([row for page in rows for row in page.rows])
        async for name, outcome in collect(source, names, at_once=1):
            if isinstance(outcome, ExplorerError):
                journal.leave_out(name, outcome.title)
            else:
                journal.add(outcome)
        journal.close()
        return journal

    async def test_it_is_read_back(self, live: Live, tmp_path: Path) -> None:
        _, source = live
        journal = await self.begun(tmp_path / "lab", source, NAMES[:2])
        again = open_journal(tmp_path / "lab", "all", "2026-12-01")
        assert again.date == "2026-11-23"
        assert again.models == journal.models
        assert list(again.listings) == list(journal.listings)
        assert again.remaining == NAMES[2:]

    async def test_a_kill_at_any_byte_loses_one_record_at_most(
        self, live: Live, tmp_path: Path
    ) -> None:
        _, source = live
        journal = await self.begun(tmp_path / "lab", source, NAMES)
        whole = journal.path.read_bytes()
        for stop in range(0, len(whole), 97):
            journal.path.write_bytes(whole[:stop])
            again = open_journal(tmp_path / "lab", "all", "2026-11-23")
            kept = list(again.models)
            assert kept == NAMES[: len(kept)]
            assert journal.path.stat().st_size <= stop
        # after the last cut the rest is read anew, and the end is the same
        again = open_journal(tmp_path / "lab", "all", "2026-11-23")
        finished = await self.begun(tmp_path / "lab", source, again.remaining)
        assert finished.ordered == journal.ordered

    async def test_another_selection_is_not_mixed_in(self, live: Live, tmp_path: Path) -> None:
        _, source = live
        await self.begun(tmp_path / "lab", source, [])
        with pytest.raises(UsageError, match="something else"):
            open_journal(tmp_path / "lab", "other", "2026-11-23")

    def test_a_place_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no folder"):
            open_journal(tmp_path / "none" / "lab", "all", "2026-11-23")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A snapshot of two rows and one model, small enough to be damaged everywhere."""
    held = HeldFile("model.safetensors", ((0, b"\x02\0\0\0\0\0\0\0{}"),))
    texts = Texts({"config.json": "{}"}, (RepoFile("model.safetensors", 10, "ab" * 32),), "c" * 40)
    rows = [Listing("acme/one", downloads=3), Listing("acme/two", likes=4)]
    origin = Origin("a hub", "all", rows, {"acme/two": "gone"})
    parts = write_portable(
        "2026-11-23", origin, [Model("acme/one", texts, headers=deflate_headers([held]))]
    )
    path = tmp_path_factory.mktemp("small") / "lab"
    write_file(path, parts)
    return path, path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(at=st.integers(0, 10_000), value=st.integers(1, 255), cut=st.booleans())
async def test_damage_is_noticed_on_load(
    at: int, value: int, cut: bool, small: tuple[Path, bytes]
) -> None:
    path, whole = small
    at %= len(whole)
    data = bytearray(whole)
    data[at] ^= value
    damaged = path.with_name("damaged")
    damaged.write_bytes(bytes(data[:at]) if cut else bytes(data))
    outcome = await first_model(damaged)
    if isinstance(outcome, Repo):  # the last bits of a deflated piece mean nothing
        assert outcome == await first_model(path)
        return
    assert "damaged, or is no snapshot" in outcome.title
    assert str(damaged) in outcome.title
    assert "weights snapshot" in outcome.hint


async def first_model(path: Path) -> Repo | HeaderError:
    """What the file answers, at one moment."""
    file = Snapshot.of_file(path, now=lambda: datetime(2026, 11, 25, tzinfo=UTC))
    try:
        return await file.repo(ModelRef("acme/one"))
    except HeaderError as error:
        return error


async def test_an_undamaged_one_opens(small: tuple[Path, bytes]) -> None:
    repo = await Snapshot.of_file(small[0]).repo(ModelRef("acme/one"))
    assert repo.commit == "c" * 40
    assert repo.files[0].content_hash == "ab" * 32


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        await Snapshot.of_file(tmp_path / "none").repo(ModelRef("acme/one"))


def test_a_listing_that_is_too_long_is_refused() -> None:
    long = Listing("acme/x", tags=tuple("t" * 900 for _ in range(1_000)))
    rows = [replace(long, id=f"acme/{n}") for n in range(50)]
    with pytest.raises(UsageError, match="--limit"):
        list(write_portable("2026-11-23", Origin("a hub", "", rows, {}), []))


class TestHeldFile:
    """Stretches of a file, and what is read where nothing is held."""

    def test_data_reads_as_zeros(self) -> None:
        held = held_file("x", [(0, b"header and data")], data_start=6)
        assert held.pieces == ((0, b"header"),)
        assert held.read(Span(0, 10), 8) == b"header\0\0"
        assert held.read(Span(20, 30), 8) == b""

    def test_an_archive_gives_what_it_holds_alone(self) -> None:
        held = held_file("x", [(90, b"directory."), (0, b"begin")], data_start=None)
        assert held.read(Span(92, 100), 100) == b"rectory."
        with pytest.raises(HubError, match="does not hold bytes 3 to 9"):
            held.read(Span(3, 9), 100)

    def test_a_header_of_no_size_is_refused(self) -> None:
        with pytest.raises(HeaderError):
            HeldFile("x", ()).read(Span(0, 1 << 40), 1 << 41)

    @given(
        ranges=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=6),
        span=st.tuples(st.integers(0, 100), st.integers(0, 50)),
    )
    def test_overlapping_ranges_join(
        self, ranges: list[tuple[int, int]], span: tuple[int, int]
    ) -> None:
        whole = bytes(range(100))
        read = [(start, whole[start : start + size]) for start, size in ranges]
        held = held_file("x", read, data_start=None)
        wanted = range(span[0], min(sum(span), 100))
        known = {at for start, size in ranges for at in range(start, start + size)}
        if known.issuperset(wanted):
            assert held.read(Span(span[0], sum(span)), 100) == bytes(wanted)
        else:
            with pytest.raises(HubError):
                held.read(Span(span[0], sum(span)), 100)
        assert unpack(pack([held])) == {"x": held}

    @given(data=st.binary(max_size=200))
    def test_bytes_that_are_none(self, data: bytes) -> None:
        with contextlib.suppress(ValueError, TypeError):
            held = unpack(data)
            assert unpack(pack(list(held.values()))) == held


async def test_many_rows_take_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand rows of a listing, as a hub gives them: 60 bytes a row."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HubServer([*generate_listing(1_000)]) as server:
        source = HuggingFace(server.endpoint, token="")
        pages = await pages_of(source, Query(sort="downloads"))
        rows = [row for page in pages for row in page.rows]
        await source.close()
    origin = Origin("a hub", "", rows, {})
    assert len(b"".join(write_portable("2026-11-23", origin, []))) < 60_000
