"""``weights search --source local``: the stores of other programs and folders of one's own."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import hf_hub_download

from explorer.cli import main
from tests.hub import HubFile, HubRepo, HubServer, RealBytes
from tests.hub.builder import llama_like
from tests.hub.gguf_files import llama_gguf


def whole_gguf() -> bytes:
    """A small GGUF with all its data."""
    model = llama_gguf()
    return model.beginning.ljust(model.size, b"\0")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the same GGUF in the hub's cache and in Ollama's store, and another model."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "own cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "OLLAMA_MODELS", "WEIGHTS_FOLDERS"):
        monkeypatch.delenv(name, raising=False)
    data = whole_gguf()
    quantized = HubRepo("acme/tiny-GGUF", [HubFile("tiny-Q4_K_M.gguf", RealBytes(data))])
    plain = llama_like("acme/tiny")
    cache = tmp_path / ".cache/huggingface/hub"
    with HubServer([quantized, plain]) as hub:
        for repo in (quantized, plain):
            for file in repo.files:
                hf_hub_download(
                    repo.id, file.path, cache_dir=cache, endpoint=hub.endpoint, token=False
                )
    digest = hashlib.sha256(data).hexdigest()
    ollama = tmp_path / ".ollama/models"
    manifest = ollama / "manifests/registry.ollama.ai/library/tiny/latest"
    manifest.parent.mkdir(parents=True)
    layer = {
        "mediaType": "application/vnd.ollama.image.model",
        "digest": f"sha256:{digest}",
        "size": len(data),
    }
    manifest.write_text(json.dumps({"layers": [layer]}))
    (ollama / "blobs").mkdir()
    (ollama / f"blobs/sha256-{digest}").write_bytes(data)
    return tmp_path


def search(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["search", "--source", "local", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_rows_have_what_their_headers_say(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in search(capsys, "--machine", "cpu 32GB")}
    assert set(rows) == {"acme/tiny", "acme/tiny-GGUF", "tiny:latest"}
    # 2 layers of 64: embedding and head of 256 x 64, and per layer 4 attention and 3 MLP matrices
    attention, mlp = 2 * 64 * 64 + 2 * 32 * 64, 3 * 128 * 64
    expected = 2 * 256 * 64 + 2 * (attention + mlp + 2 * 64) + 64
    assert rows["acme/tiny"]["parameters"] == expected
    for row in rows.values():
        assert row["parameters"] > 0
        assert row["context_tokens"] is not None
        assert row["fit"]["verdict"] == "fits"
        assert row["fit"]["estimated"] is False
    assert rows["tiny:latest"]["size_bytes"] == len(whole_gguf())
    assert rows["tiny:latest"]["provenance"] == "on disk: Ollama"


def test_a_file_in_two_stores_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rows = {row["name"]: row for row in search(capsys)}
    (twin,) = rows["tiny:latest"]["twins"]
    assert twin["model"] == rows["acme/tiny-GGUF"]["id"]
    assert (twin["file"], twin["size_bytes"]) == ("tiny-Q4_K_M.gguf", len(whole_gguf()))
    assert rows["acme/tiny"]["twins"] == []
    assert main(["search", "--source", "local"]) == 0
    printed = capsys.readouterr()
    assert "Ollama" in printed.out
    assert "the same " in printed.err


def test_a_path_of_the_listing_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for row in search(capsys):
        assert main(["show", row["id"], "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["parameters"]["total"] == row["parameters"]
        assert shown["source"] == "local"


def test_a_gguf_on_disk_is_judged_by_llama_cpp(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "one.gguf").write_bytes(whole_gguf())
    assert main(["fit", str(home / "one.gguf"), "--machine", "cpu 32GB", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["scenario"]["engine"] == "llama.cpp"
    assert answer["exact"] is True


def test_folders_of_ones_own(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        (home / name / "model").mkdir(parents=True)
        (home / name / "model" / f"{name}.gguf").write_bytes(whole_gguf())
    monkeypatch.setenv("WEIGHTS_FOLDERS", f"{home / 'two'}{os.pathsep}{home / 'three'}")
    found = search(capsys, "model", "--folder", str(home / "one"))
    folders = {str(Path(row["id"]).relative_to(home)) for row in found}
    assert {"one/model", "two/model", "three/model"} <= folders
    assert main(["search", "--source", "local", "--folder", str(home / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_a_damaged_file_is_a_row_all_the_same(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "broken"
    folder.mkdir()
    (folder / "bad.gguf").write_bytes(b"GGUF" + b"\xff" * 20)
    (row,) = search(capsys, "bad", "--folder", str(folder))
    assert row["parameters"] is None
    assert row["fit"] is None


@pytest.mark.parametrize(
    ("arguments", "untold"),
    [
        (("--task", "text-generation"), "their task"),
        (("--license-allows", "hosting", "--license", "mit"), "their license"),
        (("--license", "mit", "--language", "de"), "their license or their language"),
    ],
)
def test_what_only_a_card_knows_is_said_to_be_known_of_few_models_on_disk(
    arguments: tuple[str, ...], untold: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "--source", "local", *arguments]) == 0
    assert f"models on disk say {untold} only in a README.md" in " ".join(
        capsys.readouterr().err.split()
    )
