"""The tensors a GGUF of a checkpoint has: what ``convert_hf_to_gguf.py`` makes of its names and shapes.

Experts are stacked into one tensor a layer, fused gates are split, MLA's ``kv_b`` is split into keys
and values, causal masks and scales are dropped, and a head that is the embedding table again is not
written. Tensors of a GGUF pass through as they are.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple, TypeAlias

from explorer.fit.architecture import Architecture
from explorer.fit.quantize_rules import quantizes
from explorer.fit.roles import Part, Section, place
from explorer.weights.dtypes import lookup
from explorer.weights.tensors import Tensor

_PACKED_KINDS = {"qweight", "weight_packed", "absmax", "quant_map"}
_SIDE_KINDS = {
    "weight_scale", "weight_scale_inv", "weight_scale_2", "weight_global_scale", "weight_shape",
    "weight_zero_point", "input_scale", "input_global_scale", "k_scale", "v_scale",
}  # fmt: skip
_DROPS_MTP = {"deepseek_v3", "deepseek_v32", "deepseek_v2", "qwen3_next"}


class Row(NamedTuple):
    """One tensor of the GGUF to be, before quantization."""

    role: str
    section: Section
    layer: int | None
    kind: str
    columns: int
    """Elements a row: what must fill whole blocks."""
    rows: int
    """Rows over all other dimensions, experts included."""
    dimensions: int
    dtype: str
    """F32, F16, or MXFP4 where the checkpoint has it already."""


_Key: TypeAlias = tuple[str, Section, int | None, str]


def convertible(tensors: Iterable[Tensor]) -> bool:
    """Whether the checkpoint holds weights that can be quantized further.

    Not so when they were packed by GPTQ, AWQ, compressed-tensors or bitsandbytes. gpt-oss counts: its
    MXFP4 experts are kept as they are.
    """
    for tensor in tensors:
        kind = place(tensor.name).part.kind
        if kind in _PACKED_KINDS or (kind == "weight" and tensor.dtype in ("U8", "I32", "U32")):
            return False
        if tensor.dtype != "BF16" and _is_quantized(tensor.dtype):
            return False
    return True


@lru_cache(maxsize=64)
def _is_quantized(dtype: str) -> bool:
    known = lookup(dtype)
    return known is not None and known.kind == "quantized"


def published_bits(tensors: Iterable[Tensor]) -> int:
    """Bits a weight the checkpoint was published at, 16 or 8: no plan above that adds anything.

    8 where most of the bytes are FP8, as in DeepSeek-V3.
    """
    sizes: Counter[bool] = Counter()
    for tensor in tensors:
        sizes[tensor.dtype.startswith("F8_")] += tensor.size_bytes
    return 8 if sizes[True] > sizes[False] else 16


def rows_of(tensors: Iterable[Tensor], architecture: Architecture) -> tuple[Row, ...]:
    """The tensors of the GGUF, before quantization, in llama.cpp's order: by layer, then by name."""
    merged: dict[_Key, Row] = {}
    more: Counter[_Key] = Counter()  # rows of the experts after the first
    queries: dict[int | None, int] = {}
    latents: dict[int | None, int] = {}
    for tensor in tensors:
        part, layer = place(tensor.name)
        if part.expert and part.kind == "weight":
            stack = (part.role, part.section, layer, part.kind)
            if stack in merged and len(tensor.shape) == 2 and not _is_fused(tensor.name):
                more[stack] += tensor.shape[0]
                continue
        if _is_dropped(part, layer, architecture):
            continue
        if part.role in ("attn_q", "attn_q_b") and part.kind == "weight":
            queries[layer] = prod(tensor.shape[:-1])
        elif part.role == "attn_kv_a_mqa" and part.kind == "weight":
            latents[layer] = prod(tensor.shape[:-1])
        for row in _rows(tensor, part, layer, architecture):
            key = (row.role or tensor.name, row.section, layer, row.kind)
            before = merged.get(key)
            merged[key] = row._replace(rows=before.rows + row.rows) if before else row
    for key, rest in more.items():
        merged[key] = merged[key]._replace(rows=merged[key].rows + rest)
    rows = _split_latents(merged.values(), queries, latents, architecture)
    return tuple(sorted(rows, key=lambda row: (-1 if row.layer is None else row.layer, row.role)))


