"""``weights diff`` over the snapshot, a loopback hub and the disk."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from explorer.cli import main
from tests.hub import HubFile, HubRepo, HubServer
from tests.hub.builder import gguf_repo, llama_like, repo_of
from tests.hub.layouts import Weight, llama
from tests.real_weights import SMOLLM2, header_bytes

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "vocab_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def tiny() -> list[Weight]:
    """The tensors of the base model."""
    return list(llama(layers=2, hidden=64, intermediate=128, vocabulary=256, heads=4, kv_heads=2))


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with a base model and what was made of it."""
    base = llama_like("acme/base")
    weights = tiny()
    moved = [
        Weight(weight.name.replace("model.", "model.language_model.", 1), *weight[1:])
        for weight in weights
    ]
    tuned = [*weights, Weight("score.weight", "F32", (2, 64))]
    repos = [
        base,
        repo_of("acme/moved", moved, CONFIG),
        repo_of("acme/tuned", tuned, CONFIG),
        gguf_repo("acme/base-GGUF"),
        HubRepo("acme/empty", [HubFile.of_text("README.md", "#")]),
    ]
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with HubServer(repos) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def diff(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["diff", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_model_is_the_same_as_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "acme/base", "acme/base"]) == 0
    assert "The same structure: 21 weights agree" in capsys.readouterr().out


def test_a_finetune_against_its_base(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = diff(capsys, "acme/base", "acme/tuned")
    assert code == 1
    assert found["added"] == [
        {"pattern": "score.weight", "tensors": 1, "before": None, "after": "F32 2×64",
         "parameters": 128}
    ]  # fmt: skip
    assert found["unchanged"] == 21
    assert found["removed"] == found["reshaped"] == found["retyped"] == []
    total = found["before"]["parameters"]["total"]
    assert found["after"]["parameters"]["total"] == total + 128
    assert main(["diff", "acme/base", "acme/tuned"]) == 1
    assert "added: 1 tensors, 128 parameters" in capsys.readouterr().out


def test_the_same_modules_under_another_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = diff(capsys, "acme/base", "acme/moved")
    assert code == 0
    assert found["renamed"] == [
        {"before": "model.", "after": "model.language_model.", "tensors": 20}
    ]
    assert main(["diff", "acme/base", "acme/moved"]) == 0
    assert "under “model.” in the first are under “model.language_model.”" in (
        capsys.readouterr().out
    )


def test_remote_against_a_file_on_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.safetensors"
    tensors = {w.name: np.zeros(w.shape, np.float32) for w in tiny()}
    save_file(tensors, file)
    code, found = diff(capsys, "acme/base", str(file))
    assert code == 1
    assert found["added"] == found["removed"] == found["reshaped"] == []
    assert {(change["before"][:4], change["after"][:3]) for change in found["retyped"]} == {
        ("BF16", "F32")
    }
    assert sum(change["tensors"] for change in found["retyped"]) == 21
    assert found["after"]["revision"] is None


def test_a_gguf_is_compared_by_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = diff(capsys, "acme/base", "acme/base-GGUF")
    assert code == 1
    assert found["comparable"] is False
    roles = {role["role"]: (role["before"], role["after"]) for role in found["roles"]}
    # two layers of 64 x 64 queries; the embedding has 256 rows of 64
    assert roles["attn_q"][0] == 2 * 64 * 64
    assert roles["token_embd"][0] == 256 * 64
    # what Llama calls the norm after attention is a GGUF's norm before the MLP: two a layer in both
    assert roles["norms"] == (2 * 2 * 64, 2 * 2 * 256)
    main(["diff", "acme/base", "acme/base-GGUF"])
    assert "Not comparable name by name" in capsys.readouterr().out


def test_a_published_gguf_has_all_of_the_published_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The header of a real GGUF, its data a hole in the file, against the original's header."""
    file = tmp_path / SMOLLM2.name
    file.write_bytes(header_bytes(SMOLLM2))
    os.truncate(file, SMOLLM2.size_bytes)
    original = "HuggingFaceTB/SmolLM2-135M-Instruct"
    code, found = diff(capsys, original, str(file), "--source", "snapshot")
    assert code == 0
    assert found["same"] is True
    assert [role["role"] for role in found["roles"] if role["before"] != role["after"]] == []
    assert sum(role["after"] for role in found["roles"]) == SMOLLM2.elements == 134_515_008


def test_two_quantizations_of_the_snapshot(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("Qwen/Qwen2.5-14B-Instruct-AWQ", "Qwen/Qwen2.5-14B-Instruct-GPTQ-Int4")
    code, found = diff(capsys, *names, "--source", "snapshot")
    assert code == 1
    assert found["reshaped"] == found["added"] == found["removed"] == []
    assert len(found["retyped"]) == 7  # the matrices of a layer, packed along the other axis


def test_a_side_that_cannot_be_read_decides_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["diff", "acme/base", "acme/nowhere"]) == 3
    assert main(["diff", "acme/base", "acme/empty"]) == 5
    assert "No weight files" in capsys.readouterr().err
