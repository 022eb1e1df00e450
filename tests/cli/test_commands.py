"""The commands as a shell sees them: what goes to stdout, what to stderr, and the exit code."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from explorer.cli import main
from explorer.cli.arguments import build


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a store of its own, and no proxy or token of whoever runs it."""
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def run(*arguments: str) -> int:
    return main([*arguments])


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The JSON that a command printed."""
    assert run(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_fit_answers_from_the_snapshot(capsys: pytest.CaptureFixture[str]) -> None:
    [answer] = output(
        capsys, "fit", "Qwen/Qwen3-8B", "--machine", "RTX 4090", "--source", "snapshot"
    )
    assert answer["id"] == "Qwen/Qwen3-8B"
    assert answer["verdict"] == "fits"
    assert answer["scenario"]["engine"] == "llama.cpp"
    assert answer["scenario"]["context_tokens"] == 8192
    # 36 layers x 8 heads x 128 x 2 (keys and values) x 2 bytes x 8192 tokens
    assert answer["memory"]["kv_cache"] == 36 * 8 * 128 * 2 * 2 * 8192
    parts = ("weights", "kv_cache", "recurrent_state", "compute", "overhead")
    assert answer["memory"]["total"] == sum(answer["memory"][part] for part in parts)
    assert answer["machine"]["devices"][0]["memory_bytes"] == 24 * 1024**3


def test_show_counts_what_the_header_says(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "show", "Qwen/Qwen3-8B", "--source", "snapshot")
    # the model's published total, and 2 bytes for each of them
    assert shown["parameters"]["total"] == 8_190_735_360
    assert shown["stored_bytes"] == 2 * 8_190_735_360
    assert shown["architecture"]["layers"] == 36
    assert shown["license"]["id"] == "apache-2.0"
    assert shown["source"] == "snapshot"


def test_tensors_are_filtered_and_grouped(capsys: pytest.CaptureFixture[str]) -> None:
    source = ("--source", "snapshot")
    rows = output(capsys, "tensors", "Qwen/Qwen3-8B", "--filter", "*.q_proj.weight", *source)
    assert len(rows) == 36
    assert rows[0]["shape"] == [4096, 4096]
    groups = output(capsys, "tensors", "Qwen/Qwen3-8B", "--group", "component", *source)
    assert sum(group["parameters"] for group in groups) == 8_190_735_360


def test_search_lists_judged_rows(capsys: pytest.CaptureFixture[str]) -> None:
    rows = output(
        capsys, "search", "qwen3", "--machine", "RTX 4090", "--source", "snapshot", "--limit", "5"
    )
    assert len(rows) == 5
    assert all("qwen3" in row["id"].lower() for row in rows)
    assert all(row["fit"]["verdict"] for row in rows if row["fit"])


def test_machine_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    machine = output(capsys, "machine", "--machine", "2x RTX 3090, 64 GB")
    assert [device["memory_bytes"] for device in machine["devices"]] == [24 * 1024**3] * 2
    assert machine["host_memory_bytes"] == 64 * 1024**3
    assert "devices" in output(capsys, "machine")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["fit"], 2, "MODEL"),
        (["fit", "Qwen/Qwen3-8B", "--context", "many"], 2, "number of tokens"),
        (["fit", "Qwen/Qwen3-8B", "--machine", "RTX 9999"], 2, "RTX 9999"),
        (["fit", "Qwen/Qwen3-8B", "--quant", "Q9"], 2, "Q4_K_M"),
        (["show", "no/such-model-here"], 3, "no/such-model-here"),
        (["show", "./nothing.gguf"], 3, "nothing.gguf"),
        (["show", "not a name"], 2, "not a name"),
    ],
)
def test_mistakes_end_in_a_clear_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--source", "snapshot") == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert "Traceback" not in printed.err


def test_a_model_that_is_too_large_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "Qwen/Qwen3-8B", "--machine", "cpu 2GB", "--source", "snapshot") == 1
    assert "does not fit" in capsys.readouterr().out


def test_a_broken_file_exits_with_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "model.safetensors"
    broken.write_bytes(b"\xff" * 64)
    assert run("show", str(broken)) == 5
    assert "model.safetensors" in "".join(capsys.readouterr())


def test_without_a_terminal_the_ui_says_what_to_run() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "explorer"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert "weights search" in ran.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m explorer tensors Qwen/Qwen3-8B --source snapshot | head -1"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert "BrokenPipe" not in ran.stderr


def test_every_command_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (\w+)  ", build().format_help(), re.MULTILINE)
    assert "fit" in commands
    assert [name for name in commands if f"weights {name}" not in readme] == []


def test_parallel_sizes_are_told_as_they_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    """Two cards are taken because one is too small; nobody asked for two."""
    machine = ("--machine", "4x RTX 4090, 256 GB", "--source", "snapshot")
    [answer] = output(capsys, "fit", "Qwen/Qwen3-32B-AWQ", "--context", "32k", *machine)
    scenario, placed = answer["scenario"], answer["placement"]
    assert (scenario["tensor_parallel"], scenario["pipeline_parallel"]) == (2, 1)
    assert len(placed) == 2
    for part in ("weights", "kv_cache", "compute", "overhead", "total"):
        assert sum(one[part] for one in placed) == answer["memory"][part]
    assert all(one["total"] <= one["capacity"] for one in placed)
    alone = ("fit", "Qwen/Qwen3-32B-AWQ", "--context", "32k", "--tensor-parallel", "1", *machine)
    assert run(*alone, "--json") == 1
    [one] = json.loads(capsys.readouterr().out)
    assert one["scenario"]["tensor_parallel"] == 1
    assert len(one["placement"]) == 1


def test_how_sequences_share_and_what_is_drafted(capsys: pytest.CaptureFixture[str]) -> None:
    model = ("fit", "Qwen/Qwen3.5-35B-A3B", "--source", "snapshot", "--machine", "H200",
             "--quant", "Q8_0", "--sequences", "4")  # fmt: skip
    [apart] = output(capsys, *model)
    [shared] = output(capsys, *model, "-kvu")
    assert (apart["scenario"]["kv_unified"], shared["scenario"]["kv_unified"]) == (False, True)
    assert apart["memory"]["kv_cache"] == 4 * shared["memory"]["kv_cache"]
    assert apart["scenario"]["mtp"] is False
    assert apart["scenario"]["draft_tokens"] == 0
    [drafting] = output(capsys, *model, "--draft-tokens", "5")
    assert (drafting["scenario"]["mtp"], drafting["scenario"]["draft_tokens"]) == (True, 5)
    assert drafting["memory"]["recurrent_state"] == 6 * apart["memory"]["recurrent_state"]
    [own] = output(capsys, *model, "--mtp")
    assert own["scenario"]["draft_tokens"] == 3
    assert run(*model, "--no-mtp", "--draft-tokens", "2") == 2
    assert run(*model, "--engine", "vllm", "--no-kv-unified") == 2
    assert "--engine llama.cpp" in capsys.readouterr().err


def test_bytes_that_a_torch_file_has_twice_are_held_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Embedding and head of 4 x 3 floats on one storage, and a row of it under a third name."""
    saved = Path(__file__).parents[1] / "data" / "torch" / "shared.pth"
    (tmp_path / "pytorch_model.bin").write_bytes(saved.read_bytes())
    model = ("fit", str(tmp_path), "--machine", "RTX 4090", "--engine", "transformers")
    [answer] = output(capsys, *model)
    [shown] = [output(capsys, "show", str(tmp_path))]
    assert answer["memory"]["weights"] == shown["stored_bytes"] > 0


