"""Commands used carelessly: odd machines, odd numbers, odd files. A clear line, never a traceback."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from explorer.cli import main
from explorer.cli.arguments import parse
from explorer.errors import UsageError
from tests.cli.hub import printed


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.mark.parametrize("command", [["search", "awq", "--limit", "1000"], ["publisher", "Qwen"]])
def test_a_model_whose_engine_has_no_device_here_ends_no_listing(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    shown = printed(capsys, *command, "--source", "snapshot", "--machine", "cpu 32GB")
    rows = shown if isinstance(shown, list) else shown["models"]
    awq = [row for row in rows if "AWQ" in row["id"]]
    assert awq  # vLLM runs these, and not on this processor
    assert [row["fit"] for row in awq] == [None] * len(awq)


@pytest.mark.parametrize(
    "options",
    [
        ["--enough", "--min-speed", "nan"],
        ["--enough", "--min-speed", "inf"],
        ["--enough", "--min-speed", "-1"],
        ["--enough", "--min-speed", "0"],
        ["--machine", ""],
        ["--machine", "  "],
    ],
    ids=" ".join,
)
def test_what_is_no_number_and_no_machine_is_refused(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert main(["fit", "Qwen/Qwen3-8B", "--source", "snapshot", *options]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("weights: ")


def test_every_command_of_the_readme_is_one() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    lines = re.findall(r"^    (weights \w.*?)(?:   .*)?$", readme, re.MULTILINE)
    assert len(lines) > 15
    for line in lines:
        arguments = shlex.split(line)[1:]
        if "lab.bin" in arguments and "--source" in arguments:
            arguments.remove("--source")  # the file is written by the line above it
            arguments.remove("lab.bin")
        assert parse(arguments).command == arguments[0]


@pytest.mark.parametrize("config", [None, '{"model_type": "llama", "num_hidden_layers": 1e18}'])
def test_weights_without_a_shape_are_counted_and_that_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, config: str | None
) -> None:
    save_file({"model.norm.weight": np.zeros(4096, np.float16)}, tmp_path / "model.safetensors")
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    code = 0 if config is None else 5
    [answer] = printed(capsys, "fit", str(tmp_path), "--machine", "RTX 4090", code=code)
    assert answer["memory"]["weights"] == 2 * 4096
    assert answer["memory"]["kv_cache"] == 0
    assert any("only the weights are counted" in text for text in answer["assumptions"])


def test_a_line_that_begins_with_a_model_opens_the_ui_on_it() -> None:
    for model in ("org/name", "hf://gpt2", "./model.gguf", "ollama:llama3.2:1b", "."):
        assert parse([model]).model == model
        assert parse([model, "--machine", "RTX 4090"]).command is None
    assert parse([]).model is None
    with pytest.raises(UsageError, match="stands before a command"):
        parse(["org/name", "machine"])
    with pytest.raises(UsageError) as error:
        parse(["qwen3"])
    assert "weights search WORDS" in error.value.hint
