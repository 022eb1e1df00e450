"""The command that builds the snapshot, on a folder small enough to read."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import ExplorerError
from explorer.hub.snapshot import Snapshot
from explorer.hub.snapshot_build import build, main
from explorer.hub.source import ModelRef, Query

_COLUMNS = [
    "id",
    "class",
    "tensors",
    "published_total",
    "stored_elements",
    "config_provenance",
    "header_provenance",
]
TENSORS: dict[str, Any] = {
    "embeddings.position_embeddings.weight": ["F32", [512, 8]],
    "layers.0.weight": ["F32", [8, 8]],
    "layers.1.weight": ["F32", [8, 8]],
    "steps": ["I64", []],
}
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "max_position_embeddings": 512,
    "rope_theta": 10000.0,
    "text_config": {"max_position_embeddings": 2048, "hidden_size": 8},
}
ROW: dict[str, Any] = {
    "id": "acme/Tiny", "downloads": 5, "likes": 2, "license": "mit", "pipeline_tag": "unknown",
    "model_type": "bert", "createdAt": "2025-01-02", "languages": ["en"],
    "gguf_repos": ["acme/Tiny-GGUF"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One model with a header, listed together with another that has none."""
    write_gzip(
        tmp_path / "listing.jsonl.gz", lines(ROW, {**ROW, "id": "acme/Other", "downloads": 9})
    )
    place = tmp_path / "models" / "acme__Tiny"
    place.mkdir(parents=True)
    write_index(tmp_path, "4224", "4225", provenance="derived, total verified")
    (place / "config.json").write_text(json.dumps(CONFIG))
    write_gzip(place / "header.json.gz", json.dumps({"tensors": TENSORS}))
    return tmp_path


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def write_index(
    folder: Path, published: str, stored: str, *, provenance: str = "real file"
) -> None:
    row = ["acme/Tiny", "BertModel", "4", published, stored, provenance, "independent"]
    text = "\t".join(_COLUMNS) + "\n" + "\t".join(row) + "\n"
    (folder / "models" / "INDEX.tsv").write_text(text)


def opened(folder: Path) -> Snapshot:
    data, _ = build(folder, "2026-11")
    return Snapshot(lambda: data)


def test_the_command_writes_the_file_and_says_what_is_in_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "snapshot.bin"
    assert main([str(folder), str(out), "--date", "2026-11"]) == 0
    said = capsys.readouterr().out
    assert "2 rows, 1 with parameters; 1 models with configs and headers, 4 tensors" in said
    assert f"{out.stat().st_size} bytes" in said


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    first, _ = build(folder, "2026-11")
    for path in folder.rglob("*.gz"):
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=7))
        os.utime(path, (0, 0))
    assert build(folder, "2026-11")[0] == first


async def test_what_went_in_comes_out(folder: Path) -> None:
    snapshot = opened(folder)
    (page,) = [page async for page in snapshot.search(Query())]
    assert [row.id for row in page.rows] == ["acme/Other", "acme/Tiny"]
    tiny = page.rows[1]
    assert (tiny.downloads, tiny.likes, tiny.license, tiny.task) == (5, 2, "mit", None)
    assert (tiny.parameters, tiny.parameters_by_dtype) == (4224, {"F32": 4224})
    assert tiny.languages == ("en",)
    assert tiny.provenance == (
        "snapshot of 2026-11; config: derived, total verified, rope and context left out; "
        "header: independent, shards laid out anew"
    )
    repo = await snapshot.repo(ModelRef("acme/Tiny"))
    assert [file.path for file in repo.files] == ["config.json", "model.safetensors"]


async def test_of_a_derived_config_only_what_a_tensor_confirms_is_kept(folder: Path) -> None:
    repo = await opened(folder).repo(ModelRef("acme/Tiny"))
    assert repo.listing.config == {
        "model_type": "bert",
        "max_position_embeddings": 512,
        "text_config": {"hidden_size": 8},
    }


async def test_a_published_config_is_kept_whole(folder: Path) -> None:
    write_index(folder, "4224", "4225")
    repo = await opened(folder).repo(ModelRef("acme/Tiny"))
    assert repo.listing.config == CONFIG


async def test_without_a_published_total_the_header_is_counted_and_that_is_said(
    folder: Path,
) -> None:
    write_index(folder, "", "4225")
    repo = await opened(folder).repo(ModelRef("acme/Tiny"))
    assert repo.listing.parameters == 4224
    assert repo.listing.provenance.endswith("parameters: counted in the header")