def test_gpt_oss_is_called_what_it_was_published_as(capsys: pytest.CaptureFixture[str]) -> None:
    """Its experts stay MXFP4 in every engine: none makes 16 bits of them, or packs them anew."""
    where = ("--machine", "RTX 4090, 64 GB", "--source", "snapshot")
    model = ("fit", "openai/gpt-oss-20b", *where)
    for engine in ("llama.cpp", "vllm", "transformers"):
        [answer] = output(capsys, *model, "--engine", engine)
        assert answer["scenario"]["quantization"] == "MXFP4"
        assert answer["verdict"] == "fits"
        assert 12.5 < answer["memory"]["weights"] / 2**30 < 14
    assert run(*model, "--quant", "BF16") == 2
    assert "choose MXFP4, Q8_0" in capsys.readouterr().err
    [row] = output(capsys, "search", "gpt-oss-20b", "--limit", "1", "--exact", *where)
    assert row["fit"]["quantization"] == "MXFP4"


def test_a_pipeline_is_judged_by_its_components(capsys: pytest.CaptureFixture[str]) -> None:
    """FLUX.1-schnell: 11.9 B of the denoiser on the card, two text encoders and the rest waiting."""
    model = ("fit", "black-forest-labs/FLUX.1-schnell", "--source", "snapshot")
    [answer] = output(capsys, *model, "--machine", "RTX 4090, 64 GB")
    assert answer["verdict"] == "offload"
    card, host = answer["placement"]
    assert card["weights"] == pytest.approx(2 * 11.9e9, rel=0.01)
    assert host["weights"] == pytest.approx(2 * (4.76e9 + 0.123e9 + 0.168e9), rel=0.02)
    assert run(*model, "--machine", "RTX 4090, 64 GB") == 0
    assert "at ?" not in capsys.readouterr().out


def test_vllm_takes_sixteen_bits_as_they_are_published(capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--machine", "RTX 4090", "--source", "snapshot", "--engine", "vllm")
    [answer] = output(capsys, "fit", "Qwen/Qwen3-8B", "--quant", "BF16", *where)
    assert answer["exact"] is True
    [answer] = output(capsys, "fit", "Qwen/Qwen3-8B", "--quant", "FP8", *where)
    assert answer["exact"] is False


def test_what_only_vllm_has_is_judged_by_vllm(capsys: pytest.CaptureFixture[str]) -> None:
    machine = ("--machine", "2x RTX 4090, 256 GB", "--source", "snapshot")
    [answer] = output(capsys, "fit", "Qwen/Qwen3-32B-AWQ", "--tensor-parallel", "2", *machine)
    assert answer["scenario"]["engine"] == "vllm"
    assert answer["scenario"]["tensor_parallel"] == 2
    first, second = answer["placement"]
    assert first["weights"] == second["weights"]
    assert run("fit", "Qwen/Qwen3-32B-AWQ", "--tensor-parallel", "3", *machine) == 2
    assert "1, 2, 4, 8" in capsys.readouterr().err
    assert run("fit", "Qwen/Qwen3-8B", "--tensor-parallel", "2", "--engine", "mlx", *machine) == 2
    assert "--engine vllm" in capsys.readouterr().err
