"""``weights watch`` over a loopback hub where models change."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from explorer.cli import main
from explorer.userfile import Seen, UserFile
from tests.cli.hub import REPOS, hub_of_this_shell, printed
from tests.hub import HubFile, HubServer
from tests.hub.builder import gguf_repo

__all__ = ["hub_of_this_shell"]

LLAMA = REPOS[0]


def later(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A commit, a quantization and 100 downloads later, when nothing is fresh any more."""
    files = [*LLAMA.files, HubFile.of_text("NEWS.md", "better now\n")]
    hub.catalog.add(replace(LLAMA, files=files, downloads=LLAMA.downloads + 100))
    hub.catalog.add(gguf_repo("other/Llama-8B-GGUF", card={"base_model": LLAMA.id}))
    assert main(["cache", "--clear"]) == 0
    capsys.readouterr()


def lines_of(capsys: pytest.CaptureFixture[str], arguments: Sequence[str] = ()) -> list[str]:
    assert main(["watch", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_what_changed_is_told_until_it_was_looked_at(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (first,) = printed(capsys, "watch", LLAMA.id)
    assert hub.traffic.requests() == 1, "looked up and listed by one request"
    assert first["seen"]["commit"] == first["now"]["commit"] == LLAMA.commits["main"]
    assert first["now"]["quantizations"] == 1
    assert first["changes"] == {"commit": False, "quantizations": 0, "downloads": 0}
    later(hub, capsys)
    (changed,) = printed(capsys, "watch")
    assert changed["changes"] == {"commit": True, "quantizations": 1, "downloads": 100}
    heading, line = lines_of(capsys, ["--seen"])
    assert "Since you looked" in heading
    assert "new commit, +1 quantization, +100 downloads" in line
    assert "nothing new" in lines_of(capsys)[1]


def test_models_are_watched_in_order_and_forgotten(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hub.endpoint
    assert lines_of(capsys) == []
    printed(capsys, "watch", "acme/Gated-Tiny", "https://huggingface.co/acme/Llama-8B")
    path = tmp_path / "config" / "remembered.toml"
    assert tomllib.loads(path.read_text())["watched"] == ["acme/Gated-Tiny", "acme/Llama-8B"]
    rows = printed(capsys, "watch", "--forget", "acme/Gated-Tiny")
    assert [row["id"] for row in rows] == ["acme/Llama-8B"]


def test_a_model_that_is_gone_is_told_and_the_others_are_listed(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hub.endpoint
    path = tmp_path / "config" / "remembered.toml"
    path.parent.mkdir()
    path.write_text('watched = ["acme/gone", "acme/Llama-8B"]\n')
    gone, llama = printed(capsys, "watch", code=3)
    assert gone["now"] is None
    assert "acme/gone" in gone["error"]
    assert (llama["seen"], llama["error"]) == (None, None)
    assert main(["watch", "no/such-model"]) == 3
    assert "no/such-model" in capsys.readouterr().err
    assert tomllib.loads(path.read_text())["watched"] == ["acme/gone", "acme/Llama-8B"]


def test_an_answer_from_before_it_was_looked_at_tells_nothing_new(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hub.endpoint
    seen = Seen(datetime.now(UTC), "newer", None, 5, 7)
    UserFile(tmp_path / "config" / "remembered.toml").change(
        lambda now: now.watch("Qwen/Qwen3-8B").look("Qwen/Qwen3-8B", seen)
    )
    (row,) = printed(capsys, "watch", "--source", "snapshot")
    assert row["now"]["downloads"] > 5
    assert row["changes"] == {"commit": None, "quantizations": None, "downloads": None}
    assert main(["watch", "--source", "snapshot"]) == 0
    said = capsys.readouterr()
    assert "nothing new" in said.out
    assert "as of " in said.err


def test_nothing_named_is_nothing_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--forget"]) == 2
    assert "--forget needs the models" in capsys.readouterr().err
