"""``weights fit --enough``, ``--command`` and ``weights compare``, as a shell sees them."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from explorer.cli import main

MODEL = ("Qwen/Qwen3-8B", "--source", "snapshot")
SPARSE = "Qwen/Qwen3-30B-A3B"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_enough_and_upgrades(capsys: pytest.CaptureFixture[str]) -> None:
    machine = ("--machine", "RTX 4060 8GB, 32 GB")
    [answer] = output(
        capsys, "fit", *MODEL, *machine, "--context", "16k", "--enough", "--min-speed", "50"
    )
    enough = answer["enough"]
    assert enough["quantization"] == "Q4_K_M"
    assert all(row["decode_tokens_per_second"]["expected"] >= 50 for row in enough["setups"])
    assert any(row["family"] == "GeForce RTX 40" for row in enough["setups"])
    changes = {row["change"]: row for row in answer["upgrades"]}
    assert "a second RTX 4060" in changes
    assert changes["a second RTX 4060"]["after"]["total_bytes"] > 0
    assert answer["most"]["context_tokens"] == answer["max_context_tokens"]


def test_enough_for_people_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *MODEL, "--machine", "RTX 4060 8GB, 32 GB", "--enough"]) == 0
    printed = capsys.readouterr().out
    assert "GeForce RTX 40" in printed
    assert "a second RTX 4060" in printed
    assert "most sequences" in printed


def test_the_command_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *MODEL, "--machine", "RTX 4090", "--quant", "Q4_K_M", "--command"]) == 0
    printed = capsys.readouterr()
    lines = [shlex.split(line) for line in printed.out.splitlines()]
    assert [words[0] for words in lines] == [
        "hf", "python", "llama-quantize", "llama-server", "llama-cli",
    ]  # fmt: skip
    assert lines[0][:3] == ["hf", "download", "Qwen/Qwen3-8B"]
    assert "the disk has" in printed.err


def test_commands_are_in_the_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    [answer] = output(capsys, "fit", *MODEL, "--machine", "RTX 4090")
    download = answer["commands"]["download"]
    # at least the weights, which are 2 bytes for each parameter
    assert download["size_bytes"] > 2 * 8_190_735_360
    assert "config.json" in download["files"]
    assert not [path for path in download["files"] if path.endswith(".md")]
    run = answer["commands"]["run"][0]
    assert run["line"] == shlex.join([run["program"], *run["arguments"]])


def test_what_a_conversion_writes_counts_for_the_room(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ("--machine", "RTX 4090", "--quant", "Q4_K_M")
    [answer] = output(capsys, "fit", *MODEL, *chosen)
    # the whole at 16 bits, and the quantized file
    at_16_bits = 2 * 8_190_735_360
    made = answer["commands"]["download"]["made_bytes"]
    assert made == pytest.approx(at_16_bits + answer["memory"]["weights"], rel=0.01)


def test_models_are_compared_on_one_machine(capsys: pytest.CaptureFixture[str]) -> None:
    compared = output(capsys, "compare", SPARSE, *MODEL, "--machine", "RTX 4090", "--context", "8k")
    second, first = compared["models"]
    assert first["parameters"] == 8_190_735_360
    assert second["active"] < first["active"]
    assert first["fit"]["context_tokens"] == second["fit"]["context_tokens"] == 8192
    differences = {row["name"]: row for row in compared["differences"]}
    assert differences["parameters"]["ratio"] == pytest.approx(
        second["parameters"] / first["parameters"], rel=0.001
    )
    assert differences["decode"]["best"] == SPARSE
    assert 1 <= sum(row["marked"] for row in compared["differences"]) <= 3
    assert compared["machine"]["name"] == "RTX 4090"


def test_a_comparison_for_people_names_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", SPARSE, *MODEL, "--machine", "RTX 4090"]) == 0
    printed = capsys.readouterr().out
    for word in ("Qwen/Qwen3-8B", SPARSE, "license", "best here", "decode"):
        assert word in printed


def test_a_speed_without_its_question_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *MODEL, "--min-speed", "20"]) == 2
    assert "--enough" in capsys.readouterr().err
