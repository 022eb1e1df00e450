"""What was once fetched, kept on disk: one SQLite file that several processes share.

Two tables. ``blobs`` has bytes of files keyed by the file's content hash: they never change. ``answers``
has what a hub said, with the time it said so. Every write is its own short transaction, so that a kill
loses at most the write in flight. The file's name has the version of its layout: programs of several
versions leave each other alone.
"""

import json
import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from platformdirs import user_cache_dir

from explorer.spans import Span

LAYOUT = 1
CAPACITY = 2 << 30
"""Bytes kept at most by default; the least recently used go first."""

_BUSY_SECONDS = 5.0
_USED_STEP_SECONDS = 3600.0
"""How exactly the time of last use is kept: a read costs a write at most this often."""
_WRITES_BETWEEN_CHECKS = 64
_ROOM_AFTER_EVICTION = 0.9
# Headers are JSON and shrink to a tenth. Weights do not shrink, and are kept as they are.
_WORTH_PACKING = 0.9
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS blobs (
    hash TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
    packed INTEGER NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (hash, start, stop));
CREATE TABLE IF NOT EXISTS answers (
    key TEXT NOT NULL PRIMARY KEY,
    packed INTEGER NOT NULL, stored REAL NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS blobs_used ON blobs (used, size);
CREATE INDEX IF NOT EXISTS answers_used ON answers (used, size);
PRAGMA user_version = {LAYOUT};
"""

_LOG = logging.getLogger(__name__)

R = TypeVar("R")

Blob: TypeAlias = tuple[str, Span, bytes]
"""The content hash of a file, a range of it, and the bytes there."""


class StoredAnswer(NamedTuple):
    """An answer and when it was given, in seconds since 1970."""

    body: bytes
    stored: float


class Share(NamedTuple):
    """What the store keeps of one kind."""

    kind: str
    """Of an answer the third part of its key: ``page``, ``listed``, ``repo``, ``config``, ``text``,
    ``header``; ``ranges`` for bytes of weight files."""
    entries: int = 0
    size_bytes: int = 0
    """As stored."""
    oldest: float = inf
    """Seconds since 1970 at which the oldest was given; of ranges, last used."""
    newest: float = 0.0

    def with_one(self, size: int, moment: float) -> "Share":
        """The share with one more entry."""
        return Share(
            self.kind,
            self.entries + 1,
            self.size_bytes + size,
            min(self.oldest, moment),
            max(self.newest, moment),
        )


def default_folder() -> Path:
    """``WEIGHTS_CACHE``, or the platform's folder for caches."""
    if named := os.environ.get("WEIGHTS_CACHE"):
        return Path(named).expanduser()
    return Path(user_cache_dir("weights-explorer", appauthor=False))


class Store:
    """Bytes of files and answers of hubs, in a folder. ``clock`` tells seconds since 1970.

    Never raises for the state of the disk: a damaged file is moved aside, and where nothing can be
    written everything is forgotten at the end. ``notices`` and the log say so. May be used from any thread.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = (folder or default_folder()) / f"store-{LAYOUT}.sqlite3"
        self._capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._notices: list[str] = []
        self._writes = 0
        self._database: sqlite3.Connection | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What went wrong with the store, in sentences for people."""
        return tuple(self._notices)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._disconnect()

    def get_blob(self, content_hash: str, span: Span) -> bytes | None:
        """Bytes of the file with that content; None unless all of them are here."""
        row: tuple[int, int, int, bytes, float] | None = self._run(
            lambda database: database.execute(
                "SELECT rowid, start, packed, body, used FROM blobs"
                " WHERE hash = ? AND start <= ? AND stop >= ? ORDER BY size LIMIT 1",
                (content_hash, span.start, span.stop),
            ).fetchone()
        )
        body = _unpack(row[3], row[2]) if row else None
        if row is None or body is None:
            return None
        self._touch("UPDATE blobs SET used = ? WHERE rowid = ?", row[0], row[4])
        return body[span.start - row[1] : span.stop - row[1]]

    def put_blobs(self, blobs: Iterable[Blob]) -> None:
        """Keep some ranges of files, all in one write."""
        rows = [
            (content_hash, span.start, span.stop, *_pack(body), self._clock())
            for content_hash, span, body in blobs
            if len(body) == span.size
        ]

        def insert(database: sqlite3.Connection) -> None:
            database.executemany(
                "INSERT OR REPLACE INTO blobs (hash, start, stop, packed, size, body, used)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

        self._write(insert)

    def has_beginning(self, content_hash: str) -> bool:
        """Whether anything from the first byte on of that file is here."""
        return (
            self._run(
                lambda database: database.execute(
                    "SELECT 1 FROM blobs WHERE hash = ? AND start = 0", (content_hash,)
                ).fetchone()
            )
            is not None
        )

    def get_answer(self, key: str) -> StoredAnswer | None:
        """The latest answer kept under a key."""
        row: tuple[int, int, bytes, float, float] | None = self._run(
            lambda database: database.execute(
                "SELECT rowid, packed, body, stored, used FROM answers WHERE key = ?", (key,)
            ).fetchone()
        )
        body = _unpack(row[2], row[1]) if row else None
        if row is None or body is None:
            return None
        self._touch("UPDATE answers SET used = ? WHERE rowid = ?", row[0], row[4])
        return StoredAnswer(body, row[3])

    def put_answer(self, key: str, body: bytes) -> None:
        """Keep an answer given now in place of an older one."""
        self.put_answers([(key, body)])

    def put_answers(self, answers: Iterable[tuple[str, bytes]]) -> None:
        """Keep some answers given now, in one transaction."""
        rows = [(key, *_pack(body), self._clock(), self._clock()) for key, body in answers]
        self._write(
            lambda database: database.executemany(
                "INSERT OR REPLACE INTO answers (key, packed, size, body, stored, used)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
        )

    def clear(self) -> None:
        """Forget everything."""
        self._write(lambda database: database.execute("DELETE FROM blobs"))
        self._write(lambda database: database.execute("DELETE FROM answers"))
        self._run(lambda database: database.execute("PRAGMA incremental_vacuum").fetchall())
        self._run(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    def shares(self) -> tuple[Share, ...]:
        """What is kept, by kind, the largest first. Nothing is made where there is no file yet."""
        if not self.path.exists():
            return ()
        found: dict[str, Share] = {}
        for key, size, stored in self._run(_answers) or ():
            kind = _kind(key)
            found[kind] = found.get(kind, Share(kind)).with_one(size, stored)
        for size, used in self._run(_blobs) or ():
            found["ranges"] = found.get("ranges", Share("ranges")).with_one(size, used)
        return tuple(sorted(found.values(), key=lambda share: -share.size_bytes))

    def file_bytes(self) -> int:
        """What the store takes on disk, its write-ahead log included."""
        paths = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def size_bytes(self) -> int:
        """Bytes of everything that is kept, as stored."""
        return self._run(_total) or 0

    def _write(self, action: Callable[[sqlite3.Connection], object]) -> None:
        def transact(database: sqlite3.Connection) -> None:
            database.execute("BEGIN IMMEDIATE")
            try:
                action(database)
                if self._writes % _WRITES_BETWEEN_CHECKS == 0:
                    self._evict(database)
                database.execute("COMMIT")
            except sqlite3.Error:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

        self._run(transact)
        self._writes += 1

    def _touch(self, statement: str, row: int, used: float) -> None:
        """Note that a row was of use, unless that was noted lately."""
        now = self._clock()
        if now - used > _USED_STEP_SECONDS:
            self._run(lambda database: database.execute(statement, (now, row)))

    def _evict(self, database: sqlite3.Connection) -> None:
        """Drop the least recently used until there is room again."""
        excess = _total(database) - self._capacity
        if excess <= 0:
            return
        excess += int(self._capacity * (1 - _ROOM_AFTER_EVICTION))
        oldest = database.execute(
            "SELECT 'blobs', rowid, used, size FROM blobs"
            " UNION ALL SELECT 'answers', rowid, used, size FROM answers ORDER BY used, size DESC"
        ).fetchall()
        doomed: dict[str, list[tuple[int]]] = {"blobs": [], "answers": []}
        for table, row, _, size in oldest:
            if excess <= 0:
                break
            doomed[table].append((row,))
            excess -= size
        database.executemany("DELETE FROM blobs WHERE rowid = ?", doomed["blobs"])
        database.executemany("DELETE FROM answers WHERE rowid = ?", doomed["answers"])
        database.execute("PRAGMA incremental_vacuum")

    def _run(self, action: Callable[[sqlite3.Connection], R]) -> R | None:
        """What an action returns; None if the store can't do it, which is never worth a failure."""
        with self._lock:
            for _ in range(2):
                try:
                    return action(self._connect())
                except sqlite3.OperationalError as fault:
                    # Locked for long, disk full, no right to write: what is there stays good.
                    self._notice(f"The store did not work this time: {fault}")
                    if self._database is not None:
                        return None
                    self._database = _in_memory()
                except sqlite3.DatabaseError as fault:
                    self._set_aside(str(fault))
            return None

    def _connect(self) -> sqlite3.Connection:
        if self._database is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._database = _open(self.path)
            except OSError as fault:
                self._notice(f"Nothing can be kept in {self.path.parent}: {fault.strerror}")
                self._database = _in_memory()
        return self._database

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _set_aside(self, reason: str) -> None:
        """Move a damaged file out of the way; the next use begins a new one."""
        self._disconnect()
        moved = self.path.with_suffix(f".damaged-{int(self._clock())}")
        with suppress(OSError):
            self.path.rename(moved)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self._notice(f"The store was damaged ({reason}) and moved to {moved}")

    def _notice(self, sentence: str) -> None:
        if sentence not in self._notices:
            self._notices.append(sentence)
            _LOG.warning(sentence)


def _open(path: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        # Nothing is lost with a new file: waiting for the disk to have it takes 20 to 100 ms.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL")
        if database.execute("PRAGMA user_version").fetchone() != (LAYOUT,):
            database.executescript(_SCHEMA)
        database.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _in_memory() -> sqlite3.Connection:
    return _open(":memory:")


def _total(database: sqlite3.Connection) -> int:
    row: tuple[int] = database.execute(
        "SELECT (SELECT IFNULL(SUM(size), 0) FROM blobs) + (SELECT IFNULL(SUM(size), 0) FROM answers)"
    ).fetchone()
    return row[0]


def _answers(database: sqlite3.Connection) -> list[tuple[str, int, float]]:
    return database.execute("SELECT key, size, stored FROM answers").fetchall()


def _blobs(database: sqlite3.Connection) -> list[tuple[int, float]]:
    return database.execute("SELECT size, used FROM blobs").fetchall()


def _kind(key: str) -> str:
    """The kind of an answer; ``other`` for keys of another shape."""
    try:
        parts = json.loads(key)
    except ValueError:
        return "other"
    return str(parts[2]) if isinstance(parts, list) and len(parts) > 2 else "other"


def _pack(body: bytes) -> tuple[int, int, bytes]:
    """Whether packed, stored size, and the bytes to store."""
    packed = zlib.compress(body, 1)
    if len(packed) < _WORTH_PACKING * len(body):
        return 1, len(packed), packed
    return 0, len(body), body


def _unpack(body: bytes, packed: int) -> bytes | None:
    """The bytes as they were; None if they are damaged."""
    try:
        return zlib.decompress(body) if packed else body
    except zlib.error:
        return None
