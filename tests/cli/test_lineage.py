"""``weights lineage``, ``variants`` and ``license`` on a loopback hub and on the snapshot."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.cli import main
from tests.hub import HubServer
from tests.lineage.families import ORIGINAL, family

MACHINE = ("--machine", "RTX 4070, 32 GB")


@pytest.fixture(name="hub", scope="module")
def running_hub() -> Iterator[HubServer]:
    with HubServer(family()) as hub:
        yield hub


@pytest.fixture(autouse=True)
def own_surroundings(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def run(*arguments: str) -> int:
    return main([*arguments, "--source", "hub"])


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_lineage_goes_up_and_down(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "lineage", "lab/Chat-8B", *MACHINE)
    assert (shown["id"], shown["relation"], shown["relation_inferred"]) == (
        "lab/Chat-8B",
        "finetune",
        False,
    )
    [base] = shown["bases"]
    assert (base["id"], base["relation"], base["bases"]) == (ORIGINAL, None, [])
    assert base["fit"]["verdict"] == "fits"
    derived = {one["relation"]: [kin["id"] for kin in one["models"]] for one in shown["derived"]}
    assert derived == {"finetune": ["me/Chat-8B-tuned"], "merge": ["me/Merged-8B"]}
    assert [one["total"] for one in shown["derived"]] == [1, 1]


def test_lineage_in_one_direction_and_to_a_depth(capsys: pytest.CaptureFixture[str]) -> None:
    up = output(capsys, "lineage", "me/Chat-8B-tuned", "--up", "--depth", "1", *MACHINE)
    assert up["derived"] is None
    assert up["bases"][0]["more_bases"]
    down = output(capsys, "lineage", ORIGINAL, "--down", "--depth", "2", *MACHINE)
    assert down["bases"] == []
    [finetunes] = [one for one in down["derived"] if one["relation"] == "finetune"]
    assert finetunes["models"][0]["derived"][0]["models"][0]["id"] == "me/Chat-8B-tuned"


def test_lineage_as_a_tree_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lineage", "lab/Chat-8B", "--limit", "1", *MACHINE) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith("lab/Chat-8B")
    assert out[2].startswith(f"  ↑ {ORIGINAL}")
    assert "  ↓ finetunes (1)" in out
    assert any(line.startswith("      me/Chat-8B-tuned") for line in out)
    assert run("lineage", ORIGINAL, "--down", "--limit", "2", *MACHINE) == 0
    assert "  ↓ quantizations (2 of 3)" in capsys.readouterr().out.splitlines()


def test_variants_put_the_best_on_top_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "variants", ORIGINAL, *MACHINE)
    assert shown["best"]["quantization"] == "Q8_0"
    assert shown["best"]["repository"] == "quantizer-0/Llama-8B-GGUF"
    assert "the highest quality that fits" in shown["best"]["reason"]
    assert shown["best"]["size_bytes"] == 8_540_771_648
    assert len(shown["variants"]) == 1 + 3 * 2
    assert shown["transfer"]["requests"] <= 1 + 4 + 1 + 2, "a look-up each, a listing, a config"
    assert run("variants", ORIGINAL, *MACHINE) == 0
    out = capsys.readouterr().out
    assert out.startswith("best here  Q8_0 of quantizer-0/Llama-8B-GGUF\n")
    assert "8.54 GB" in out


def test_license_names_the_strictest_and_where_it_comes_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = output(capsys, "license", "me/Chat-8B-tuned")
    assert [one["verdict"] for one in shown["questions"]] == ["conditions"] * 3
    assert shown["inherits"]
    assert shown["own"]["name"] == "MIT"
    assert shown["imposed_by"][0]["model"] == ORIGINAL
    assert shown["texts"][0]["path"] == "LICENSE"
    assert run("license", "me/Chat-8B-tuned", "--text") == 0
    out = capsys.readouterr().out
    assert f"because of Llama 3.1 ({ORIGINAL})" in out
    assert "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT" in out


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("lineage", "variants", "license"):
        assert run(command, "no/such") == 3
        assert "no/such" in capsys.readouterr().err


def test_the_snapshot_says_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["lineage", *MACHINE], ["variants", *MACHINE], ["license"]):
        assert main([command[0], "Qwen/Qwen3-8B", *command[1:], "--source", "snapshot"]) == 0
        assert "the snapshot knows which GGUF repositories" in capsys.readouterr().err


def test_publisher_prints_sizes_over_time_and_the_models(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = output(capsys, "publisher", "me", *MACHINE)
    assert [one["models"] for one in shown["quarters"]] == [3]
    assert {one["id"] for one in shown["models"]} == {
        "me/Chat-8B-tuned",
        "me/Merged-8B",
        "me/Adapter-8B",
    }
    assert run("publisher", "me", "--limit", "1", *MACHINE) == 0
    printed = capsys.readouterr()
    assert "2025 Q1" in printed.out
    assert "2 more: --limit" in printed.err
    assert run("publisher", "nobody", *MACHINE) == 0
    assert "lists no model of “nobody”" in capsys.readouterr().err
