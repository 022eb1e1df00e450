"""How many bytes a checkpoint takes in another quantization, tensor by tensor.

GGUF file types follow llama.cpp's own mixing rules (``quantize_rules``) over the tensors its
converter makes (``conversion``), so that ``Q4_K_M`` has the size of a published file and not that
of 4.5 bits a weight.
"""

from collections import Counter
from collections.abc import Iterable

from explorer.fit.architecture import Architecture, Mixer
from explorer.fit.conversion import Row, rows_of
from explorer.fit.quantize_rules import (
    LayerShape,
    LayerTypes,
    Traits,
    category,
    embedding_type,
    fitted,
    head_type,
    known,
    layer_types,
    quantizes,
)
from explorer.fit.roles import Section
from explorer.fit.weight_map import BlockWeights, WeightMap
from explorer.weights.tensors import Tensor

_EMBEDDINGS = ("token_embd", "per_layer_token_embd")
_VALUES = ("attn_v", "attn_qkv", "attn_kv_b")


def traits_of(architecture: Architecture, *, imatrix: bool = False) -> Traits:
    """What llama.cpp's rules ask about a model."""
    gqa = _heads_a_kv_head(architecture)
    experts = max((layer.experts for layer, _ in architecture.groups), default=0)
    big = len(architecture.layers) == 80 and gqa > 1 and architecture.model_type in _SEVENTY
    falcon = architecture.model_type in ("falcon", "RefinedWeb", "RefinedWebModel")
    return Traits(gqa, experts, big, falcon, imatrix)


def _heads_a_kv_head(architecture: Architecture) -> int:
    """``n_gqa`` of the first layer.

    The metadata of models with gated delta nets have one count for all layers, so that layers without
    attention have it too; those of other hybrids have zeros there.
    """
    first = next(
        (layer for layer in architecture.layers if layer.mixer is not Mixer.GATED_DELTA), None
    )
    return first.heads // first.kv_heads if first and first.kv_heads else 0


_SEVENTY = ("llama", "qwen2", "deci")


def quantized_rows(
    rows: Iterable[Row], architecture: Architecture, file_type: str, *, imatrix: bool = False
) -> list[tuple[Row, str]]:
    """Each tensor of the GGUF with the type that llama-quantize gives it in this file type."""
    rows = tuple(rows)
    traits = traits_of(architecture, imatrix=imatrix)
    tied = not any(row.role == "output" for row in rows)
    types = layer_types(file_type, _layout(rows, len(architecture.layers)), traits)
    return [(row, _type(row, types, file_type, traits, tied=tied)) for row in rows]


def _type(
    row: Row, types: tuple[LayerTypes, ...], file_type: str, traits: Traits, *, tied: bool
) -> str:
    # a vision tower goes to a file of its own, at 16 bits; MXFP4 experts stay what they are
    kept = row.section in (Section.VISION, Section.AUDIO) or row.dtype == "MXFP4"
    if kept or not quantizes(row.role, row.kind, row.dimensions):
        return row.dtype
    if row.role == "output" or (tied and row.role in _EMBEDDINGS):
        return fitted(head_type(file_type, traits, row.columns), row.columns)
    if row.role in _EMBEDDINGS:
        return fitted(embedding_type(file_type), row.columns)
    return fitted(_block_type(row, types, file_type, traits), row.columns)


def _block_type(row: Row, types: tuple[LayerTypes, ...], file_type: str, traits: Traits) -> str:
    if row.layer is None or not types:
        return layer_types(file_type, (LayerShape(),), traits)[0].other
    chosen = types[min(row.layer, len(types) - 1)]
    if chosen.stacked and row.dimensions > 2:
        return chosen.stacked
    dtype: str = getattr(chosen, category(row.role))
    return dtype


def _layout(rows: tuple[Row, ...], layers: int) -> tuple[LayerShape, ...]:
    """What the rules count, by layer; layers of multi-token prediction follow the model's."""
    values: Counter[int] = Counter()
    ups: Counter[int] = Counter()
    downs: Counter[int] = Counter()
    last = layers - 1
    for row in rows:
        if row.layer is None or row.kind != "weight" or row.section not in _COUNTED:
            continue
        last = max(last, row.layer)
        values[row.layer] += row.role in _VALUES
        ups[row.layer] += row.role.startswith("ffn_up")
        downs[row.layer] += row.role.startswith("ffn_down")
    return tuple(
        LayerShape(bool(values[number]), ups[number], downs[number]) for number in range(last + 1)
    )


_COUNTED = (Section.TEXT, Section.ENCODER, Section.MTP)


def plan(
    tensors: Iterable[Tensor], architecture: Architecture, file_type: str, *, imatrix: bool = False
) -> WeightMap:
    """The weight map of a 16-bit checkpoint quantized to a GGUF file type.

    ``file_type`` is a name of ``quantize_rules.DEFAULTS``; KeyError for others. Vision towers stay
    at 16 bits, as in the separate projector file. Source: llama-quant.cpp of llama.cpp v0.5.0.
    """
    return plan_rows(rows_of(tensors, architecture), architecture, file_type, imatrix=imatrix)


def plan_rows(
    rows: Iterable[Row], architecture: Architecture, file_type: str, *, imatrix: bool = False
) -> WeightMap:
    """As ``plan``, for rows that were made before: several file types share them."""
    layers = len(architecture.layers)
    ends: Counter[str] = Counter()
    dense, experts = [0] * layers, [0] * layers
    for row, dtype in quantized_rows(rows, architecture, file_type, imatrix=imatrix):
        size = row_bytes(row, dtype)
        if row.section in (Section.VISION, Section.AUDIO):
            ends["vision"] += size
        elif row.section is Section.MTP or (row.layer is not None and row.layer >= layers):
            ends["mtp"] += size
        elif row.layer is None:
            ends[_END.get(row.role, "other")] += size
        elif row.role.endswith("_exps"):
            experts[row.layer] += size
        else:
            dense[row.layer] += size
    return WeightMap(
        quantization=file_type,
        blocks=tuple(map(BlockWeights, dense, experts)),
        input_bytes=ends["input"],
        output_bytes=ends["output"],
        other_bytes=ends["other"],
        vision_bytes=ends["vision"],
        mtp_bytes=ends["mtp"],
    )


_END = {"token_embd": "input", "per_layer_token_embd": "input", "output": "output"}


def row_bytes(row: Row, dtype: str) -> int:
    """Bytes of a tensor in a type: whole blocks a row."""
    return row.rows * known(dtype).size_bytes(row.columns)


def size_bytes(
    tensors: Iterable[Tensor], architecture: Architecture, file_type: str, *, imatrix: bool = False
) -> int:
    """Bytes of the tensors of the quantized model, its vision tower left out: the main GGUF's data."""
    mapped = plan(tensors, architecture, file_type, imatrix=imatrix)
    return mapped.total_bytes - mapped.vision_bytes
