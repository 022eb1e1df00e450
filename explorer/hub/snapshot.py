"""A snapshot as a source: what there is to see without a network.

Listing rows, and for some models their configs and headers. In the bundled one a header's bytes are made
from the folded tensor list when they are asked for, so that the parsers read them as they read the
hub's; one that ``weights snapshot`` made has the headers' own bytes. There is no tensor data behind them.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path

from explorer.errors import (
    FileNotFound,
    HeaderError,
    HubError,
    ModelNotFound,
    RevisionNotFound,
    UsageError,
)
from explorer.hub.layout import Shard, component_index, component_shards, index_json
from explorer.hub.snapshot_codec import Contents, open_snapshot
from explorer.hub.snapshot_held import HeldFile
from explorer.hub.snapshot_rows import Rows
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, RepoFile, Transfer
from explorer.spans import Reading, Span, T, drive

PAGE = 100
"""Rows of a page."""

_LAID_OUT = 2  # models whose tensor lists are kept unfolded: the one that is open and one beside it


def bundled() -> bytes:
    """The snapshot that comes with the program."""
    return Path(__file__).with_name("data").joinpath("snapshot.bin").read_bytes()


class Snapshot:
    """A ``Source`` over a snapshot's bytes, opened when first asked.

    ``read_bytes`` gives the file; ``now`` the time from which ages count; ``label`` names the file in
    errors, where it is not the bundled one.
    """

    def __init__(
        self,
        read_bytes: Callable[[], bytes | mmap] = bundled,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        label: str = "",
    ) -> None:
        self._read_bytes = read_bytes
        self._now = now
        self._label = label
        self._rows: Rows | None = None
        self._held: tuple[str, Mapping[str, HeldFile]] = ("", {})
        self._layouts: dict[str, dict[str, tuple[Shard, ...]]] = {}
        self._lock = threading.Lock()

    @classmethod
    def of_file(
        cls, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> "Snapshot":
        """The snapshot in a file. It is opened, and its checksums are looked at, when first asked."""
        return cls(partial(_mapped, path), now, str(path))

    @property
    def name(self) -> str:
        """``snapshot``."""
        return "snapshot"

    @property
    def title(self) -> str:
        """``Snapshot of 2026-11``; ``Snapshot of 2026-11-23 from Hugging Face``."""
        contents = self._opened().contents
        origin = f" from {contents.origin.title}" if contents.origin else ""
        return f"Snapshot of {contents.date}{origin}"

    @property
    def transfer(self) -> Transfer:
        """Nothing ever goes over the wire."""
        return Transfer()

    async def search(self, query: Query) -> AsyncIterator[Page]:
        """Rows that the hub would list. What trends is not known: the most downloaded stand in.

        When a model was updated is not known either: newest first stands in.
        """
        rows = await asyncio.to_thread(self._opened)
        begun = int(query.start) if query.start.isdecimal() else 0
        found = rows.found(query)[begun:]
        if query.limit is not None:
            found = found[: query.limit]
        age = self._age_seconds()
        for start in range(0, max(len(found), 1), PAGE):
            page = tuple(rows.listing(row) for row in found[start : start + PAGE])
            more = start + PAGE < len(found)
            yield Page(page, more, age, str(begun + start + PAGE) if more else "")

    async def config(self, listing: Listing) -> str | None:
        """config.json of a model whose files are here; None for others."""
        contents = (await asyncio.to_thread(self._opened)).contents
        if listing.id not in contents.places:
            return None
        return contents.texts(listing.id).texts.get("config.json")

    async def listed(self, model_id: str) -> Page:
        """A model's row, whether its files are here or not. Raises ModelNotFound."""
        rows = await asyncio.to_thread(self._opened)
        row = rows.row(model_id)
        if row is None:
            raise _missing(rows, model_id)
        return Page((rows.listing(row),), more=False, age_seconds=self._age_seconds())

    async def repo(self, ref: ModelRef) -> Repo:
        """A model with its files. Raises ModelNotFound for one that is not here, or only listed."""
        rows = await asyncio.to_thread(self._opened)
        row = rows.row(ref.id)
        title = f"snapshot of {rows.contents.date}"
        if row is None:
            raise _missing(rows, ref.id)
        if row.id not in rows.contents.places:
            origin = rows.contents.origin
            why = origin.left_out.get(row.id, "") if origin else ""
            raise ModelNotFound(f"The {title} has only the listing of {row.id}", why, _ONLINE)
        held = rows.contents.texts(row.id)
        if ref.revision not in {None, "main", "master", held.commit}:
            raise RevisionNotFound(
                f"The {title} has no revision {ref.revision} of {row.id}", hint=_ONLINE
            )
        return Repo(
            ModelRef(row.id, ref.revision),
            rows.listing(row),
            held.commit,
            held.files,
            self._age_seconds(),
            held.notes,
        )

    async def text(self, repo: Repo, path: str) -> str | None:
        """A config or another small JSON file; None if there is none."""
        contents = (await asyncio.to_thread(self._opened)).contents
        if repo.ref.id not in contents.places:
            return None
        text = contents.texts(repo.ref.id).texts.get(path)
        if text is not None or not any(file.path == path for file in repo.files):
            return text
        shards = await asyncio.to_thread(self._shards_of_index, repo, path)
        return index_json(shards) if shards else None

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over a header's bytes, in a thread. Bytes behind the header are not given.

        Raises FileNotFound for a path that is no weight file of the model, and what the parser raises.
        """

        def run() -> T:
            held = self._held_files(repo.ref.id).get(file.path)
            if held is not None:
                return drive(reading, lambda span: held.read(span, file.size_bytes))
            header = self._shard(repo, file.path).header()
            return drive(reading, lambda span: _cut(header, span))

        return await asyncio.to_thread(run)

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """Headers of all shards; None if ``index_path`` is not the index of a sharded component."""
        return await asyncio.to_thread(self._headers, repo, index_path)

    async def close(self) -> None:
        """Let go of what was read."""
        with self._lock:
            self._rows = None
            self._layouts = {}
            self._held = ("", {})

    def _opened(self) -> Rows:
        with self._lock:
            if self._rows is None:
                self._rows = Rows(self._open())
            return self._rows

    def _open(self) -> Contents:
        try:
            return open_snapshot(self._read_bytes())
        except OSError as fault:
            why = fault.strerror or str(fault)
            raise UsageError(f"{self._label} cannot be read", why) from fault
        except HubError as fault:
            if not self._label:
                raise
            raise HeaderError(
                f"{self._label} is damaged, or is no snapshot",
                fault.detail,
                "make it again: weights snapshot",
            ) from fault

    def _age_seconds(self) -> float:
        date = self._opened().contents.date
        # Of a month alone, its first day.
        day = datetime.fromisoformat(f"{date}-01"[:10]).replace(tzinfo=UTC)
        return max((self._now() - day).total_seconds(), 0.0)

    def _held_files(self, model: str) -> Mapping[str, HeldFile]:
        """Real headers of a model; those of the last one asked for are kept inflated."""
        contents = self._opened().contents
        with self._lock:
            if self._held[0] != model:
                held = contents.headers(model) if model in contents.places else {}
                self._held = (model, held)
            return self._held[1]

    def _headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        shards = self._shards_of_index(repo, index_path)
        return {shard.path: shard.header()[8:] for shard in shards} or None

    def _shards_of_index(self, repo: Repo, index_path: str) -> tuple[Shard, ...]:
        for folder, shards in self._layout(repo.ref.id).items():
            if component_index(folder) == index_path and len(shards) > 1:
                return shards
        return ()

    def _shard(self, repo: Repo, path: str) -> Shard:
        for shards in self._layout(repo.ref.id).values():
            for shard in shards:
                if shard.path == path:
                    return shard
        raise FileNotFound(f"{repo.ref.id} has no weight file {path} in the snapshot", hint=_ONLINE)

    def _layout(self, model: str) -> dict[str, tuple[Shard, ...]]:
        """Files of each component of a model, unfolded once for all of its shards."""
        contents = self._opened().contents
        with self._lock:
            layout = self._layouts.pop(model, None)
            if layout is None:
                layout = _lay_out(contents, model)
            self._layouts[model] = layout
            while len(self._layouts) > _LAID_OUT:
                del self._layouts[next(iter(self._layouts))]
            return layout


def _missing(rows: Rows, model_id: str) -> ModelNotFound:
    near = ", ".join(rows.near(model_id))
    hint = f"did you mean {near}? Otherwise {_ONLINE}" if near else _ONLINE
    return ModelNotFound(f"{model_id} is not in the snapshot of {rows.contents.date}", hint=hint)


_ONLINE = "look it up on the hub when there is a network"


def _lay_out(contents: Contents, model: str) -> dict[str, tuple[Shard, ...]]:
    if model not in contents.places:
        return {}
    return {
        component.folder: component_shards(component.folder, component.groups)
        for component in contents.components(model)
    }


def _mapped(path: Path) -> bytes | mmap:
    """A file's bytes, of which only what is looked at comes into memory."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return b""
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _cut(header: bytes, span: Span) -> bytes:
    return header[span.start : span.stop]
