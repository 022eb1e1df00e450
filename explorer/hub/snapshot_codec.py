"""The snapshot's file: rows of a listing, and of some models the texts and the folded tensor lists.

    magic, 8 bytes | length of the contents, 4 bytes | contents (JSON, deflated)
    dictionary (plain) | pieces (deflated with the dictionary), each found by its place in the contents

A model has a piece of texts and either one of folded tensor lists, from which headers are made, or one
of real headers. The bundled snapshot has the former, which take a tenth of the room; one that was made
by ``weights snapshot`` has the latter, whole rows of the listing, and a checksum of every model.

Opening it reads the contents, and checks the sums that there are; a model's pieces are inflated when
they are asked for.
"""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from mmap import mmap
from typing import Any, NamedTuple

from explorer.errors import HubError, UsageError
from explorer.hub.folding import Group, read_groups, write_groups
from explorer.hub.records import decode_listing, encode_listing
from explorer.hub.snapshot_held import HeldFile, pack, unpack
from explorer.hub.source import Listing, RepoFile

MAGIC = b"WXSNAP1\n"
LARGEST_PIECE = 64 << 20
"""Most bytes that a piece may inflate to."""

_DICTIONARY_BYTES = 32 << 10  # deflate looks no further back


class Row(NamedTuple):
    """A row of the listing. The fields are the row's columns in the file: append only."""

    id: str
    downloads: int | None
    likes: int | None
    license: str | None
    task: str | None
    created: str | None
    """ISO date."""
    model_type: str | None
    languages: Sequence[str]
    gguf_repos: Sequence[str]
    """Repositories known to hold GGUF files of this model."""
    parameters: int | None
    parameters_by_dtype: Mapping[str, int]
    provenance: int
    """Place of its sentence in ``provenances``."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The small part of a model: its texts and its files."""

    texts: Mapping[str, str]
    """Path to content."""
    files: tuple[RepoFile, ...]
    """Every file, by path."""
    commit: str | None = None
    """The commit they belong to, for real files."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """A folder of a model with its tensors; ``folder`` is empty for a model that has but one."""

    folder: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the builder hands it over."""

    id: str
    texts: Texts
    components: tuple[Component, ...] = ()
    headers: bytes = field(default=b"", repr=False)
    """In place of the components, where the headers are those of real files: by ``deflate_headers``, since
    hundreds of models are held at once. Empty for none."""


