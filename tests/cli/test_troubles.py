"""What goes wrong is said on stderr and in the exit code; what is not known is never a figure."""

import json
import os
import re
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors

from explorer.cli import main
from tests.cli.hub import REPOS, hub_of_this_shell, printed
from tests.hub import Fault, HubServer
from tests.hub.builder import llama_like

__all__ = ["hub_of_this_shell"]

MACHINE = ("--machine", "RTX 4090")
BIG = llama_like(
    "acme/Llama-8B", layers=32, hidden=4096, intermediate=14336, vocabulary=128256, heads=32,
    kv_heads=8, context=131072, shards=4,
)  # fmt: skip
THIRD = "model-00003-of-00004.safetensors"


def spoken(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and stderr of a command."""
    code = main(list(arguments))
    written = capsys.readouterr()
    return code, written.out, written.err


def on_disk(folder: Path, *left_out: str) -> Path:
    """The big model in a folder, its weights as holes, without some of its files."""
    folder.mkdir(parents=True)
    for file in BIG.files:
        if file.path not in left_out:
            size = file.content.size
            with (folder / file.path).open("wb") as out:
                out.write(file.content.read(0, min(size, 1 << 20)))
                out.truncate(size)
    return folder


# A missing file


@pytest.mark.parametrize("engine", ["llama.cpp", "vllm", "transformers"])
@pytest.mark.parametrize("index", [True, False], ids=["with index", "without"])
def test_a_model_with_a_missing_file_needs_what_it_needs_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str, index: bool
) -> None:
    gone = (THIRD,) if index else (THIRD, "model.safetensors.index.json")
    whole, part = on_disk(tmp_path / "whole"), on_disk(tmp_path / "part", *gone)
    asked = (*MACHINE, "--engine", engine, "--quant", "BF16")
    (complete,) = printed(capsys, "fit", str(whole), *asked)
    assert main(["fit", str(part), *asked, "--json"]) == 5
    written = capsys.readouterr()
    (supposed,) = json.loads(written.out)
    assert supposed["memory"]["weights"] == pytest.approx(complete["memory"]["weights"], rel=0.001)
    assert supposed["exact"] is False
    assert any(THIRD in said and "supposed" in said for said in supposed["assumptions"])
    assert any(f"{THIRD} is missing" in said for said in supposed["warnings"])
    assert f"{THIRD} is missing" in written.err


def test_without_a_shape_a_missing_file_is_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = on_disk(tmp_path / "part", THIRD, "config.json")
    code, out, err = spoken(capsys, "fit", str(part), *MACHINE)
    assert (code, out) == (5, "")
    assert f"{THIRD} is missing" in err


def test_show_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = on_disk(tmp_path / "part", THIRD)
    code, out, err = spoken(capsys, "show", str(part))
    assert code == 5
    assert re.search(rf"{THIRD} +missing +\?", out)
    assert f"{THIRD} is missing" in err
    code, out, _ = spoken(capsys, "show", str(part), "--json")
    file = next(file for file in json.loads(out)["files"] if file["path"] == THIRD)
    assert (file["size_bytes"], file["tensors"]) == (None, None)


def test_a_file_the_hub_does_not_give_is_supposed_as_one_on_disk_is(
    hub: HubServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    hub.api.headers_endpoint = False
    (whole,) = printed(capsys, "fit", "acme/Llama-8B", *MACHINE)
    hub.catalog.add(llama_like(
        "acme/Other-8B", layers=32, hidden=4096, intermediate=14336, vocabulary=128256, heads=32,
        kv_heads=8, context=131072, shards=4,
    ))  # fmt: skip
    hub.inject(Fault(path=f"*/{THIRD}", status=404))
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "another"))
    assert main(["fit", "acme/Other-8B", *MACHINE, "--json"]) == 3
    written = capsys.readouterr()
    (supposed,) = json.loads(written.out)
    assert supposed["verdict"] == whole["verdict"]
    assert supposed["memory"]["weights"] == pytest.approx(whole["memory"]["weights"], rel=0.001)
    assert THIRD in written.err


# Malformed files


def entry(begin: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [(end - begin) // 4], "data_offsets": [begin, end]}


MALFORMED = {
    "overlapping": (json.dumps({"a": entry(0, 16), "b": entry(8, 24)}), 24, "overlaps"),
    "gap": (json.dumps({"a": entry(0, 16), "b": entry(20, 36)}), 36, "belong to no tensor"),
    "twice": (
        f'{{"a":{json.dumps(entry(0, 16))},"a":{json.dumps(entry(16, 32))}}}', 32, "more than once",
    ),
    "longer": (json.dumps({"a": entry(0, 16)}), 17, "at the end of the file belong to no tensor"),
    "shorter": (json.dumps({"a": entry(0, 16)}), 8, "beyond the end of the file"),
    "metadata": (json.dumps({"__metadata__": {"k": 1}, "a": entry(0, 16)}), 16, "is not a string"),
}  # fmt: skip


@pytest.mark.parametrize(("header", "data", "said"), MALFORMED.values(), ids=MALFORMED)
def test_what_the_formats_own_implementation_refuses_exits_with_5(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, data: int, said: str
) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(data))
    with pytest.raises(safetensors.SafetensorError), safetensors.safe_open(file, "np"):
        pass
    for command in ("show", "tensors", "fit"):
        code, out, err = spoken(capsys, command, str(file), *(MACHINE if command == "fit" else ()))
        assert code == 5
        assert out
        assert said in err
    shown = json.loads(spoken(capsys, "show", str(file), "--json")[1])
    assert any(said in warning for warning in shown["warnings"])
    assert shown["tensors"] > 0


# What the hub does not give


def test_an_unread_model_has_the_hubs_figures_and_says_so(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = spoken(capsys, "show", "acme/Gated-Tiny")
    assert code == 3
    assert "gated" in err
    assert re.search(r"parameters +[\d,]+ \(.*\), the hub's figure", out)
    code, out, _ = spoken(capsys, "show", "acme/Gated-Tiny", "--json")
    shown = json.loads(out)
    published = next(repo for repo in REPOS if repo.id == "acme/Gated-Tiny").safetensors
    assert published is not None
    assert shown["parameters"]["total"] == published["total"]
    assert shown["parameters"]["by_dtype"] == published["parameters"]
    assert shown["parameters"]["total_from"] == "hub"
    unknown = (shown["tensors"], shown["stored_bytes"], shown["parameters"]["elements"])
    assert unknown == (None, None, None)
    assert shown["parameters"]["active"] is None
    assert shown["gated"] == "manual"
    assert printed(capsys, "show", "acme/Llama-8B")["gated"] is False


def test_compare_says_on_stderr_what_it_could_not_read(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = spoken(capsys, "compare", "acme/Gated-Tiny", "acme/Llama-8B", *MACHINE)
    assert code == 3
    assert out
    assert err.count("acme/Gated-Tiny is gated") == 1


def test_fit_answers_what_it_can_and_reports_the_rest(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = spoken(capsys, "fit", "acme/none", "acme/Llama-8B", *MACHINE, "--json")
    assert code == 3
    assert [answer["id"] for answer in json.loads(out)] == ["acme/Llama-8B"]
    assert "There is no model acme/none" in err


def test_an_answer_that_is_no_answer_is_not_blamed_on_the_network(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.inject(Fault(kind="info", body=b"<html>welcome to this hotel</html>"))
    code, _, err = spoken(capsys, "show", "acme/Llama-8B", "--source", "hub")
    assert code == 4
    assert "cannot be understood" in err
    assert "could not be reached" not in err


def test_an_old_answer_says_its_age_and_why(
    hub: HubServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    printed(capsys, "fit", "acme/Llama-8B", *MACHINE)
    (store,) = (tmp_path / "cache").glob("*.sqlite3")
    with sqlite3.connect(store) as database:
        database.execute("UPDATE answers SET stored = stored - 7200")
    database.close()
    hub.inject(Fault(origin="hub", status=502))
    code, out, err = spoken(capsys, "show", "acme/Llama-8B")
    assert code == 0
    assert "could not be reached: this is what it said 2 h ago" in err
    assert re.search(r"source .*as of 2 h ago", out)
    assert "2 h ago" in printed(capsys, "show", "acme/Llama-8B")["warnings"][0]
    (answer,) = printed(capsys, "fit", "acme/Llama-8B", *MACHINE)
    assert 7200 <= answer["age_seconds"] < 7300
    assert "2 h ago" in answer["warnings"][0]


def test_the_snapshot_in_place_of_the_hub_says_so_in_json_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    shown = printed(capsys, "show", "Qwen/Qwen3-8B")
    assert shown["source"] == "snapshot"
    assert "could not be reached: Snapshot of" in shown["warnings"][0]


# The hub's cache on this disk


@pytest.fixture(name="cached")
def in_the_hubs_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """``acme/mine`` as huggingface_hub downloads it, and a hub that is not there."""
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    folder = tmp_path / "hf" / "hub" / "models--acme--mine"
    snapshot = on_disk(folder / "snapshots" / ("1" * 40))
    (snapshot / "README.md").write_text(
        "---\nlicense: cc-by-nc-4.0\nbase_model:\n- acme/base\n---\n# Mine\n", "utf-8"
    )
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("1" * 40)
    return snapshot


@pytest.mark.parametrize("how", [["--offline"], ["--source", "local"], []], ids=" ".join)
def test_a_model_in_the_hubs_cache_is_found_by_its_name(
    cached: Path, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    shown = printed(capsys, "show", "acme/mine", *how)
    assert (shown["id"], shown["source"], shown["revision"]) == ("acme/mine", "local", "1" * 40)
    assert shown["parameters"]["total"] == 8_030_261_248
    assert shown["license"]["id"] == "cc-by-nc-4.0"
    assert shown["license"]["commercial"] == "no"
    if how != ["--source", "local"]:
        assert "This machine answers in its place" in shown["warnings"][0]
    assert printed(capsys, "show", str(cached))["license"]["id"] == "cc-by-nc-4.0"
    assert printed(capsys, "license", "acme/mine", *how)["id"] == "acme/mine"
    for revision in ("main", "1" * 40):
        assert printed(capsys, "show", f"acme/mine@{revision}", *how)["revision"] == "1" * 40


@pytest.mark.parametrize("name", ["acme/other", "acme/mine@dev"])
def test_a_model_that_is_not_in_the_cache_is_not_found(
    cached: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert cached.is_dir()
    assert spoken(capsys, "show", name, "--source", "local")[0] == 3
    assert spoken(capsys, "show", name, "--offline")[0] == 4


# Files that are none, and streams that take nothing


@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "/dev/null"])
def test_what_is_no_regular_file_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    code, out, err = spoken(capsys, "show", str(tmp_path / path))
    assert (code, out) == (2, "")
    assert "is no regular file" in err


def shell(line: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """A line of a shell in which ``weights`` is this program."""
    weights = f'weights() {{ {sys.executable} -m explorer "$@"; }}; {line}'
    environment = {**os.environ, "WEIGHTS_CACHE": str(tmp_path)}
    return subprocess.run(
        ["sh", "-c", weights], capture_output=True, text=True, env=environment, check=False
    )


SHOW = "weights show Qwen/Qwen3-8B --source snapshot"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"{SHOW} > /dev/full", 4, "No space left on device"),
        (f"{SHOW} --json > /dev/full", 4, "No space left on device"),
        (f"{SHOW} >&-", 4, "Standard output is closed"),
        ("weights search --source snapshot --limit 2 >&-", 4, "Standard output is closed"),
        (f"{SHOW} 2>&- > /dev/null", 0, ""),
    ],
)
def test_a_stream_that_takes_nothing_is_a_clear_line(
    tmp_path: Path, line: str, code: int, said: str
) -> None:
    ended = shell(line, tmp_path)
    assert ended.returncode == code
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_diagnostics_never_go_to_standard_output(tmp_path: Path) -> None:
    ended = shell("weights show nobody/nothing --source snapshot 2>&-", tmp_path)
    assert (ended.returncode, ended.stdout) == (3, "")


INTERRUPTED = """
import sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
from explorer.cli import main
sys.exit(main(["show", "Qwen/Qwen3-8B", "--source", "snapshot"]))
"""


@pytest.mark.parametrize("loading", ["argparse", "explorer.cli.arguments", "explorer.hub.snapshot"])
def test_ctrl_c_while_the_program_loads_ends_it_quietly(loading: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, loading], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


# Options


def test_json_stands_before_the_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = spoken(capsys, "--json", "machine", *MACHINE)
    assert code == 0
    assert json.loads(out)["name"] == "RTX 4090"
    assert spoken(capsys, "--json")[0] == 2


@pytest.mark.parametrize(
    ("machine", "engine", "kv_dtype", "batch_tokens"),
    [
        # vLLM's defaults by the memory of the device: 2048, and 8192 where there is an H100's
        # (EngineArgs.get_batch_defaults); mlx_lm.server's --prefill-step-size is 2048.
        ("RTX 4090", "vllm", "bfloat16", 2048),
        ("H100", "vllm", "bfloat16", 8192),
        ("RTX 4090", "transformers", "bfloat16", 8192),
        ("M4 Max 64GB", "mlx", "bfloat16", 2048),
        ("RTX 4090", "llama.cpp", "f16", 512),
    ],
)
def test_the_scenario_says_what_was_used_where_the_engine_chooses(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    machine: str,
    engine: str,
    kv_dtype: str,
    batch_tokens: int,
) -> None:
    folder = on_disk(tmp_path / "model")
    asked = ("fit", str(folder), "--machine", machine, "--engine", engine)
    (answer,) = printed(capsys, *asked)
    used = answer["scenario"]["kv_dtype"], answer["scenario"]["batch_tokens"]
    assert used == (kv_dtype, batch_tokens)
    assert f"KV {kv_dtype}" in spoken(capsys, *asked)[1]
    # What the engine chooses itself need not be typed.
    assert not any(kv_dtype in command["line"] for command in answer["commands"]["run"])
