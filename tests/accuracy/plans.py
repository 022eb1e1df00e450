"""llama.cpp's own plans and the models they are of, as kept under ``data``."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from explorer.fit.architecture import Architecture
from explorer.fit.gguf_metadata import from_gguf
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.quantize import plan
from explorer.fit.quantize_rules import known
from explorer.fit.weight_map import WeightMap, from_tensors
from explorer.weights.tensors import Tensor

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One answer of llama.cpp."""

    model: str
    device: str
    profile: str
    settings: Settings
    gpu_layers: int
    kv_bytes: int
    state_bytes: int
    compute: dict[str, int]
    """Compute buffer by buffer type."""
    weights: dict[str, int]
    """Model buffer by buffer type."""

    @property
    def whole_on_one(self) -> bool:
        """Everything on one CUDA device."""
        return self.device.startswith("1 CUDA") and self.gpu_layers == 999 and self.profile in {
            "cli", "server",
        }  # fmt: skip


def description(model: str) -> dict[str, Any]:
    """``metadata`` and ``tensors`` of a model that was asked about."""
    with gzip.open(DATA / "llama_cpp" / f"{model}.json.gz", "rt") as file:
        loaded: dict[str, Any] = json.load(file)
    return loaded


def models() -> tuple[str, ...]:
    """Names of the models that were asked about."""
    return tuple(
        sorted(
            path.name.removesuffix(".json.gz") for path in (DATA / "llama_cpp").glob("*.json.gz")
        )
    )


@cache
def architecture(model: str) -> Architecture:
    """A model's architecture, from its GGUF metadata."""
    return described(description(model)["metadata"])


def described(metadata: dict[str, Any]) -> Architecture:
    """The architecture of GGUF metadata that was kept as JSON."""
    return from_gguf(
        {key: tuple(value) if isinstance(value, list) else value for key, value in metadata.items()}
    )


def as_stored(description: dict[str, Any]) -> WeightMap:
    """The weights of a description in the types it names."""
    tensors = []
    for name, dtype, shape in description["tensors"]:
        rows = prod(shape[1:])
        size = rows * known(dtype).size_bytes(shape[0])
        tensors.append(Tensor(name, dtype, tuple(reversed(shape)), 0, size))
    layers = len(described(description["metadata"]).layers)
    return from_tensors(tensors, "F16", layers)


@cache
def weights(model: str) -> WeightMap:
    """A model's weights in the quantization that was asked about."""
    tensors = [
        Tensor(name, dtype, tuple(reversed(shape)), 0, 0)
        for name, dtype, shape in description(model)["tensors"]
    ]
    file_type = "MXFP4_MOE" if model == "gpt-oss-20b" else "Q4_K_M"
    return plan(tensors, architecture(model), file_type)


def plan_rows() -> Iterator[PlanRow]:
    """All answers."""
    with gzip.open(DATA / "llama_cpp" / "plan.jsonl.gz", "rt") as file:
        for line in file:
            yield _row(json.loads(line))


def _row(row: dict[str, Any]) -> PlanRow:
    asked = row["settings"]
    settings = Settings(
        n_ctx=asked["n_ctx"],
        sequences=asked["n_seq_max"],
        n_ubatch=asked["n_ubatch"],
        flash_attention=asked["flash_attn"] == "on",
        type_k=asked["type_k"],
        type_v=asked["type_v"],
        unified=asked["kv_unified"],
        n_outputs=row["effective"]["n_outputs_max"],
    )
    buffers = row["bytes"]["by_buft"]
    return PlanRow(
        model=row["model"],
        device=row["device"],
        profile=row["profile"],
        settings=settings,
        gpu_layers=asked["n_gpu_layers"],
        kv_bytes=row["bytes"]["kv_attn"],
        state_bytes=row["bytes"]["rs"],
        compute={name: parts["compute"] for name, parts in buffers.items()},
        weights={name: parts["model"] for name, parts in buffers.items()},
    )
