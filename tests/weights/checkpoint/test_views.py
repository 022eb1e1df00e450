"""Where bytes are, what files say of themselves, and tensors as text: against hand-made checkpoints."""

import csv
import io
import json
from pathlib import Path

import pytest

from explorer.errors import UsageError
from explorer.hub.saving import save
from explorer.weights.byte_map import Kind, byte_map
from explorer.weights.checkpoint import Checkpoint, Shard
from explorer.weights.metadata_entries import entries
from explorer.weights.tensor_export import COLUMNS, export
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tensors import Header, LongArray, Tensor


def checkpoint(names: dict[str, tuple[int, ...]], **metadata: str | LongArray) -> Checkpoint:
    tensors, start = [], 8
    for name, shape in names.items():
        size = 2
        for dimension in shape:
            size *= dimension
        tensors.append(Tensor(name, "BF16", shape, start, size))
        start += size
    header = Header("safetensors", tuple(tensors), metadata=metadata)
    empty = Checkpoint.expecting(["model.safetensors"], "safetensors")
    return empty.with_shard(Shard("model.safetensors", start, header))


MIXTURE = checkpoint(
    {
        "model.embed_tokens.weight": (100, 8),
        "model.layers.0.mlp.up_proj.weight": (32, 8),
        "model.layers.0.self_attn.q_proj.weight": (8, 8),
        **{
            f"model.layers.{layer}.{name}.weight": shape
            for layer in (1, 2)
            for name, shape in {
                "mlp.experts.0.up_proj": (16, 8),
                "mlp.experts.1.up_proj": (16, 8),
                "mlp.gate": (2, 8),
                "self_attn.q_proj": (8, 8),
                "input_layernorm": (8,),
            }.items()
        },
        "lm_head.weight": (100, 8),
    },
    format="pt",
)


def test_equal_layers_are_one_band_and_kinds_add_up() -> None:
    found = byte_map(TensorTable.of(MIXTURE))
    assert [band.name for band in found.bands] == [
        "embedding",
        "model.layers 0",
        "model.layers 1-2",
        "output_head",
    ]
    assert found.bands[2].by_kind == {
        Kind.EXPERTS: 2 * 2 * 2 * 16 * 8,
        Kind.ROUTER: 2 * 2 * 2 * 8,
        Kind.ATTENTION: 2 * 2 * 8 * 8,
        Kind.NORM: 2 * 2 * 8,
    }
    assert found.bands[1].by_kind == {Kind.FEED_FORWARD: 2 * 32 * 8, Kind.ATTENTION: 2 * 8 * 8}
    assert found.size_bytes == MIXTURE.counts.stored_bytes
    assert next(iter(found.by_kind)) in {Kind.EMBEDDING, Kind.HEAD}


def test_layers_can_be_told_one_by_one_and_a_filter_counts() -> None:
    table = TensorTable.of(MIXTURE)
    assert len(byte_map(table, folded=False).bands) == 5
    only = [number for number, row in enumerate(table.rows) if "q_proj" in row.name]
    assert set(byte_map(table, only).by_kind) == {Kind.ATTENTION}


def test_metadata_of_files_that_agree_is_told_once() -> None:
    found = {entry.key: entry for entry in entries(MIXTURE)}
    assert found["format"].value == "pt"
    assert found["format"].paths == ("model.safetensors",)
    skipped = checkpoint({"a.weight": (2, 2)}, tokens=LongArray("string", 151936))
    assert "151,936" in {entry.key: entry for entry in entries(skipped)}["tokens"].value


def test_csv_and_json_say_the_same_and_are_read_back() -> None:
    rows = TensorTable.of(MIXTURE).rows
    lines = list(csv.DictReader(io.StringIO("".join(export(rows, "csv")))))
    objects = json.loads("".join(export(rows, "json")))
    assert list(lines[0]) == list(COLUMNS) == list(objects[0])
    assert [line["name"] for line in lines] == [row.name for row in rows]
    assert lines[0]["shape"] == "100x8"
    assert objects[0]["shape"] == [100, 8]
    assert sum(item["size_bytes"] for item in objects) == MIXTURE.counts.stored_bytes
    assert json.loads("".join(export((), "json"))) == []


def test_a_name_that_is_a_formula_is_no_formula_in_a_spreadsheet() -> None:
    rows = TensorTable.of(checkpoint({'=HYPERLINK("x")': (2, 2)})).rows
    line = next(csv.DictReader(io.StringIO("".join(export(rows, "csv")))))
    assert line["name"].startswith("'=")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "tensors.csv"
    assert save(path, ["a\n", "b\n"]) == 4
    with pytest.raises(UsageError, match="is there already"):
        save(path, ["c"])
    assert path.read_text() == "a\nb\n"
    save(path, ["c"], replace=True)
    assert path.read_text() == "c"
    with pytest.raises(UsageError):
        save(tmp_path / "nowhere" / "x.csv", ["a"])
    with pytest.raises(UsageError, match="folder"):
        save(tmp_path, ["a"])
    assert [file.name for file in tmp_path.iterdir()] == ["tensors.csv"]
