"""A snapshot under way: what has been read so far, in a file beside the one that is being made.

Records follow one another: 4 bytes of length, 8 of a checksum, the deflated record. The first has the
listing, the others a model each, or why one is left out. Whatever a kill leaves half written at the end
is cut off when the file is opened again.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from explorer.errors import UsageError
from explorer.hub.records import decode_listing, encode_listing
from explorer.hub.snapshot_codec import Model, Texts
from explorer.hub.source import Listing, RepoFile

SUFFIX = ".part"
_LARGEST_RECORD = 256 << 20
_LARGEST_CONTENT = 128 << 20


@dataclass(slots=True)
class Journal:
    """What was read so far of one selection. Opened by ``open_journal``."""

    path: Path
    selection: str
    """What was asked for: a journal of something else is not gone on with."""
    date: str
    """Day on which it was begun."""
    listings: Sequence[Listing] = ()
    models: dict[str, Model] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Models that could not be had, and why."""
    _file: BinaryIO | None = None

    @property
    def remaining(self) -> list[str]:
        """Names of models that have not been read yet, in the order of the listing."""
        done = self.models.keys() | self.left_out.keys()
        return [row.id for row in self.listings if row.id not in done]

    @property
    def ordered(self) -> list[Model]:
        """The models that were read, in the order of the listing."""
        return [self.models[row.id] for row in self.listings if row.id in self.models]

    def begin(self, listings: Sequence[Listing]) -> None:
        """Write down the listing, which is not asked for again."""
        self.listings = listings
        rows = [encode_listing(row) for row in listings]
        self._append({"selection": self.selection, "date": self.date, "listings": rows})

    def add(self, model: Model) -> None:
        """Write down a model."""
        texts = model.texts
        files = [[file.path, file.size_bytes, file.content_hash] for file in texts.files]
        record: dict[str, Any] = {"id": model.id, "texts": dict(texts.texts), "files": files}
        record |= {"commit": texts.commit, "notes": list(texts.notes)}
        self._append(record, model.headers)
        self.models[model.id] = model

    def leave_out(self, name: str, why: str) -> None:
        """Write down that a model cannot be had."""
        self._append({"left_out": name, "why": why})
        self.left_out[name] = why

    def close(self) -> None:
        """Close the file, which stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Close and delete the file: all of it is in the snapshot."""
        self.close()
        self.path.unlink(missing_ok=True)

    def take(self, record: Any, data: bytes) -> None:
        """One record that was read back. Raises KeyError, TypeError or ValueError if it is none."""
        if "listings" in record:
            self.listings = tuple(decode_listing(row) for row in record["listings"])
            self.date = str(record["date"])
        elif "left_out" in record:
            self.left_out[str(record["left_out"])] = str(record["why"])
        else:
            rows = record["files"]
            files = tuple(RepoFile(str(path), int(size), named) for path, size, named in rows)
            texts = {str(path): str(text) for path, text in record["texts"].items()}
            found = Texts(texts, files, record["commit"], tuple(record["notes"]))
            name = str(record["id"])
            self.models[name] = Model(name, found, headers=data)

    def _append(self, record: Mapping[str, Any], data: bytes = b"") -> None:
        line = json.dumps(record, separators=(",", ":")).encode()
        body = zlib.compress(line + b"\n" + data, 6)
        try:
            if self._file is None:
                self._file = self.path.open("ab")
            self._file.write(len(body).to_bytes(4, "little") + _sum(body) + body)
            self._file.flush()
        except OSError as fault:
            why = fault.strerror or str(fault)
            raise UsageError(f"{self.path} cannot be written", why) from fault


def open_journal(target: Path, selection: str, date: str) -> Journal:
    """The journal beside ``target``, gone on with if there is one, else empty.

    Raises UsageError for one of another selection, and for a place that cannot be written to.
    """
    path = target.with_name(target.name + SUFFIX)
    journal = Journal(path, selection, date)
    if not path.exists():
        if not path.parent.is_dir():
            raise UsageError(f"There is no folder {path.parent}")
        return journal
    try:
        with path.open("r+b") as file:
            good = _read_back(journal, file)
            file.truncate(good)
    except OSError as fault:
        raise UsageError(f"{path} cannot be read", fault.strerror or str(fault)) from fault
    return journal


def write_file(target: Path, parts: Iterable[bytes]) -> int:
    """Write a file that is there as a whole or as it was before; returns its size in bytes."""
    beside = target.with_name(target.name + ".tmp")
    try:
        with beside.open("wb") as file:
            size = sum(file.write(part) for part in parts)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as fault:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{target} cannot be written", fault.strerror or str(fault)) from fault
    return size


def _read_back(journal: Journal, file: BinaryIO) -> int:
    """Take every whole record; returns where the last one ends."""
    good = 0
    while len(head := file.read(12)) == 12:
        size = int.from_bytes(head[:4], "little")
        body = file.read(size) if size <= _LARGEST_RECORD else b""
        if len(body) < size or size == 0 or _sum(body) != head[4:]:
            break
        try:
            unpacker = zlib.decompressobj()
            line, _, data = unpacker.decompress(body, _LARGEST_CONTENT).partition(b"\n")
            record = json.loads(line)
            if "selection" in record and record["selection"] != journal.selection:
                raise UsageError(
                    f"{journal.path} is an unfinished snapshot of something else",
                    str(record["selection"])[:200],
                    "repeat its options to go on with it, or delete it",
                )
            journal.take(record, data)
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error, RecursionError):
            break
        good += len(head) + size
    return good


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:8]
