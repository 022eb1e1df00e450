"""Published checkpoints and llama.cpp's own tensor lists, as the tests read them."""

import gzip
import json
import lzma
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from explorer.fit.architecture import Architecture
from explorer.fit.config import from_config
from explorer.weights.dtypes import lookup
from explorer.weights.tensors import MetadataValue, Tensor

DATA = Path(__file__).parent / "data"
LLAMA_CPP = Path(__file__).parents[1] / "accuracy" / "data" / "llama_cpp"


@cache
def _all() -> dict[str, dict[str, Any]]:
    raw = lzma.decompress((DATA / "checkpoints.json.xz").read_bytes())
    found: dict[str, dict[str, Any]] = json.loads(raw)
    return found


@cache
def quantized_sizes() -> dict[str, dict[str, dict[str, Any]]]:
    """What llama-quantize makes: model -> file type -> bytes and type counts."""
    sizes: dict[str, dict[str, dict[str, Any]]] = json.loads(
        (DATA / "quantized_sizes.json").read_text(encoding="utf-8")
    )["sizes"]
    return sizes


@cache
def dry_run_sizes() -> dict[str, dict[str, float]]:
    """What a dry run of llama-quantize printed: model -> file type -> MiB."""
    sizes: dict[str, dict[str, float]] = json.loads(
        (DATA / "dry_run_sizes.json").read_text(encoding="utf-8")
    )["sizes"]
    return sizes


def names() -> list[str]:
    return list(_all())


@cache
def checkpoint(name: str) -> tuple[tuple[Tensor, ...], Architecture]:
    """Tensors and architecture of a published checkpoint."""
    entry = _all()[name]
    return tuple(
        _tensor(tensor, dtype, tuple(shape)) for tensor, (dtype, shape) in entry["tensors"].items()
    ), from_config(entry["config"])


def gguf(name: str) -> tuple[tuple[Tensor, ...], dict[str, MetadataValue]]:
    """Tensors and metadata of the 16-bit GGUF that llama-quantize was asked about."""
    with gzip.open(LLAMA_CPP / f"{name}.json.gz") as file:
        model = json.load(file)
    tensors = (_tensor(n, dtype, tuple(reversed(shape))) for n, dtype, shape in model["tensors"])
    metadata = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in model["metadata"].items()
    }
    return tuple(tensors), metadata


def _tensor(name: str, dtype: str, shape: tuple[int, ...]) -> Tensor:
    known = lookup(dtype)
    assert known is not None, dtype
    return Tensor(name, dtype, shape, 0, known.size_bytes(prod(shape)))
