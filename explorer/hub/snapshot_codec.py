"""The snapshot's file: rows of a listing, and of some models the texts and the folded tensor lists.

    magic, 8 bytes | length of the contents, 4 bytes | contents (JSON, deflated)
    dictionary (plain) | pieces (deflated with the dictionary), each found by its place in the contents

Opening it reads the contents alone; a model's pieces are inflated when they are asked for.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from explorer.errors import HubError
from explorer.hub.folding import Group, read_groups, write_groups

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
    files: Sequence[tuple[str, int]]
    """Every file and its size in bytes, by path."""


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
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """An opened snapshot. Inflates a piece each time it is asked for one."""

    date: str
    """Month the data is of: ``2026-11``."""
    rows: tuple[Row, ...]
    """Most downloaded first."""
    provenances: tuple[str, ...]
    data: bytes = field(repr=False)
    places: Mapping[str, tuple[int, int, int]] = field(repr=False)
    """Model to where its pieces start, their middle and their end."""
    dictionary: bytes = field(repr=False)

    def texts(self, model: str) -> Texts:
        """Texts and files of a model that is in ``places``. Raises HubError if damaged."""
        start, middle, _ = self.places[model]
        value = _inflate_json(self.data[start:middle], self.dictionary)
        try:
            files = [(str(path), int(size)) for path, size in value["files"]]
            return Texts({str(k): str(v) for k, v in value["texts"].items()}, files)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise damaged(str(error)) from error

    def components(self, model: str) -> tuple[Component, ...]:
        """Tensor lists of a model that is in ``places``. Raises HubError or HeaderError if damaged."""
        _, middle, end = self.places[model]
        value = _inflate_json(self.data[middle:end], self.dictionary)
        if not isinstance(value, dict):
            raise damaged("no tensor lists")
        return tuple(Component(folder, read_groups(rows)) for folder, rows in value.items())


def write_snapshot(
    date: str, rows: Iterable[Row], provenances: Sequence[str], models: Sequence[Model]
) -> bytes:
    """The file's bytes; the same for the same input."""
    pieces = [
        (model.id, _texts_json(model.texts), _lists_json(model.components)) for model in models
    ]
    dictionary = _common_text(text for _, *both in pieces for text in both)
    deflated = [
        (name, _deflate(texts, dictionary), _deflate(lists, dictionary))
        for name, texts, lists in pieces
    ]
    contents = {
        "date": date,
        "provenances": list(provenances),
        "rows": [list(row) for row in rows],
        "models": [[name, len(texts), len(lists)] for name, texts, lists in deflated],
        "dictionary": len(dictionary),
    }
    head = zlib.compress(_json(contents).encode(), 9)
    body = b"".join(texts + lists for _, texts, lists in deflated)
    return MAGIC + len(head).to_bytes(4, "little") + head + dictionary + body


def open_snapshot(data: bytes) -> Contents:
    """The contents of a snapshot's bytes. Raises HubError if they are not one."""
    if data[:8] != MAGIC:
        raise damaged("it does not begin as one")
    at = 12 + int.from_bytes(data[8:12], "little")
    value = _inflate_json(data[12:at], b"")
    try:
        start = at + int(value["dictionary"])
        places = _places(value["models"], start, len(data))
        return Contents(
            date=str(value["date"]),
            rows=tuple(Row(*row) for row in value["rows"]),
            provenances=tuple(str(text) for text in value["provenances"]),
            data=data,
            places=places,
            dictionary=data[at:start],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(str(error)) from error


def damaged(detail: str) -> HubError:
    """The error for a snapshot that cannot be read."""
    return HubError("The bundled snapshot is damaged", detail, "install weights-explorer again")


def _places(models: Any, start: int, size: int) -> dict[str, tuple[int, int, int]]:
    places = {}
    for name, texts, lists in models:
        places[str(name)] = (start, start + int(texts), start + int(texts) + int(lists))
        start += int(texts) + int(lists)
    if start != size:
        raise ValueError(f"{size} bytes where {start} were written")
    return places


def _texts_json(texts: Texts) -> str:
    return _json({"files": [list(file) for file in texts.files], "texts": dict(texts.texts)})


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


def _deflate(text: str, dictionary: bytes) -> bytes:
    packer = zlib.compressobj(9, zdict=dictionary) if dictionary else zlib.compressobj(9)
    return packer.compress(text.encode()) + packer.flush()


def _inflate_json(data: bytes, dictionary: bytes) -> Any:
    unpacker = zlib.decompressobj(zdict=dictionary) if dictionary else zlib.decompressobj()
    try:
        text = unpacker.decompress(data, LARGEST_PIECE)
        if not unpacker.eof:
            raise damaged("a piece is cut off")
        return json.loads(text)
    except (zlib.error, ValueError, RecursionError) as error:
        raise damaged(str(error)) from error