class Place(NamedTuple):
    """Where a model's pieces are in the file, one behind the other."""

    texts: int
    lists: int
    headers: int
    end: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a portable snapshot come from, and what could not be had."""

    title: str
    """``Hugging Face``."""
    selection: str
    """What was asked for, for people."""
    listings: Sequence[Listing]
    """In the order in which the source gave them."""
    left_out: Mapping[str, str]
    """Models of which only the listing is there, and why."""


@dataclass(frozen=True, slots=True)
class Contents:
    """An opened snapshot. Inflates a piece each time it is asked for one."""

    date: str
    """Month the data is of, or its day: ``2026-11``."""
    rows: tuple[Row, ...]
    """Most downloaded first; of a portable snapshot in the order of its source."""
    provenances: tuple[str, ...]
    data: bytes | mmap = field(repr=False)
    places: Mapping[str, Place] = field(repr=False)
    """Model to where its pieces are."""
    dictionary: bytes = field(repr=False)
    origin: Origin | None = field(default=None, repr=False)
    """Only of a portable snapshot."""

    def texts(self, model: str) -> Texts:
        """Texts and files of a model that is in ``places``. Raises HubError if damaged."""
        place = self.places[model]
        value = _inflate_json(self.data[place.texts : place.lists], self.dictionary)
        try:
            files = tuple(
                RepoFile(str(path), int(size), *named) for path, size, *named in value["files"]
            )
            texts = {str(k): str(v) for k, v in value["texts"].items()}
            return Texts(texts, files, value.get("commit"), tuple(value.get("notes", ())))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise damaged(str(error)) from error

    def components(self, model: str) -> tuple[Component, ...]:
        """Tensor lists of a model that is in ``places``. Raises HubError or HeaderError if damaged."""
        place = self.places[model]
        value = _inflate_json(self.data[place.lists : place.headers], self.dictionary)
        if not isinstance(value, dict):
            raise damaged("no tensor lists")
        return tuple(Component(folder, read_groups(rows)) for folder, rows in value.items())

    def headers(self, model: str) -> Mapping[str, HeldFile]:
        """Real headers of a model that is in ``places``, by path; empty where there are lists instead."""
        place = self.places[model]
        try:
            return inflate_headers(self.data[place.headers : place.end])
        except (TypeError, ValueError, RecursionError) as error:
            raise damaged(str(error)) from error


def deflate_headers(files: Sequence[HeldFile]) -> bytes:
    """Real headers as a model holds them. It may take a second for a long vocabulary."""
    return zlib.compress(pack(files), 6) if files else b""


def inflate_headers(data: bytes) -> Mapping[str, HeldFile]:
    """The inverse, by path. Raises HubError, TypeError or ValueError for other bytes."""
    return unpack(_inflate(data, b"")) if data else {}


def write_snapshot(
    date: str, rows: Iterable[Row], provenances: Sequence[str], models: Sequence[Model]
) -> bytes:
    """The bundled file's bytes; the same for the same input."""
    contents = {"date": date, "provenances": list(provenances), "rows": [list(row) for row in rows]}
    return b"".join(_written(contents, models, sums=False))


def write_portable(date: str, origin: Origin, models: Sequence[Model]) -> Iterator[bytes]:
    """A portable snapshot's bytes, part by part. Raises UsageError if its listing is too long."""
    contents = {
        "date": date,
        "provenances": [],
        "rows": [],
        "source": origin.title,
        "selection": origin.selection,
        "listings": [encode_listing(listing) for listing in origin.listings],
        "left_out": dict(origin.left_out),
    }
    if len(_json(contents).encode()) > LARGEST_PIECE // 2:
        raise UsageError(
            f"A snapshot cannot hold {len(origin.listings):,} rows", hint="lower --limit"
        )
    return _written(contents, models, sums=True)


