"""Pack a folder of models (config.json and tensor list each) into ``models.json.xz`` beside this file.

    python tests/data/models/build.py FOLDER

FOLDER holds ``INDEX.tsv`` and one folder a model with ``config.json``, perhaps ``hf_quant_config.json``,
and ``header.json.gz`` = ``{"tensors": {name: [dtype, shape]}}`` (one a component for diffusers).
Tensor lists are folded to ``[pattern, dtype, shape, indices]``; equal lists are stored once.
"""

import csv
import gzip
import json
import lzma
import re
import sys
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

_INDEX = re.compile(r"(?<![^.])[0-9]{1,9}(?![^.])")

Folded = list[list[Any]]


def fold(tensors: dict[str, list[Any]]) -> Folded:
    """Fold equal tensors; indices as one list a position where every combination exists."""
    groups: dict[tuple[str, str, tuple[int, ...]], list[tuple[int, ...]]] = {}
    for name, (dtype, shape) in tensors.items():
        key = (_INDEX.sub("*", name), dtype, tuple(shape))
        groups.setdefault(key, []).append(tuple(map(int, _INDEX.findall(name))))
    return [
        [pattern, dtype, list(shape), _compact(found)]
        for (pattern, dtype, shape), found in groups.items()
    ]


def _compact(found: list[tuple[int, ...]]) -> list[Any]:
    positions = [sorted(set(column)) for column in zip(*found, strict=True)]
    if len(found) == prod(map(len, positions)) and set(found) == set(product(*positions)):
        return [_runs(column) for column in positions]
    return ["each", *map(list, found)]


def _runs(ordered: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in ordered:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _read_model(folder: Path, headers: list[Folded]) -> dict[str, Any]:
    model: dict[str, Any] = {"headers": {}}
    for path in sorted(folder.glob("*header.json.gz")):
        tensors = json.loads(gzip.decompress(path.read_bytes()))["tensors"]
        folded = fold(tensors)
        if folded not in headers:
            headers.append(folded)
        component = path.name.removesuffix("header.json.gz").rstrip(".")
        model["headers"][component] = headers.index(folded)
    for name in ("config", "hf_quant_config", "model_index"):
        path = folder / f"{name}.json"
        if path.exists():
            model[name] = json.loads(path.read_text())
    return model


def main(folder: Path) -> None:
    """Write the packed file."""
    headers: list[Folded] = []
    models = {}
    with (folder / "INDEX.tsv").open(newline="") as index:
        for row in csv.DictReader(index, delimiter="\t"):
            model = _read_model(folder / row["id"].replace("/", "__"), headers)
            model["published_total"] = int(row["published_total"] or 0) or None
            model["provenance"] = [row["config_provenance"], row["header_provenance"]]
            models[row["id"]] = model
    content = json.dumps({"headers": headers, "models": models}, separators=(",", ":"))
    target = Path(__file__).with_name("models.json.xz")
    target.write_bytes(lzma.compress(content.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(models)} models, {len(headers)} different headers, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
