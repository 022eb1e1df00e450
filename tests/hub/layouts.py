"""Tensors of common architectures, and how safetensors lays them out in a file."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

from tests.hub.contents import ZeroFilled

BITS = {"F64": 64, "I64": 64, "F32": 32, "I32": 32, "BF16": 16, "F16": 16, "I16": 16, "F8_E4M3": 8}
BITS |= {"F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8, "F4": 4}


class Weight(NamedTuple):
    """A tensor to be written."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of its data."""
        return prod(self.shape) * BITS[self.dtype] // 8


def header_bytes(
    weights: Iterable[Weight], metadata: dict[str, str] | None = None
) -> tuple[bytes, int]:
    """Length, JSON and padding as the ``safetensors`` library writes them, and the size of the data."""
    entries: dict[str, object] = {
        "__metadata__": metadata if metadata is not None else {"format": "pt"}
    }
    at = 0
    for weight in sorted(weights, key=lambda w: (-BITS[w.dtype], w.name)):
        offsets = [at, at + weight.size_bytes]
        entries[weight.name] = {
            "dtype": weight.dtype,
            "shape": weight.shape,
            "data_offsets": offsets,
        }
        at = offsets[1]
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, at


def safetensors(weights: Iterable[Weight], metadata: dict[str, str] | None = None) -> ZeroFilled:
    """A whole file, its tensors all zeros."""
    beginning, data = header_bytes(weights, metadata)
    return ZeroFilled(beginning, len(beginning) + data)


def split(weights: Sequence[Weight], shards: int) -> list[list[Weight]]:
    """The tensors in so many runs of about equal number, order kept."""
    bounds = [len(weights) * i // shards for i in range(shards + 1)]
    return [list(weights[a:b]) for a, b in pairwise(bounds)]


def llama(
    *,
    layers: int,
    hidden: int,
    intermediate: int,
    vocabulary: int,
    heads: int,
    kv_heads: int,
    tied: bool = False,
    dtype: str = "BF16",
) -> Iterator[Weight]:
    """Tensors of a Llama of the ``transformers`` naming, in module order."""
    kv = hidden // heads * kv_heads
    yield Weight("model.embed_tokens.weight", dtype, (vocabulary, hidden))
    for layer in range(layers):
        at = f"model.layers.{layer}"
        yield from _attention(at, hidden, hidden, kv, dtype)
        yield from _mlp(f"{at}.mlp", hidden, intermediate, dtype)
        yield Weight(f"{at}.input_layernorm.weight", dtype, (hidden,))
        yield Weight(f"{at}.post_attention_layernorm.weight", dtype, (hidden,))
    yield Weight("model.norm.weight", dtype, (hidden,))
    if not tied:
        yield Weight("lm_head.weight", dtype, (vocabulary, hidden))


def mixture(
    *,
    layers: int,
    hidden: int,
    expert_intermediate: int,
    experts: int,
    vocabulary: int,
    heads: int,
    kv_heads: int,
    head_size: int,
    dtype: str = "BF16",
) -> Iterator[Weight]:
    """Tensors of a Qwen3 mixture of experts, in module order."""
    yield Weight("model.embed_tokens.weight", dtype, (vocabulary, hidden))
    for layer in range(layers):
        at = f"model.layers.{layer}"
        yield from _attention(at, hidden, heads * head_size, kv_heads * head_size, dtype)
        yield Weight(f"{at}.self_attn.q_norm.weight", dtype, (head_size,))
        yield Weight(f"{at}.self_attn.k_norm.weight", dtype, (head_size,))
        yield Weight(f"{at}.mlp.gate.weight", dtype, (experts, hidden))
        for expert in range(experts):
            yield from _mlp(f"{at}.mlp.experts.{expert}", hidden, expert_intermediate, dtype)
        yield Weight(f"{at}.input_layernorm.weight", dtype, (hidden,))
        yield Weight(f"{at}.post_attention_layernorm.weight", dtype, (hidden,))
    yield Weight("model.norm.weight", dtype, (hidden,))
    yield Weight("lm_head.weight", dtype, (vocabulary, hidden))


def _attention(at: str, hidden: int, queries: int, kv: int, dtype: str) -> Iterator[Weight]:
    yield Weight(f"{at}.self_attn.q_proj.weight", dtype, (queries, hidden))
    yield Weight(f"{at}.self_attn.k_proj.weight", dtype, (kv, hidden))
    yield Weight(f"{at}.self_attn.v_proj.weight", dtype, (kv, hidden))
    yield Weight(f"{at}.self_attn.o_proj.weight", dtype, (hidden, queries))


def _mlp(at: str, hidden: int, intermediate: int, dtype: str) -> Iterator[Weight]:
    yield Weight(f"{at}.gate_proj.weight", dtype, (intermediate, hidden))
    yield Weight(f"{at}.up_proj.weight", dtype, (intermediate, hidden))
    yield Weight(f"{at}.down_proj.weight", dtype, (hidden, intermediate))
