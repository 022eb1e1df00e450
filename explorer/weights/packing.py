"""What a stored tensor stands for once its container is unpacked.

A quantized checkpoint stores several weights in one integer, and beside them scales, zero points and
permutations that are no parameters of the model. The rules here follow the writers' own code, a
function each; where the hub's JavaScript client (@huggingface/hub 2.17, which fills the hub's total)
has the same rule the count agrees, and ``explorer.weights.counts`` names the known differences.

Two conventions are the hub's: a tensor without dimensions is no parameter, and a buffer that is
stored (position ids, causal masks) is counted.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from math import prod
from typing import NamedTuple, TypeAlias

from explorer.weights.components import Part, part_of
from explorer.weights.dtypes import lookup
from explorer.weights.quantization import ModuleGroup, Quantization


class Role(StrEnum):
    """What a tensor is for."""

    WEIGHT = "weight"
    SCALE = "scale"
    ZERO_POINT = "zero_point"
    INDEX = "index"
    """Permutations and recorded shapes."""
    STATE = "state"
    """Lookup tables and serialized settings of a quantizer."""
    BUFFER = "buffer"
    """Stored constants of the model: position ids, masks, routing tables. Counted, as the hub does."""
    SCALAR = "scalar"
    """No dimensions; not counted, as the hub does."""
    SHARED = "shared"
    """The very bytes of another tensor of a torch file, which is where they count."""


class Unpacked(NamedTuple):
    """A tensor's logical meaning."""

    parameters: int
    """Logical; 0 for everything that only serves a quantizer."""
    shape: tuple[int, ...] | None
    """Logical, rows before columns; None where the file does not tell."""
    role: Role
    quantized: bool = False
    """A weight below 16 bits."""


Siblings: TypeAlias = Callable[[str], str | None]
"""Stored dtype of another tensor of the same file, by name; None if it is not there."""

Shape: TypeAlias = tuple[int, ...]


class _Stored(NamedTuple):
    """A tensor as a rule sees it."""

    name: str
    suffix: str
    """Last step of the name."""
    dtype: str
    shape: Shape
    quantization: Quantization


_Rule: TypeAlias = Callable[[_Stored], Unpacked | None]

