"""Small real GGUF files, written by the format's description (version 3, little endian)."""

import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeAlias

from tests.hub.contents import ZeroFilled
from tests.hub.layouts import Weight

Value: TypeAlias = int | float | bool | str | Sequence[str]

_ALIGNMENT = 32
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 6, 7, 8, 9

_TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34)}
_TYPES |= {"Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210), "BF16": (30, 1, 2)}
"""Number of each type in ggml.h, elements and bytes of a block."""


def gguf(metadata: Mapping[str, Value], weights: Sequence[Weight]) -> ZeroFilled:
    """A whole file, its tensors all zeros. Shapes are given outermost first, as everywhere here."""
    infos, end = [], 0
    for weight in weights:
        number, elements, size = _TYPES[weight.dtype]
        dims = tuple(reversed(weight.shape))
        infos.append(
            _text(weight.name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, number, end)
        )
        end += _aligned(prod(dims) // elements * size)
    pairs = [_text(key) + _value(value) for key, value in metadata.items()]
    header = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(pairs)) + b"".join(pairs + infos)
    header = header.ljust(_aligned(len(header)), b"\0")
    return ZeroFilled(header, len(header) + end)


def llama_gguf(
    *,
    layers: int = 2,
    hidden: int = 256,
    intermediate: int = 512,
    vocabulary: int = 512,
    heads: int = 4,
    kv_heads: int = 2,
    context: int = 8192,
    dtype: str = "Q4_K",
) -> ZeroFilled:
    """A Llama as llama.cpp's converter names it, its vocabulary included."""
    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": "Llama Tiny",
        "general.file_type": 15,
        "llama.block_count": layers,
        "llama.context_length": context,
        "llama.embedding_length": hidden,
        "llama.feed_forward_length": intermediate,
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": kv_heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 500000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": [f"token{i}" for i in range(vocabulary)],
        "tokenizer.ggml.add_bos_token": True,
    }
    kv = hidden // heads * kv_heads
    weights = [Weight("token_embd.weight", dtype, (vocabulary, hidden))]
    for layer in range(layers):
        shapes = {
            "attn_q": (hidden, hidden),
            "attn_k": (kv, hidden),
            "attn_v": (kv, hidden),
            "attn_output": (hidden, hidden),
            "ffn_gate": (intermediate, hidden),
            "ffn_up": (intermediate, hidden),
            "ffn_down": (hidden, intermediate),
        }
        weights += [Weight(f"blk.{layer}.{n}.weight", dtype, shape) for n, shape in shapes.items()]
        weights += [
            Weight(f"blk.{layer}.{n}.weight", "F32", (hidden,)) for n in ("attn_norm", "ffn_norm")
        ]
    weights.append(Weight("output_norm.weight", "F32", (hidden,)))
    weights.append(Weight("output.weight", "Q6_K", (vocabulary, hidden)))
    return gguf(metadata, weights)


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(map(_text, value))


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
