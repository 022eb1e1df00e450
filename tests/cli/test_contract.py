"""The JSON of every command against its contract: the keys, and bytes, tokens and counts as integers."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from explorer.cli import main
from explorer.cli.arguments import build
from tests.cli.hub import printed

MODEL, OTHER = "Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B"
SNAPSHOT = ("--source", "snapshot")
MACHINE = ("--machine", "RTX 4090")

COUNTED = re.compile(
    r"(^|_)(bytes|tokens|tensors|parameters|elements|active|layers|experts|downloads|likes|sequences"
    r"|experts_per_token|requests|total|capacity|schema_version|count)$"
)
"""Keys whose numbers are whole; a value that is no number is looked into, or is null."""
MEMORY = {"weights", "kv_cache", "recurrent_state", "compute", "overhead", "total"}
TRANSFER = {"requests", "bytes", "seconds", "cached"}
MACHINE_KEYS = {"name", "host_memory_bytes", "devices"}

KEYS: dict[str, set[str]] = {
    "show": {
        "schema_version", "id", "revision", "source", "format", "files", "tensors", "stored_bytes",
        "parameters", "quantization", "architecture", "license", "gated", "warnings", "transfer",
    },
    "fit": {
        "schema_version", "id", "revision", "machine", "scenario", "memory", "placement", "verdict",
        "max_context_tokens", "speed", "assumptions", "transfer", "most", "commands",
    },
    "tensors": {"name", "dtype", "shape", "parameters", "size_bytes", "file"},
    "search": {
        "id", "parameters", "active", "context_tokens", "license", "downloads", "likes", "updated", "fit",
    },
    "machine": MACHINE_KEYS,
    "compare": {"schema_version", "machine", "models", "differences"},
    "diff": {
        "schema_version", "same", "before", "after", "added", "removed", "reshaped", "retyped", "transfer",
    },
    "lineage": {"schema_version", "id", "bases", "derived", "notes", "transfer"},
    "variants": {"schema_version", "id", "parameters", "best", "variants", "notes", "transfer"},
    "license": {"schema_version", "id", "questions", "license", "own", "lineage", "notes", "transfer"},
    "watch": {"id", "seen", "now", "changes", "age_seconds", "error"},
    "publisher": {"models"},
    "cache": set(),
    "snapshot": set(),
}  # fmt: skip

CALLS: dict[str, tuple[str, ...]] = {
    "show": (MODEL,),
    "fit": (MODEL, OTHER, *MACHINE, "--enough"),
    "tensors": (MODEL, "--filter", "*.0.*"),
    "search": ("qwen3", "--limit", "5", *MACHINE),
    "machine": MACHINE,
    "compare": (MODEL, OTHER, *MACHINE),
    "diff": (MODEL, MODEL),
    "lineage": (MODEL, *MACHINE),
    "variants": (MODEL, *MACHINE),
    "license": (MODEL, "--text"),
    "watch": (MODEL,),
    "publisher": ("Qwen", *MACHINE),
    "cache": (),
    "snapshot": ("lab.bin", "--limit", "2"),
}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WEIGHTS_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


def command_names() -> set[str]:
    return {
        name
        for action in build()._actions
        if isinstance(action.choices, dict)
        for name in action.choices
    }


def uncounted(value: Any, key: str = "", path: str = "$") -> list[str]:
    """Places where a count is a fraction, a text or negative."""
    if isinstance(value, dict):
        counts = key in {"by_dtype", "by_component", "attention"}  # keyed by what is counted
        return [
            fault
            for name, inner in value.items()
            for fault in uncounted(inner, "count" if counts else name, f"{path}.{name}")
        ]
    if isinstance(value, list):
        return [
            fault for i, inner in enumerate(value) for fault in uncounted(inner, "", f"{path}[{i}]")
        ]
    speed = "tokens_per_second" in path or "tokens_per_second" in key
    if speed or value is None or not COUNTED.search(key):
        return []
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return [] if whole else [f"{path} is {value!r}"]


def test_every_command_is_walked() -> None:
    assert set(KEYS) == set(CALLS) == command_names()


@pytest.mark.parametrize("command", sorted(CALLS))
def test_keys_and_whole_numbers(capsys: pytest.CaptureFixture[str], command: str) -> None:
    shown = printed(capsys, command, *CALLS[command], *SNAPSHOT)
    documents = shown if isinstance(shown, list) else [shown]
    assert documents
    for document in documents:
        assert KEYS[command] <= set(document)
        assert uncounted(document) == []


def test_the_parts_of_a_fit(capsys: pytest.CaptureFixture[str]) -> None:
    answers = printed(capsys, "fit", MODEL, *MACHINE, *SNAPSHOT)
    assert len(answers) == 1
    [answer] = answers
    assert set(answer["memory"]) == MEMORY
    assert set(answer["transfer"]) == TRANSFER
    assert set(answer["machine"]) >= MACHINE_KEYS
    assert set(answer["scenario"]) >= {
        "engine", "context_tokens", "sequences", "kv_dtype", "quantization", "batch_tokens",
    }  # fmt: skip
    assert answer["verdict"] in {"fits", "tight", "offload", "too_large"}
    for placed in answer["placement"]:
        assert set(placed) == MEMORY | {"device", "capacity"}
    for part in MEMORY:
        assert sum(placed[part] for placed in answer["placement"]) == answer["memory"][part]
    for speed in ("decode_tokens_per_second", "prefill_tokens_per_second"):
        assert set(answer["speed"][speed]) == {"low", "expected", "high"}
    for device in answer["machine"]["devices"]:
        assert set(device) >= {
            "name", "kind", "memory_bytes", "available_bytes", "bandwidth_bytes_per_second",
        }  # fmt: skip


def test_the_parts_of_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(capsys, "show", MODEL, *SNAPSHOT)
    assert set(shown["parameters"]) >= {"total", "active", "elements", "by_dtype", "by_component"}
    assert set(shown["architecture"]) >= {
        "name", "model_type", "layers", "context_tokens", "experts", "experts_per_token", "attention",
    }  # fmt: skip
    assert set(shown["license"]) >= {"id", "name", "commercial"}
    assert all(set(file) >= {"path", "size_bytes", "tensors"} for file in shown["files"])
    assert sum(file["tensors"] for file in shown["files"]) == shown["tensors"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "nobody/nothing"], 3),
        (["fit", "nobody/nothing", "nobody/else"], 3),
        (["fit", MODEL, "--quant", "Q99"], 2),
        (["fit", MODEL, "--engine", "vllm", "--machine", "cpu 32GB"], 2),
        (["compare", MODEL, "nobody/nothing"], 3),
        (["diff", MODEL, "nobody/nothing"], 3),
        (["search", "params:many"], 2),
        (["machine", "--machine", "RTX 99999"], 2),
        (["fit", "./broken.safetensors"], 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_after_an_error_standard_output_is_empty(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    Path("broken.safetensors").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    source = () if "./broken.safetensors" in arguments else SNAPSHOT
    assert main([*arguments, "--json", *source]) == code
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("weights: ")


def test_names_with_control_characters_stay_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[31m\n\u202eb"
    save_file({name: np.zeros(4, np.float16)}, "odd.safetensors")
    assert main(["tensors", "./odd.safetensors", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out)[0]["name"] == name
    assert main(["tensors", "./odd.safetensors"]) == 0
    assert not set("\x1b\u202e") & set(capsys.readouterr().out)
