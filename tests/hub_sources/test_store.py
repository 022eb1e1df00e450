"""The store on disk: what survives, what is dropped, what happens to a damaged file."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.hub.store import Store, default_folder
from explorer.spans import Span
from tests.hub_sources.readings import Clock

HOUR = 3600.0
NOISE = os.urandom(100_000)
"""Does not shrink, so that its size in the store is its size."""


@pytest.fixture(name="store")
def opened_store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, clock=Clock())
    yield store
    store.close()


def test_a_stored_range_gives_every_range_within_it(store: Store) -> None:
    store.put_blobs([("abc", Span(0, 10), b"0123456789"), ("abc", Span(90, 95), b"abcde")])
    assert store.get_blob("abc", Span(0, 10)) == b"0123456789"
    assert store.get_blob("abc", Span(3, 5)) == b"34"
    assert store.get_blob("abc", Span(91, 95)) == b"bcde"
    assert store.get_blob("abc", Span(5, 11)) is None
    assert store.get_blob("other", Span(0, 10)) is None
    assert store.has_beginning("abc")
    assert not store.has_beginning("other")


def test_a_piece_that_came_short_is_not_kept(store: Store) -> None:
    store.put_blobs([("abc", Span(0, 10), b"012")])
    assert store.get_blob("abc", Span(0, 3)) is None


def test_an_answer_has_the_time_it_was_given(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    store = Store(tmp_path, clock=clock)
    store.put_answer("key", b"first")
    clock.now += HOUR
    assert store.get_answer("key") == (b"first", 1000.0)
    store.put_answer("key", b"second")
    assert store.get_answer("key") == (b"second", 1000.0 + HOUR)
    assert store.get_answer("other") is None
    store.close()
    assert Store(tmp_path).get_answer("key") == (b"second", 1000.0 + HOUR)


def test_what_shrinks_is_kept_small(store: Store) -> None:
    header = b'{"model.layers.0.weight":{"dtype":"BF16","shape":[1,2]},' * 2000
    store.put_answer("header", header)
    assert store.size_bytes() < len(header) / 10
    store.put_answer("noise", NOISE)
    assert store.get_answer("header") is not None
    assert store.size_bytes() >= len(NOISE)


def test_the_least_recently_used_go_when_room_runs_out(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path, capacity=20 * len(NOISE), clock=clock)
    for number in range(200):
        clock.now += 2 * HOUR
        store.put_blobs([(f"file-{number}", Span(0, len(NOISE)), NOISE)])
        assert store.get_blob("file-0", Span(0, 1)) is not None, "in use all the time"
    assert store.size_bytes() < 100 * len(NOISE)
    assert store.get_blob("file-1", Span(0, 1)) is None
    assert store.get_blob("file-199", Span(0, 1)) is not None
    store.close()
    assert store.path.stat().st_size < 120 * len(NOISE)


def test_clearing_forgets_everything(store: Store) -> None:
    store.put_answer("key", b"x")
    store.put_blobs([("abc", Span(0, 1), b"x")])
    store.clear()
    assert store.get_answer("key") is None
    assert store.get_blob("abc", Span(0, 1)) is None


@pytest.mark.parametrize("damage", [b"this is no database", b"", NOISE])
def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path, damage: bytes) -> None:
    path = Store(tmp_path).path
    path.write_bytes(damage)
    store = Store(tmp_path, clock=Clock())
    store.put_answer("key", b"x")
    assert store.get_answer("key") is not None
    store.close()
    moved = list(tmp_path.glob("*.damaged-*"))
    assert [file.read_bytes() for file in moved] == ([damage] if damage else [])
    assert bool(store.notices) == bool(damage)


def test_a_database_damaged_in_the_middle_is_moved_aside(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(50):
        store.put_blobs([(f"file-{number}", Span(0, 50_000), NOISE[:50_000])])
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096 : 40 * 4096] = NOISE[: 39 * 4096].ljust(39 * 4096, b"\xff")
    store.path.write_bytes(content)

    damaged = Store(tmp_path)
    found = [damaged.get_blob(f"file-{number}", Span(0, 50_000)) for number in range(50)]
    assert {body for body in found if body is not None} <= {NOISE[:50_000]}
    damaged.put_answer("key", b"x")
    assert damaged.get_answer("key") is not None
    assert damaged.notices
    damaged.close()


def test_a_packed_answer_that_does_not_unpack_is_as_good_as_none(store: Store) -> None:
    store.put_answer("key", b"x" * 1000)
    with sqlite3.connect(store.path) as database:
        database.execute("UPDATE answers SET body = x'00'")
    database.close()
    assert store.get_answer("key") is None


def test_without_a_place_to_write_it_remembers_until_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "folder")
    store.put_answer("key", b"x")
    assert store.get_answer("key") is not None
    assert [record.getMessage() for record in caplog.records] == [*store.notices]
    assert len(store.notices) == 1
    store.close()


def test_a_store_locked_by_another_process_is_read_all_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path, clock=Clock())
    store.put_answer("key", b"x")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.get_answer("key") is not None
    other.execute("ROLLBACK")
    other.close()
    store.close()


WRITER = """
import sys
from pathlib import Path
from explorer.hub.store import Store
from explorer.spans import Span
store = Store(Path(sys.argv[1]))
number = 0
while True:
    body = str(number).encode().ljust(20_000, b".")
    store.put_blobs([(f"{sys.argv[2]}-{number}", Span(0, 20_000), body)])
    print(number, flush=True)
    number += 1
    if number == int(sys.argv[3]):
        break
"""


def written(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_kill_loses_at_most_the_write_in_flight(tmp_path: Path) -> None:
    with written(tmp_path, "killed", 10**9) as process:
        assert process.stdout is not None
        said = -1
        while said < 30:
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        said = max([said, *map(int, process.stdout.read().split())])
    store = Store(tmp_path)
    for number in range(said + 1):
        body = store.get_blob(f"killed-{number}", Span(0, 20_000))
        assert body == str(number).encode().ljust(20_000, b".")
    assert store.notices == ()
    store.close()


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    processes = [written(tmp_path, name, 40) for name in ("one", "two", "three")]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    store = Store(tmp_path)
    assert all(
        store.has_beginning(f"{name}-{number}")
        for name in ("one", "two", "three")
        for number in range(40)
    )
    store.close()


def test_the_folder_is_the_platforms_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_CACHE", "/somewhere/else")
    assert default_folder() == Path("/somewhere/else")
    monkeypatch.delenv("WEIGHTS_CACHE")
    assert default_folder().name == "weights-explorer"