async def test_of_a_packed_model_no_types_are_claimed(folder: Path) -> None:
    write_index(folder, "9999", "4225")
    listing = (await opened(folder).repo(ModelRef("acme/Tiny"))).listing
    assert (listing.parameters, listing.parameters_by_dtype) == (9999, {})


async def test_names_that_differ_in_case_are_one_model(folder: Path) -> None:
    write_gzip(folder / "listing.jsonl.gz", lines({**ROW, "id": "acme/tiny"}))
    (page,) = [page async for page in opened(folder).search(Query())]
    assert [(row.id, row.downloads) for row in page.rows] == [("acme/Tiny", 5)]


async def test_an_index_that_counts_half_the_bytes_tells_the_type(folder: Path) -> None:
    place = folder / "models" / "acme__Tiny"
    write_index(folder, "", "")
    (place / "header.json.gz").unlink()
    floats = {name: entry for name, entry in TENSORS.items() if entry[0] == "F32"}
    write_gzip(place / "transformer.header.json.gz", json.dumps({"tensors": floats}))
    write_gzip(place / "text_encoder.header.json.gz", json.dumps({"tensors": {"w": ["BF16", [2]]}}))
    index = {"metadata": {"total_size": 4224 * 2}, "weight_map": dict.fromkeys(floats, "x")}
    name = "transformer__diffusion_pytorch_model.safetensors.index.json"
    (place / name).write_text(json.dumps(index))
    listing = (await opened(folder).repo(ModelRef("acme/Tiny"))).listing
    assert listing.parameters_by_dtype == {"BF16": 4224}


def _with_header(tensors: object) -> Callable[[Path], None]:
    text = json.dumps({"tensors": tensors})
    return lambda folder: write_gzip(folder / "models" / "acme__Tiny" / "header.json.gz", text)


def _with_config(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "models" / "acme__Tiny" / "config.json").write_text(text)


def _with_listing(text: str) -> Callable[[Path], None]:
    return lambda folder: write_gzip(folder / "listing.jsonl.gz", text)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_with_header({**TENSORS, "steps": ["Q4_K", []]}), "tensor 'steps'. “Q4_K” is not a type"),
        (_with_header({**TENSORS, "steps": ["F4", [3]]}), "does not end at a byte"),
        (_with_header({**TENSORS, "steps": ["I64", [-1]]}), "is no type and shape"),
        (_with_header({**TENSORS, "steps": "I64"}), "tensor 'steps'"),
        (_with_header({**TENSORS, "more": ["I64", [7]]}), "has 4232 elements in 5 tensors"),
        (_with_header({}), "has no tensors"),
        (_with_header([1]), "has no tensors"),
        (_with_config("{"), "acme__Tiny/config.json is not JSON"),
        (_with_config("[]"), "is not a JSON object"),
        (_with_listing("{}\n"), "line 1 is not a row"),
        (_with_listing(lines(ROW, ROW)), "has acme/Tiny twice"),
        (_with_listing(lines({**ROW, "downloads": -1})), "is not a count"),
        (_with_listing(lines({**ROW, "id": "../etc"})), "line 1 is not a row"),
        (lambda folder: (folder / "listing.jsonl.gz").unlink(), "has no listing.jsonl.gz"),
        (lambda folder: (folder / "models" / "INDEX.tsv").unlink(), "has no models/INDEX.tsv"),
        (lambda folder: write_index(folder, "many", "4225"), "INDEX.tsv, line 2"),
        (lambda folder: write_index(folder, "4224", "4225", provenance=""), "where it comes from"),
        (lambda folder: (folder / "listing.jsonl.gz").write_bytes(b"plain"), "is not gzip"),
    ],
)
def test_malformed_input_is_refused(
    folder: Path, harm: Callable[[Path], object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    harm(folder)
    with pytest.raises(ExplorerError) as raised:
        build(folder, "2026-11")
    assert said in str(raised.value)
    out = folder / "snapshot.bin"
    assert main([str(folder), str(out), "--date", "2026-11"]) == raised.value.exit_code
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_date_that_is_no_month_and_a_place_that_cannot_be_written_are_usage_errors(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), str(folder / "x"), "--date", "November"]) == 2
    assert main([str(folder), str(folder / "none" / "x"), "--date", "2026-11"]) == 2
    assert "cannot be written" in capsys.readouterr().err
