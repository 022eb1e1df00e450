"""The file of what is remembered: edited by hand, by several programs, and damaged."""

import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.userfile import (
    LARGEST,
    MOST_MACHINES,
    MOST_RECENT,
    Remembered,
    Seen,
    UserFile,
    default_path,
)

BY_HAND = """\
# mine
theme = "nord"   # dark

marked = [
    "Qwen/Qwen3-8B",  # at work
]
own_key = 7

[searches]
# for the laptop
small = "params:..4B fits"
german = "lang:de"
"""


@pytest.fixture(name="file")
def empty_file(tmp_path: Path) -> UserFile:
    return UserFile(tmp_path / "config" / "remembered.toml", clock=lambda: 1_800_000_000.0)


def write(file: UserFile, text: str) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text(text, encoding="utf-8")


def test_nothing_is_remembered_at_first_and_reading_writes_nothing(file: UserFile) -> None:
    assert file.read() == Remembered()
    assert not file.path.parent.exists()


def test_what_is_changed_is_there_the_next_time(file: UserFile) -> None:
    changed = file.change(
        lambda now: (
            now.mark("a/b").watch("c/d").open("e/f").open("a/b").save("mine", "fits lang:de")
        )
    )
    assert UserFile(file.path).read() == changed
    assert changed.recent == ("a/b", "e/f")
    assert tomllib.loads(file.path.read_text())["searches"] == {"mine": "fits lang:de"}
    assert [path.name for path in file.path.parent.iterdir() if path.suffix != ".lock"] == [
        "remembered.toml"
    ]


def test_what_a_person_wrote_survives_a_change(file: UserFile) -> None:
    write(file, BY_HAND)
    file.change(lambda now: now.save("german", "").save("large", "params:70B..").watch("c/d"))
    text = file.path.read_text()
    for kept in ("# mine", "# dark", "# at work", "own_key = 7", "# for the laptop", "small ="):
        assert kept in text
    read = file.read()
    assert read.searches == {"small": "params:..4B fits", "large": "params:70B.."}
    assert (read.theme, read.marked, read.watched) == ("nord", ("Qwen/Qwen3-8B",), ("c/d",))


def test_marks_are_toggled_and_kept_once() -> None:
    twice = Remembered().mark("a/b").mark("c/d").mark("a/b")
    assert twice.marked == ("a/b", "c/d")
    assert twice.mark("a/b", on=False).marked == ("c/d",)


def test_recent_models_are_few() -> None:
    remembered = Remembered()
    for number in range(MOST_RECENT + 10):
        remembered = remembered.open(f"a/{number}")
    assert len(remembered.recent) == MOST_RECENT
    assert remembered.recent[0] == f"a/{MOST_RECENT + 9}"


@pytest.mark.parametrize(
    "text", ["marked = [", "\x00", "a" * (LARGEST + 1), "marked = " + "[" * 5000]
)
def test_a_damaged_file_is_moved_aside_with_a_notice(file: UserFile, text: str) -> None:
    write(file, text)
    assert file.change(lambda now: now.mark("a/b")).marked == ("a/b",)
    moved = file.path.with_name("remembered.damaged-1800000000.toml")
    assert moved.read_text(encoding="utf-8") == text
    assert str(moved) in file.notices[0]
    assert UserFile(file.path).read().marked == ("a/b",)


def test_values_of_a_wrong_kind_count_as_not_there(file: UserFile) -> None:
    write(file, 'theme = 7\nmarked = ["a/b", 3, "a/b"]\ncontext_tokens = -1\nsearches = "x"\n')
    assert file.read() == Remembered(marked=("a/b",))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_that_cannot_be_written_is_a_notice(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    file = UserFile(tmp_path / "remembered.toml")
    assert file.change(lambda now: now.mark("a/b")).marked == ("a/b",)
    assert file.notices


def test_a_file_in_the_folders_place_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    file = UserFile(tmp_path / "config" / "remembered.toml")
    assert file.change(lambda now: now.mark("a/b")).marked == ("a/b",)
    assert "could not be" in file.notices[0]


MARK = """
import sys
from pathlib import Path
from explorer.userfile import UserFile

for number in range(10):
    UserFile(Path(sys.argv[1])).change(lambda now: now.mark(f"{sys.argv[2]}/{number}"))
"""


def test_several_programs_do_not_lose_each_others_marks(file: UserFile) -> None:
    command = [sys.executable, "-c", MARK, str(file.path)]
    running = [subprocess.Popen([*command, name]) for name in ("one", "two", "three")]
    assert [program.wait() for program in running] == [0, 0, 0]
    expected = {f"{name}/{number}" for name in ("one", "two", "three") for number in range(10)}
    assert set(file.read().marked) == expected


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEIGHTS_CONFIG", str(tmp_path))
    assert default_path() == tmp_path / "remembered.toml"


texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1, max_size=8
)


@given(st.lists(texts, max_size=3), st.dictionaries(texts, texts, max_size=3))
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, marks: list[str], searches: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("user") / "remembered.toml"
    wanted = Remembered(marked=tuple(dict.fromkeys(marks)), searches=searches)
    UserFile(path).change(lambda _: wanted)
    assert UserFile(path).read() == wanted


def test_machines_are_few_and_the_latest_first() -> None:
    remembered = Remembered()
    for number in range(MOST_MACHINES + 5):
        remembered = remembered.choose(f"{number + 1}x RTX 4090", described=True)
    assert len(remembered.machines) == MOST_MACHINES
    assert remembered.machine == remembered.machines[0] == "25x RTX 4090"
    again = remembered.choose("20x RTX 4090", described=True).choose("A100 80GB")
    assert again.machines[:2] == ("20x RTX 4090", "25x RTX 4090")
    assert (again.machine, again.choose("").machine) == ("A100 80GB", "")
    assert "20x RTX 4090" not in again.forget_machine("20x RTX 4090").machines


def test_what_was_seen_of_a_watched_model_is_a_line_and_goes_with_it(file: UserFile) -> None:
    moment = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    seen = Seen(moment, "abc", moment, 1200, 3)
    changed = file.change(lambda now: now.look("c/d", seen).watch("a/b").look("a/b", seen))
    assert changed.seen == {"a/b": seen}, "only what is watched is remembered"
    text = file.path.read_text()
    assert '"a/b" = {at = 2026-11-26T12:00:00Z, commit = "abc", ' in text
    assert file.read() == changed
    later = Seen(moment + timedelta(days=1), "def")
    after = file.change(lambda now: now.look("a/b", later)).seen["a/b"]
    assert (after.commit, after.quantizations, after.at) == ("def", 3, later.at)
    file.change(lambda now: now.watch("a/b", on=False))
    assert "seen" not in tomllib.loads(file.path.read_text())


def test_what_was_seen_is_read_as_far_as_it_can_be(file: UserFile) -> None:
    write(
        file,
        'watched = ["a/b"]\n[seen]\n"a/b" = {at = 2026-11-26T12:00:00, commit = 7, downloads = -1}\n'
        '"c/d" = {commit = "x"}\n"e/f" = 3\n',
    )
    assert file.read().seen == {"a/b": Seen(datetime(2026, 11, 26, 12, 0, tzinfo=UTC))}
