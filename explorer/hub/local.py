"""Models on this machine's disks, read in place."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from explorer.errors import FileNotFound, HeaderError, HubError
from explorer.hub.front_matter import front_matter
from explorer.hub.huggingface import LARGEST_TEXT
from explorer.hub.listings import read_listing
from explorer.hub.ranges import LARGEST_STEP
from explorer.hub.shelves import LocalModel, find_models, is_weight, open_cached, open_model
from explorer.hub.source import (
    Listing,
    ModelRef,
    Page,
    Query,
    Repo,
    RepoFile,
    Transfer,
    Twin,
    page_of,
)
from explorer.hub.twins import content_hash, find_twins
from explorer.spans import Reading, Span, T, drive

_PAGE_ROWS = 50


class Local:
    """A ``Source`` over files and folders; nothing goes over a network.

    Models are named by their path, those in the hub's cache also as on the hub. A listing has those in
    ``folders`` and in the stores of Hugging Face, Ollama and LM Studio, found from ``home`` and
    ``environment``.
    """

    name = "local"
    title = "This machine"

    def __init__(
        self,
        folders: Sequence[Path] = (),
        *,
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folders = tuple(folders)
        self._home = home or Path("~").expanduser()
        self._environment = os.environ if environment is None else environment
        self._models: dict[str, LocalModel] = {}
        self._twins: Mapping[str, tuple[Twin, ...]] = {}
        self._read_bytes = 0

    @property
    def transfer(self) -> Transfer:
        """Bytes read from files; there are no requests."""
        return Transfer(bytes=self._read_bytes)

    async def close(self) -> None:
        """Nothing is held open."""

    async def search(self, query: Query) -> AsyncIterator[Page]:
        """List models by name, or the latest written first with ``sort="updated"``.

        Tasks, tags, counts and gates are not known of files and do not filter.
        """
        rows = await asyncio.to_thread(self._list, query)
        begun = int(query.start) if query.start.isdecimal() else 0
        rows = rows[begun:][: query.limit]
        for start in range(0, max(len(rows), 1), _PAGE_ROWS):
            page = tuple(rows[start : start + _PAGE_ROWS])
            more = start + _PAGE_ROWS < len(rows)
            yield Page(page, more, following=str(begun + start + _PAGE_ROWS) if more else "")

    async def config(self, listing: Listing) -> str | None:
        """config.json of the model at a path."""
        model = await asyncio.to_thread(self._model, ModelRef(listing.id))
        place = model.places.get("config.json")
        return None if place is None else await asyncio.to_thread(_read_text, place)

    async def listed(self, model_id: str) -> Page:
        """A model's row, from its look-up."""
        return page_of(await self.repo(ModelRef(model_id)))

    async def repo(self, ref: ModelRef) -> Repo:
        """The model at a path and its files; for one shard, all the shards of its model."""
        return await asyncio.to_thread(self._look_up, ref)

    async def text(self, repo: Repo, path: str) -> str | None:
        """A small file of the model."""
        return await asyncio.to_thread(self._text, repo, path)

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over ranges of a file."""
        return await asyncio.to_thread(self._drive, repo, file, reading)

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """None: reading the shards is as quick."""
        del repo, index_path  # the protocol's, and of no use here
        return None

    def _list(self, query: Query) -> list[Listing]:
        words = query.text.lower().split()
        found = find_models(self._folders, self._home, self._environment)
        models = {model.path: model for model in found}
        self._twins = find_twins(models.values())
        rows = [
            self._listing(model)
            for model in models.values()
            if all(word in f"{model.name} {model.path}".lower() for word in words)
            and (query.author is None or model.name.startswith(f"{query.author}/"))
        ]
        if query.sort in ("updated", "created"):
            return sorted(
                rows, key=lambda row: row.updated or datetime.min.replace(tzinfo=UTC), reverse=True
            )
        return sorted(rows, key=lambda row: row.id)

    def _listing(self, model: LocalModel) -> Listing:
        return replace(_listing(model), twins=self._twins.get(str(model.path), ()))

    def _look_up(self, ref: ModelRef) -> Repo:
        model = self._models[ref.id] = self._named(ref)
        try:
            files = tuple(
                RepoFile(name, place.stat().st_size, content_hash(place))
                for name, place in model.places.items()
            )
            return Repo(ref, replace(self._listing(model), id=ref.id), model.commit, files)
        except OSError as fault:
            raise _failure(ref.id, fault) from fault

    def _model(self, ref: ModelRef) -> LocalModel:
        return self._models.get(ref.id) or self._named(ref)

    def _named(self, ref: ModelRef) -> LocalModel:
        """The model at a path, or the one that a store of this machine has under the hub's name."""
        if Path(ref.id).is_absolute():
            return open_model(Path(ref.id))
        return open_cached(ref.id, ref.revision, self._home, self._environment)

    def _text(self, repo: Repo, path: str) -> str | None:
        place = self._model(repo.ref).places.get(path)
        text = _read_text(place) if place is not None else None
        self._read_bytes += len(text or "")
        return text

    def _drive(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        place = self._model(repo.ref).places.get(file.path)
        if place is None:
            raise FileNotFound(f"There is no {file.path} in {repo.ref.id}")
        try:
            with place.open("rb") as stream:
                return drive(reading, lambda span: self._fetch(stream, file, span))
        except OSError as fault:
            raise _failure(file.path, fault) from fault

    def _fetch(self, stream: BinaryIO, file: RepoFile, span: Span) -> bytes:
        if min(span.stop, file.size_bytes) - span.start > LARGEST_STEP:
            raise HeaderError(f"{file.path} asks for too much", "its header claims to be enormous")
        stream.seek(span.start)
        body = stream.read(max(min(span.stop, file.size_bytes) - span.start, 0))
        self._read_bytes += len(body)
        return body


def _listing(model: LocalModel) -> Listing:
    found = [place.stat() for place in model.places.values()]
    suffixes = {Path(name).suffix for name in model.places if is_weight(name)}
    said = _said_in_card(model)
    return replace(
        said,
        id=str(model.path),
        author=model.name.split("/")[0] if "/" in model.name else None,
        sha=model.commit,
        updated=datetime.fromtimestamp(max((stat.st_mtime for stat in found), default=0.0), UTC),
        library=said.library or (suffixes.pop().removeprefix(".") if len(suffixes) == 1 else None),
        config=_config(model.places.get("config.json")),
        tags=(model.name, *said.tags),
        size_bytes=sum(stat.st_size for stat in found),
        provenance=f"on disk: {model.origin}" if model.origin else "on disk",
    )


def _said_in_card(model: LocalModel) -> Listing:
    """What the model's own README.md says of it: license, base models, languages."""
    place = model.places.get("README.md")
    card = front_matter(_read_text(place) or "") if place is not None else {}
    about = {"id": str(model.path), "cardData": card, "tags": card.get("tags")}
    about |= {name: card.get(name) for name in ("pipeline_tag", "library_name")}
    return read_listing(about) or Listing(str(model.path))


def _config(path: Path | None) -> Mapping[str, object]:
    try:
        content = (
            json.loads(path.read_bytes()) if path and path.stat().st_size < LARGEST_TEXT else None
        )
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_text(place: Path) -> str | None:
    """A small file; None if it is not small."""
    try:
        if place.stat().st_size > LARGEST_TEXT:
            return None
        return place.read_bytes().decode(errors="replace")
    except OSError as fault:
        raise _failure(place.name, fault) from fault


def _failure(what: str, fault: OSError) -> HubError:
    if isinstance(fault, FileNotFoundError):
        return FileNotFound(f"{what} is gone", hint="it was there a moment ago")
    return HubError(f"{what} cannot be read", fault.strerror or str(fault), "check its permissions")