def open_snapshot(data: bytes | mmap) -> Contents:
    """The contents of a snapshot's bytes. Raises HubError if they are not one, or damaged."""
    if data[:8] != MAGIC:
        raise damaged("it does not begin as one")
    at = 12 + int.from_bytes(data[8:12], "little")
    value = _inflate_json(data[12:at], b"")
    try:
        start = at + int(value["dictionary"])
        places = _places(value["models"], start, len(data))
        if "sums" in value:
            _check_sum("the dictionary", data[at:start], value["dictionary_sum"])
            for name, place in places.items():
                _check_sum(name, data[place.texts : place.end], value["sums"][name])
        return Contents(
            date=_date(value["date"]),
            rows=tuple(Row(*row) for row in value["rows"]),
            provenances=tuple(str(text) for text in value["provenances"]),
            data=data,
            places=places,
            dictionary=data[at:start],
            origin=_origin(value) if "listings" in value else None,
        )
    except KeyError as error:
        raise damaged(f"it has no {error.args[0]}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise damaged(str(error)) from error


def damaged(detail: str) -> HubError:
    """The error for a snapshot that cannot be read."""
    return HubError("The bundled snapshot is damaged", detail, "install weights-explorer again")


def _date(value: Any) -> str:
    """A day or a month as written. Raises ValueError or TypeError for neither."""
    datetime.fromisoformat(f"{value}-01"[:10])
    return str(value)


def _origin(value: Mapping[str, Any]) -> Origin:
    return Origin(
        title=str(value["source"]),
        selection=str(value["selection"]),
        listings=tuple(decode_listing(row) for row in value["listings"]),
        left_out={str(name): str(why) for name, why in value["left_out"].items()},
    )


def _written(
    contents: Mapping[str, Any], models: Sequence[Model], *, sums: bool
) -> Iterator[bytes]:
    """The parts of the file in order."""
    pieces = [(_texts_json(model.texts), _lists_json(model.components)) for model in models]
    dictionary = _common_text(text for both in pieces for text in both)
    deflated = [
        (
            _deflate(texts.encode(), dictionary),
            _deflate(lists.encode(), dictionary),
            model.headers,
        )
        for model, (texts, lists) in zip(models, pieces, strict=True)
    ]
    lengths = [
        [model.id, len(texts), len(lists), *([len(headers)] if headers else [])]
        for model, (texts, lists, headers) in zip(models, deflated, strict=True)
    ]
    added: dict[str, Any] = {"models": lengths, "dictionary": len(dictionary)}
    if sums:
        named = zip(models, deflated, strict=True)
        added["sums"] = {model.id: _sum(b"".join(parts)) for model, parts in named}
        added["dictionary_sum"] = _sum(dictionary)
    head = zlib.compress(_json({**contents, **added}).encode(), 9)
    yield MAGIC + len(head).to_bytes(4, "little") + head + dictionary
    for parts in deflated:
        yield b"".join(parts)


def _check_sum(name: str, data: bytes, expected: str) -> None:
    if _sum(data) != expected:
        raise ValueError(f"the checksum of {name} is another")


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _places(models: Any, start: int, size: int) -> dict[str, Place]:
    places = {}
    for name, texts, lists, *headers in models:
        middle = start + int(texts)
        behind = middle + int(lists)
        end = behind + sum(int(length) for length in headers)
        if not start <= middle <= behind <= end:
            raise ValueError(f"{name} has a piece of no length")
        places[str(name)] = Place(start, middle, behind, end)
        start = end
    if start != size:
        raise ValueError(f"{size} bytes where {start} were written")
    return places


def _texts_json(texts: Texts) -> str:
    files = [
        [file.path, file.size_bytes, *([file.content_hash] if file.content_hash else [])]
        for file in texts.files
    ]
    value: dict[str, Any] = {"files": files, "texts": dict(texts.texts)}
    value |= {"commit": texts.commit} if texts.commit else {}
    value |= {"notes": list(texts.notes)} if texts.notes else {}
    return _json(value)


def _lists_json(components: Iterable[Component]) -> str:
    return _json({part.folder: write_groups(part.groups) for part in components})


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _common_text(pieces: Iterable[str]) -> bytes:
    """What many pieces share, most frequent last, where deflate reaches it with the shortest codes."""
    counts: Counter[str] = Counter()
    for piece in pieces:
        counts.update(set(piece.replace("],[", "],\n[").replace("\\n", "\\n\n").split("\n")))
    shared = [(number * len(text), text) for text, number in counts.items() if number > 2]
    kept: list[str] = []
    room = _DICTIONARY_BYTES
    for _, text in sorted(shared, reverse=True):
        size = len(text.encode())
        if size <= room:
            kept.append(text)
            room -= size
    return "".join(reversed(kept)).encode()


def _deflate(data: bytes, dictionary: bytes) -> bytes:
    packer = zlib.compressobj(9, zdict=dictionary) if dictionary else zlib.compressobj(9)
    return packer.compress(data) + packer.flush()


def _inflate(data: bytes, dictionary: bytes) -> bytes:
    unpacker = zlib.decompressobj(zdict=dictionary) if dictionary else zlib.decompressobj()
    try:
        found = unpacker.decompress(data, LARGEST_PIECE)
    except zlib.error as error:
        raise damaged(str(error)) from error
    if not unpacker.eof:
        raise damaged("a piece is cut off")
    return found


def _inflate_json(data: bytes, dictionary: bytes) -> Any:
    try:
        return json.loads(_inflate(data, dictionary))
    except (ValueError, RecursionError) as error:
        raise damaged(str(error)) from error
