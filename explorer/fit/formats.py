"""Sizes of a 16-bit checkpoint in the packed formats of vLLM, transformers and MLX.

What each tool leaves at 16 bits is as the tool does it: GPTQ, AWQ, FP8, bitsandbytes and NVFP4 quantize
the linear layers of the blocks and keep embeddings, head, norms and routers; MLX quantizes embeddings
and head as well.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from explorer.fit.architecture import Architecture
from explorer.fit.quantize_rules import quantizes
from explorer.fit.roles import Part, Section, place
from explorer.fit.synthesis import block_sizes, needed_of, parameters_of
from explorer.fit.weight_map import (
    MTP_COPIES,
    BlockWeights,
    WeightMap,
    is_keys_values,
    is_replicated,
)
from explorer.weights.tensors import Tensor


@dataclass(frozen=True, slots=True)
class Format:
    """One packed format and what a weight takes in it."""

    name: str
    weight_bytes: Callable[[int, int], float]
    """Bytes of a weight of so many columns (inputs) and rows (outputs)."""
    quantizes_ends: bool = False
    """Embeddings and head too."""


def _grouped(bits: int, group: int, zero_bits: int, *, index: bool = False) -> Callable[..., float]:
    """Integers with a 16-bit scale and a zero point a group; GPTQ adds an index of 4 bytes a column."""

    def size(columns: int, rows: int) -> float:
        groups = -(-columns // group)
        packed = rows * columns * bits / 8
        return packed + rows * groups * (2 + zero_bits / 8) + (4 * columns if index else 0)

    return size


def _fp8_blocks(columns: int, rows: int) -> float:
    """A byte a weight, and a 32-bit scale for each 128 x 128."""
    return columns * rows + 4 * (-(-columns // 128) * -(-rows // 128))


def _nf4(columns: int, rows: int) -> float:
    """Half a byte, and a quantized scale for each 64 with its own scale for each 256 of those."""
    return columns * rows * (0.5 + (1 + 4 / 256) / 64)


def _scaled_fp4(group: int, more: int) -> Callable[[int, int], float]:
    """Half a byte, a byte for each group, and what a tensor has besides."""
    return lambda columns, rows: columns * rows * (0.5 + 1 / group) + more


def _plain(columns: int, rows: int) -> float:
    return 2.0 * columns * rows


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        form.name: form
        for form in (
            Format("BF16", _plain),
            Format("FP8", _fp8_blocks),
            Format("GPTQ-Int8", _grouped(8, 128, 8, index=True)),
            Format("GPTQ-Int4", _grouped(4, 128, 4, index=True)),
            Format("AWQ", _grouped(4, 128, 4)),
            Format("NF4", _nf4),
            Format("NVFP4", _scaled_fp4(16, 8)),
            Format("MXFP4", _scaled_fp4(32, 0)),
            Format("MLX-8bit", _grouped(8, 64, 16), quantizes_ends=True),
            Format("MLX-6bit", _grouped(6, 64, 16), quantizes_ends=True),
            Format("MLX-4bit", _grouped(4, 64, 16), quantizes_ends=True),
        )
    }
)
"""By the name the scenario uses. Group sizes are the tools' defaults: 128, and 64 for MLX."""


def plan_format(tensors: Iterable[Tensor], architecture: Architecture, name: str) -> WeightMap:
    """The weight map of a 16-bit checkpoint in a packed format; KeyError for names not in ``FORMATS``."""
    form = FORMATS[name]
    layers = len(architecture.layers)
    ends: defaultdict[str, float] = defaultdict(float)
    dense, experts, replicated, shared = ([0.0] * layers for _ in range(4))
    for tensor in tensors:
        part, layer = place(tensor.name)
        if part.role == "buffer" or (part.role == "output" and architecture.tied_embeddings):
            continue
        size = _stored(tensor, part, layer, form)
        if part.section in (Section.VISION, Section.AUDIO):
            ends["vision"] += size
        elif part.section is Section.MTP or (layer is not None and layer >= layers):
            ends["mtp"] += size
            if part.role in MTP_COPIES:
                ends["mtp copies"] += size
        elif layer is None:
            ends[_ENDS.get(part.role, "other")] += size
        elif part.routed:
            experts[layer] += size
        else:
            dense[layer] += size
            if is_replicated(part):
                replicated[layer] += size
            elif is_keys_values(part):
                shared[layer] += size
    blocks = (
        BlockWeights(*map(round, sizes))
        for sizes in zip(dense, experts, replicated, shared, strict=True)
    )
    return WeightMap(
        quantization=name,
        blocks=tuple(blocks),
        input_bytes=round(ends["input"]),
        output_bytes=round(ends["output"]),
        other_bytes=round(ends["other"]),
        vision_bytes=round(ends["vision"]),
        mtp_bytes=round(ends["mtp"]),
        mtp_copied_bytes=round(ends["mtp copies"]),
    )


_ENDS = {"token_embd": "input", "per_layer_token_embd": "input", "output": "output"}


def _stored(tensor: Tensor, part: Part, layer: int | None, form: Format) -> float:
    """Bytes of a tensor in the format: what it does not touch stays at 16 bits."""
    elements = prod(tensor.shape)
    in_block = layer is not None and part.section in (Section.TEXT, Section.ENCODER, Section.MTP)
    taken = in_block or (form.quantizes_ends and part.role in _ENDS)
    dimensions = len(tensor.shape)
    if not taken or not quantizes(part.role, part.kind, dimensions) or part.role.endswith("conv"):
        return 2.0 * elements
    columns = tensor.shape[-1]
    matrices = prod(tensor.shape[:-2])
    return matrices * form.weight_bytes(columns, tensor.shape[-2])


def format_from_architecture(
    architecture: Architecture, name: str, parameters: int | None = None
) -> WeightMap:
    """As ``plan_format`` from the shape alone, for listings; ``parameters`` is the published count."""
    form = FORMATS[name]
    hidden, model_type = architecture.hidden, architecture.model_type
    shaped = parameters_of(architecture)
    sizes = {
        id(layer): block_sizes(layer, hidden, model_type, form.weight_bytes)
        for layer, _ in architecture.groups
    }
    by_value = {layer: sizes[id(layer)] for layer, _ in architecture.groups}
    table = architecture.vocabulary * hidden
    end = form.weight_bytes(hidden, architecture.vocabulary) if form.quantizes_ends else 2.0 * table
    tied = architecture.tied_embeddings or architecture.kind == "encoder"
    rest = max(needed_of(architecture, parameters) - shaped, 0) if parameters else 0
    # what a known shape leaves over is a tower at 16 bits; what a supposed one does, more of the same
    over = form.weight_bytes(hidden, rest // hidden) if architecture.supposed else 2.0 * rest
    return WeightMap(
        quantization=name,
        blocks=tuple(sizes.get(id(layer)) or by_value[layer] for layer in architecture.layers),
        input_bytes=round(end),
        output_bytes=0 if tied else round(end),
        other_bytes=2 * hidden + round(over),
    )
