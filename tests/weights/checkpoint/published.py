"""The published models under ``tests/data/models``, unfolded one at a time."""

import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from explorer.weights.checkpoint import Checkpoint, Shard
from explorer.weights.dtypes import lookup
from explorer.weights.tensors import Header, Tensor

FOLDER = Path(__file__).parents[2] / "data" / "models"


@dataclass(frozen=True)
class Published:
    """One model as it was published."""

    id: str
    total: int | None
    config: dict[str, Any]
    hf_quant_config: dict[str, Any] | None
    headers: dict[str, int]
    """Component folder (empty for the model itself) to number of the header."""
    provenance: tuple[str, str]


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(lzma.decompress((FOLDER / "models.json.xz").read_bytes()))
    return content


@cache
def models() -> dict[str, Published]:
    """All of them by id."""
    return {
        name: Published(
            name,
            model["published_total"],
            model.get("config", {}),
            model.get("hf_quant_config"),
            model["headers"],
            tuple(model["provenance"]),
        )
        for name, model in _content()["models"].items()
    }


def tensor(name: str, dtype: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of this shape, as a header would list it."""
    known = lookup(dtype)
    assert known is not None
    return Tensor(name, dtype, shape, 0, known.size_bytes(prod(shape)))


def unfold(number: int) -> tuple[Tensor, ...]:
    """The tensors of one header."""
    return tuple(
        tensor(name, dtype, tuple(shape))
        for pattern, dtype, shape, indices in _content()["headers"][number]
        for name in _names(pattern, indices)
    )


def _names(pattern: str, indices: list[Any]) -> Iterator[str]:
    if indices and indices[0] == "each":
        found = indices[1:]
    else:
        ranges = ([n for a, b in runs for n in range(a, b + 1)] for runs in indices)
        found = list(product(*ranges))
    template = pattern.replace("*", "{}")
    return (template.format(*each) for each in found)


def checkpoint(model: Published) -> Checkpoint:
    """The whole model in one file a component."""
    folders = {
        f"{folder}/w.safetensors" if folder else "w.safetensors": folder for folder in model.headers
    }
    components = {path: folder for path, folder in folders.items() if folder}
    grown = Checkpoint.expecting(
        folders, "safetensors", model.config, model.hf_quant_config, components
    )
    for path, folder in folders.items():
        header = Header("safetensors", unfold(model.headers[folder]))
        grown = grown.with_shard(Shard(path, 0, header))
    return grown


def small(tensors: Mapping[str, tuple[str, tuple[int, ...]]], config: dict[str, Any]) -> Checkpoint:
    """A checkpoint of one file from ``{name: (dtype, shape)}``."""
    header = Header("safetensors", tuple(tensor(n, d, s) for n, (d, s) in tensors.items()))
    empty = Checkpoint.expecting(["model.safetensors"], "safetensors", config)
    return empty.with_shard(Shard("model.safetensors", 0, header))
