"""``weights cache`` over a store that commands filled."""

from pathlib import Path

import pytest

from explorer.cli import main
from tests.cli.hub import hub_of_this_shell, printed
from tests.hub import HubServer

__all__ = ["hub_of_this_shell"]


def test_an_empty_cache_is_shown_and_none_is_made(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed(capsys, "cache")
    assert (shown["size_bytes"], shown["kinds"]) == (0, [])
    assert printed(capsys, "cache", "--clear")["kinds"] == []
    assert not (tmp_path / "cache").exists()
    assert hub.traffic.requests() == 0


def test_what_is_kept_is_shown_by_kind_and_forgotten(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "search", "acme", "--exact")
    printed(capsys, "show", "acme/Mixture-30B-A3B")
    shown = printed(capsys, "cache")
    entries = {kind["kind"]: kind["entries"] for kind in shown["kinds"]}
    # Of five models one is gated; the GGUF repository takes its base's file, at no known commit.
    assert entries["config"] == 4
    assert (entries["page"], entries["repo"], entries["refused"]) == (1, 1, 1)
    assert entries["ranges"] >= 1
    assert shown["path"].startswith(str(tmp_path))
    assert 0 < sum(kind["size_bytes"] for kind in shown["kinds"]) <= shown["size_bytes"]
    assert all(kind["oldest"] <= kind["newest"] for kind in shown["kinds"])
    assert main(["cache", "--clear"]) == 0
    said = capsys.readouterr()
    assert "pages of listings" in said.out
    assert f"forgotten: {sum(entries.values())} entries" in said.err
    assert printed(capsys, "cache")["kinds"] == []
    hub.traffic.clear()
    printed(capsys, "search", "acme")
    assert hub.traffic.requests(kind="list") == 1


def test_a_damaged_cache_is_shown_as_empty_with_a_notice(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "search", "acme")
    [store] = (tmp_path / "cache").glob("*.sqlite3")
    for beside in (tmp_path / "cache").glob("*.sqlite3-*"):
        beside.unlink()
    store.write_bytes(b"no database" * 1000)
    assert main(["cache"]) == 0
    assert "damaged" in capsys.readouterr().err