CONTAINER_BITS = {"U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32}
_EXPONENTS = frozenset({"F8_E8M0", "E8M0", "UE8"})
_SCALES = (
    "weight_scale",
    "weight_scale_inv",
    "weight_scale_2",
    "weight_global_scale",
    "input_scale",
    "input_global_scale",
    "pre_quant_scale",
    "activation_scale",
)
_CACHE_SCALES = frozenset({"k_scale", "v_scale", "q_scale", "prob_output_scale", "output_scale"})
_ZERO_POINTS = ("weight_zero_point", "input_zero_point", "zero_point")
_INDICES = frozenset({"weight_shape", "weight_g_idx"})
_INTEGERS = frozenset({"I64", "I32", "I16", "U64", "U32", "U16", "U8", "BOOL"})
_BUFFERS = frozenset({"inv_freq", "position_ids", "masked_bias", "num_batches_tracked"})

UNPACKABLE = frozenset({"exl2", "vptq", "spqr", "higgs", "quark"})
"""Methods whose containers do not tell the logical count from a header alone."""


def unpack(
    name: str, dtype: str, shape: Shape, quantization: Quantization | None, siblings: Siblings
) -> Unpacked:
    """Return what a tensor stands for. Indices in ``name`` may be folded, except for MLX.

    Never raises: what no rule covers counts as it is stored.
    """
    if dtype in _EXPONENTS:
        return Unpacked(0, None, Role.SCALE)
    stem, _, suffix = name.rpartition(".")
    if suffix == "weight_scale_inv":
        return Unpacked(0, None, Role.SCALE)
    if quantization is not None:
        found = _auxiliary(suffix) or _of_method(name, dtype, shape, quantization, siblings)
        if found is not None:
            return found
    if not shape:
        return Unpacked(0, (), Role.SCALAR)
    buffer = suffix in _BUFFERS or (dtype in _INTEGERS and stem != "")
    narrow = not buffer and _is_narrow(dtype)
    return Unpacked(prod(shape), shape, Role.BUFFER if buffer else Role.WEIGHT, narrow)


def _is_narrow(dtype: str) -> bool:
    known = lookup(dtype)
    return known is not None and known.bits < 16


def _auxiliary(suffix: str) -> Unpacked | None:
    """Names that several quantizers share."""
    if suffix.endswith(_SCALES) or suffix in _CACHE_SCALES:
        return Unpacked(0, None, Role.SCALE)
    if suffix.endswith(_ZERO_POINTS):
        return Unpacked(0, None, Role.ZERO_POINT)
    return Unpacked(0, None, Role.INDEX) if suffix in _INDICES else None


def _of_method(
    name: str, dtype: str, shape: Shape, quantization: Quantization, siblings: Siblings
) -> Unpacked | None:
    if quantization.method == "mlx":
        return _mlx(name, dtype, shape, quantization, siblings)
    rule = _RULES.get(quantization.method, _plain)
    return rule(_Stored(name, name.rpartition(".")[2], dtype, shape, quantization))


def per_container(dtype: str, bits: float | None) -> tuple[int, int]:
    """Return weights a stored element as a fraction: 3 bits in an I32 are ``(32, 3)``.

    ``(1, 1)`` for what is no integer container or holds one weight.
    """
    width = CONTAINER_BITS.get(dtype, 0)
    if bits is None or bits != int(bits) or not 0 < bits < width:
        return 1, 1
    return width, int(bits)


def _dense(
    shape: Shape, dtype: str, bits: float | None, axis: int = -1, *, known_shape: bool = True
) -> Unpacked:
    """Weights packed densely along one axis."""
    over, under = per_container(dtype, bits)
    parameters = prod(shape) * over // under
    if not shape:
        return Unpacked(0, (), Role.SCALAR)
    logical = list(shape)
    logical[axis] = logical[axis] * over // under
    return Unpacked(parameters, tuple(logical) if known_shape else None, Role.WEIGHT, True)


def _gptq(stored: _Stored) -> Unpacked | None:
    """GPTQ packs input rows into I32 and stores them first, ``[in x bits / 32, out]``.

    Three bits are 32 weights in three integers; the hub floors 32 / 3 to ten an integer.
    """
    found = _grouped_auxiliary(stored.suffix)
    if found is None and stored.suffix == "qweight":
        packed = _dense(stored.shape, stored.dtype, _bits_of(stored), axis=0)
        return packed._replace(shape=packed.shape[::-1] if packed.shape else None)
    return found or _plain(stored)


def _awq(stored: _Stored) -> Unpacked | None:
    """AWQ packs output columns: ``[in, out x bits / 32]`` (its GEMM layout)."""
    found = _grouped_auxiliary(stored.suffix)
    if found is None and stored.suffix == "qweight":
        packed = _dense(stored.shape, stored.dtype, _bits_of(stored))
        return packed._replace(shape=packed.shape[::-1] if packed.shape else None)
    return found or _plain(stored)


def _grouped_auxiliary(suffix: str) -> Unpacked | None:
    role = {"scales": Role.SCALE, "qzeros": Role.ZERO_POINT, "g_idx": Role.INDEX}.get(suffix)
    return Unpacked(0, None, role) if role else None


def _bitsandbytes(stored: _Stored) -> Unpacked | None:
    """nf4 and fp4 flatten a weight to ``[n / 2, 1]``; int8 keeps the shape, with ``SCB`` beside it."""
    if stored.suffix in ("absmax", "nested_absmax", "SCB"):
        return Unpacked(0, None, Role.SCALE)
    if stored.suffix in ("quant_map", "nested_quant_map", "weight_format"):
        return Unpacked(0, None, Role.STATE)
    if stored.suffix.startswith("bitsandbytes__"):
        return Unpacked(0, None, Role.STATE)
    if stored.quantization.bits == 4 and stored.dtype == "U8" and stored.shape:
        return _dense(stored.shape, stored.dtype, 4, known_shape=False)
    return None


def _mxfp4(stored: _Stored) -> Unpacked | None:
    """gpt-oss: ``_blocks`` ``[..., groups, 16]`` hold 32 weights each, ``_scales`` an exponent each."""
    if stored.dtype != "U8":
        return None
    if stored.name.endswith("_scales"):
        return Unpacked(0, None, Role.SCALE)
    if stored.name.endswith("_blocks") and len(stored.shape) > 1:
        logical = (*stored.shape[:-2], stored.shape[-2] * stored.shape[-1] * 2)
        return Unpacked(prod(logical), logical, Role.WEIGHT, True)
    return _plain(stored)


def _compressed(stored: _Stored) -> Unpacked | None:
    """compressed-tensors names every packed weight ``weight_packed``, whatever its width."""
    if not stored.suffix.endswith("_packed"):
        return None
    return _dense(stored.shape, stored.dtype, _bits_of(stored))


def _bits_of(stored: _Stored) -> float:
    """Bits of this module, which may have a group of its own; four where nothing is said."""
    group = _group_of(stored.name.rpartition(".")[0], stored.quantization)
    return (group.bits if group else None) or stored.quantization.bits or 4


def _group_of(module: str, quantization: Quantization) -> ModuleGroup | None:
    groups = quantization.groups
    if not quantization.mixed_widths:
        return groups[0] if groups else None
    exact = quantization.targets.get(module)
    if exact is not None:
        return exact
    for group in groups:
        if any(matches_target(target, module) for target in group.patterns):
            return group
    # Class names cannot be told from a header; what is quantized is a linear layer almost always.
    return quantization.targets.get("Linear", groups[0])


def matches_target(target: str, module: str) -> bool:
    """Whether a compressed-tensors target names this module; ``*`` in ``module`` is a folded index.

    Of the patterns after ``re:`` only ``.*``, ``^``, ``$`` and escaped dots are understood: an
    expression of a stranger's must not be run, since some take forever.
    """
    if not target.startswith("re:"):
        return target == module
    pattern = target[3:].removeprefix("^")
    pattern = pattern[:-1] if pattern.endswith("$") else pattern + ".*"
    glob = pattern.replace(".*", "\0").replace("\\.", ".").replace("\\d+", "\0")
    if any(sign in glob for sign in "\\+?()[]{}|^$*"):
        return False
    return _matches_in_order(glob.split("\0"), module)


def _matches_in_order(literals: list[str], text: str) -> bool:
    """Glob match without a regular expression: the literals between the stars, in order."""
    first, last = literals[0], literals[-1]
    if len(literals) == 1:
        return text == first
    if len(text) < len(first) + len(last):
        return False
    if not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for literal in literals[1:-1]:
        found = text.find(literal, position, end)
        if found < 0:
            return False
        position = found + len(literal)
    return True


def _fp8(stored: _Stored) -> Unpacked | None:
    """FP8 is a byte a weight. Some keep their routed experts at 4 bits, two in an I8 or U8."""
    if stored.dtype in CONTAINER_BITS and part_of(stored.name) is Part.ROUTED_EXPERT:
        if stored.name.endswith("_scale"):
            return Unpacked(0, None, Role.SCALE)
        return _dense(stored.shape, stored.dtype, stored.quantization.expert_bits)
    return None


def _modelopt(stored: _Stored) -> Unpacked | None:
    """ModelOpt packs two 4-bit weights a byte. The hub counts the bytes instead."""
    # Mixed precision states no width at the top; its 8-bit weights are never in U8.
    if stored.dtype != "U8" or stored.quantization.bits not in (None, 4) or not stored.shape:
        return None
    # Its integer AWQ packs the output rows, NVFP4 the input columns.
    axis = -2 if "AWQ" in stored.quantization.format and len(stored.shape) > 1 else -1
    return _dense(stored.shape, stored.dtype, 4, axis)


def _mlx(
    name: str, dtype: str, shape: Shape, quantization: Quantization, siblings: Siblings
) -> Unpacked | None:
    """MLX packs along the last axis into U32, with ``scales`` and, in affine mode, ``biases``."""
    module, _, suffix = name.rpartition(".")
    bits = quantization.overrides.get(module, quantization.bits)
    if bits is None:
        return None
    if suffix == "weight" and dtype == "U32":
        return _dense(shape, dtype, bits)
    # The weight may lie in another shard; only one that is seen unpacked makes these learned.
    if suffix in ("scales", "biases") and siblings(f"{module}.weight") in ("U32", None):
        return Unpacked(0, None, Role.SCALE if suffix == "scales" else Role.ZERO_POINT)
    return None


def _quanto(stored: _Stored) -> Unpacked | None:
    if stored.suffix == "_scale":
        return Unpacked(0, None, Role.SCALE)
    if stored.suffix == "_shift":
        return Unpacked(0, None, Role.ZERO_POINT)
    if stored.suffix == "_data":
        return _dense(
            stored.shape,
            stored.dtype,
            stored.quantization.bits if stored.dtype == "U8" else None,
            known_shape=False,
        )
    return None


def _hqq(stored: _Stored) -> Unpacked | None:
    """HQQ packs dense bytes, except three bits: ten in an I32, the last two bits unused."""
    if stored.suffix != "W_q":
        role = {"scale": Role.SCALE, "zero": Role.ZERO_POINT, "meta": Role.STATE}.get(stored.suffix)
        return Unpacked(0, None, role) if role else None
    if stored.quantization.bits == 3 and stored.dtype == "I32":
        return Unpacked(prod(stored.shape) * 10, None, Role.WEIGHT, True)
    return _dense(stored.shape, stored.dtype, stored.quantization.bits, known_shape=False)


def _aqlm(stored: _Stored) -> Unpacked | None:
    """AQLM: ``codes`` ``[out / g, in / h, codebooks]``, each code a block of g x h weights."""
    if stored.suffix in ("codebooks", "scales"):
        return Unpacked(0, None, Role.SCALE if stored.suffix == "scales" else Role.STATE)
    if stored.suffix != "codes" or len(stored.shape) != 3 or stored.quantization.codebooks is None:
        return None
    _, rows, columns = stored.quantization.codebooks
    logical = (stored.shape[0] * rows, stored.shape[1] * columns)
    return Unpacked(prod(logical), logical, Role.WEIGHT, True)


def _exl3(stored: _Stored) -> Unpacked | None:
    """EXL3: ``trellis`` ``[in / 16, out / 16, 16 x bits]`` of 16-bit words; sign vectors beside it."""
    if stored.suffix in ("suh", "svh", "su", "sv", "mcg", "mul1"):
        return Unpacked(0, None, Role.STATE)
    if stored.suffix == "trellis" and len(stored.shape) == 3:
        logical = (stored.shape[1] * 16, stored.shape[0] * 16)
        return Unpacked(prod(logical), logical, Role.WEIGHT, True)
    return None


def _torchao(stored: _Stored) -> Unpacked | None:
    """What torchao flattens to ``..._qdata``, ``..._scale`` and ``..._zero_point``."""
    if stored.name.endswith(("_scale", ":scale")):
        return Unpacked(0, None, Role.SCALE)
    if stored.name.endswith(("_zero_point", ":zero_point", "_zero", ":zero")):
        return Unpacked(0, None, Role.ZERO_POINT)
    if stored.name.endswith(("_qdata", ":qdata")):
        bits = stored.quantization.bits if stored.dtype in ("U8", "I32") else None
        return _dense(stored.shape, stored.dtype, bits, known_shape=False)
    return None


def _plain(stored: _Stored) -> Unpacked | None:
    """The common habit of methods that are known by name only: sub-byte weights in bytes."""
    packed = stored.dtype == "U8" and stored.quantization.bits in (2, 4)
    if packed and stored.shape and stored.suffix == "weight":
        return _dense(stored.shape, stored.dtype, stored.quantization.bits, known_shape=False)
    return None


_RULES: Mapping[str, _Rule] = {
    "aqlm": _aqlm,
    "awq": _awq,
    "bitsandbytes": _bitsandbytes,
    "compressed-tensors": _compressed,
    "exl3": _exl3,
    "fbgemm_fp8": _fp8,
    "fp8": _fp8,
    "gptq": _gptq,
    "hqq": _hqq,
    "modelopt": _modelopt,
    "mxfp4": _mxfp4,
    "quanto": _quanto,
    "torchao": _torchao,
}