def _is_dropped(part: Part, layer: int | None, architecture: Architecture) -> bool:
    if part.role == "buffer" or part.kind in _SIDE_KINDS:
        return True
    if part.kind == "scales" and part.role.endswith("_exps"):  # MXFP4's, counted with the blocks
        return True
    if part.role == "output" and architecture.tied_embeddings:
        return True
    beyond = layer is not None and layer >= len(architecture.layers)
    text = part.section in (Section.TEXT, Section.MTP)
    mtp = part.section is Section.MTP or (text and beyond)
    return mtp and architecture.model_type in _DROPS_MTP


def _rows(
    tensor: Tensor, part: Part, layer: int | None, architecture: Architecture
) -> Sequence[Row]:
    """What one tensor of the checkpoint becomes, experts still apart."""
    role, kind = part.role, part.kind
    columns, dtype = tensor.shape[-1] if tensor.shape else 1, "F16"
    rows = prod(tensor.shape[:-1])
    dimensions = _dimensions(tensor.shape) + (part.expert is not None)
    if kind == "blocks":  # gpt-oss: [experts, rows, blocks, 16 bytes of two values]
        columns, dtype, kind = prod(tensor.shape[-2:]) * 2, "MXFP4", "weight"
        rows, dimensions = prod(tensor.shape[:-2]), 3
    elif tensor.dtype in ("MXFP4", "NVFP4"):
        dtype = tensor.dtype
    elif part.routed and len(tensor.shape) == 3 and kind == "weight":
        columns = _expert_columns(role, tensor.shape, architecture.hidden)
        rows = prod(tensor.shape) // max(columns, 1)
    elif architecture.model_type == "gpt2" and len(tensor.shape) == 2 and layer is not None:
        columns, rows = rows, columns  # Conv1D stores its weight the other way round
    if dtype == "F16" and not quantizes(role, kind, dimensions):
        dtype = "F32"
    row = Row(role, part.section, layer, kind, columns, rows, dimensions, dtype)
    if role in ("ffn_up_exps", "ffn_up_shexp") and _is_fused(tensor.name):
        half = row._replace(rows=rows // 2) if rows > 1 else row._replace(columns=columns // 2)
        return (half, half._replace(role=role.replace("up", "gate")))
    if role == "ssm_in" and "in_proj_qkvz" in tensor.name:
        return _split_gate(row, architecture)
    return (row,)


def _split_gate(row: Row, architecture: Architecture) -> tuple[Row, ...]:
    """A gated delta net's input as ``attn_qkv``, which is convolved, and ``attn_gate``."""
    layers = architecture.layers
    inside = row.layer is not None and row.layer < len(layers)
    convolved = layers[row.layer].conv_channels if row.layer is not None and inside else 0
    if not 0 < convolved < row.rows:
        return (row,)
    gate = row._replace(role="attn_gate", rows=row.rows - convolved)
    return (row._replace(role="attn_qkv", rows=convolved), gate)


def _dimensions(shape: tuple[int, ...]) -> int:
    """As ggml counts them: outer dimensions of one are none."""
    outer = 0
    while outer < len(shape) - 1 and shape[outer] == 1:
        outer += 1
    return len(shape) - outer


def _is_fused(name: str) -> bool:
    return "gate_up_proj" in name or name.endswith("input_linear.weight")


def _expert_columns(role: str, shape: tuple[int, ...], hidden: int) -> int:
    """Columns of stacked experts, which some checkpoints store transposed."""
    if role == "ffn_down_exps":
        return shape[-2] if shape[-1] == hidden and shape[-2] != hidden else shape[-1]
    return hidden if hidden in shape[-2:] else shape[-1]


def _split_latents(
    rows: Iterable[Row],
    queries: dict[int | None, int],
    latents: dict[int | None, int],
    architecture: Architecture,
) -> list[Row]:
    """``attn_kv_b`` as ``attn_k_b`` (transposed) and ``attn_v_b``, by the heads' own widths."""
    out: list[Row] = []
    for row in rows:
        heads = _heads(architecture, row.layer)
        query, latent = queries.get(row.layer), latents.get(row.layer)
        if row.role != "attn_kv_b" or not heads or query is None or latent is None:
            out.append(row)
            continue
        rope = latent - row.columns
        nope = query // heads - rope
        value = row.rows // heads - nope
        out.append(
            row._replace(role="attn_k_b", columns=nope, rows=heads * row.columns, dimensions=3)
        )
        out.append(row._replace(role="attn_v_b", rows=heads * value, dimensions=3))
    return out


def _heads(architecture: Architecture, layer: int | None) -> int:
    if layer is None or not architecture.layers:
        return 0
    return architecture.layers[min(layer, len(architecture.layers) - 1)].heads
