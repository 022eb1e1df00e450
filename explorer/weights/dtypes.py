"""What an element of a tensor is, and how many bytes a run of them takes.

Every format names its types in its own way; the tables here give one ``DType`` for each. Plain types
bear the names of safetensors throughout, so that BF16 is BF16 in a GGUF and in a torch file too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["float", "integer", "boolean", "complex", "quantized"]


@dataclass(frozen=True, slots=True)
class DType:
    """A type of element, stored in blocks: 1 element for plain types, 32 to 256 for quantized ones."""

    name: str
    """As headers are shown: ``BF16``, ``Q4_K``."""
    block_elements: int
    """Elements that are stored together."""
    block_bytes: int
    """Bytes of such a block, its scales included."""
    kind: Kind
    """``quantized`` means that a block carries scales of its own."""

    @property
    def bits(self) -> float:
        """Bits an element takes, scales included: 16 for BF16, 4.5 for Q4_K."""
        return 8 * self.block_bytes / self.block_elements

    def size_bytes(self, elements: int) -> int:
        """Bytes of so many elements; a block that is not full is stored whole."""
        return -(-elements // self.block_elements) * self.block_bytes


def _plain(kind: Kind, sizes: Mapping[str, int]) -> dict[str, DType]:
    return {name: DType(name, 1, size, kind) for name, size in sizes.items()}


_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_SMALL_FLOATS = ("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
_INTEGERS = {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1}

SAFETENSORS: Mapping[str, DType] = MappingProxyType(
    {
        **_plain("float", _FLOATS | dict.fromkeys(_SMALL_FLOATS, 1)),
        "F4": DType("F4", 2, 1, "float"),
        "F6_E2M3": DType("F6_E2M3", 4, 3, "float"),
        "F6_E3M2": DType("F6_E3M2", 4, 3, "float"),
        **_plain("integer", _INTEGERS),
        **_plain("boolean", {"BOOL": 1}),
        **_plain("complex", {"C64": 8}),
    }
)
"""The 22 types of ``Dtype`` in safetensors' tensor.rs (0.8), by the name they have in a header."""

_GGML_QUANTIZED = {
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: (
        "Q8_1",
        32,
        40,
    ),  # as the gguf library writes it; ggml itself, which has it in memory only, 36
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    29: ("IQ1_M", 256, 56),
    # 31 to 33 and 36 to 38 were written for Arm in 2024 and are read by no current llama.cpp: the
    # blocks of Q4_0 and IQ4_NL in another order.
    31: ("Q4_0_4_4", 32, 18),
    32: ("Q4_0_4_8", 32, 18),
    33: ("Q4_0_8_8", 32, 18),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    36: ("IQ4_NL_4_4", 32, 18),
    37: ("IQ4_NL_4_8", 32, 18),
    38: ("IQ4_NL_8_8", 32, 18),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
    42: ("Q2_0", 64, 18),
}
_GGML_PLAIN = {0: "F32", 1: "F16", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 30: "BF16"}

GGML: Mapping[int, DType] = MappingProxyType(
    {number: SAFETENSORS[name] for number, name in _GGML_PLAIN.items()}
    | {number: DType(*facts, "quantized") for number, facts in _GGML_QUANTIZED.items()}
)
"""Types by their number in a GGUF file: ``enum ggml_type`` of ggml.h, sizes from ggml-common.h."""

_TORCH_ONLY = {
    "C32": DType("C32", 1, 4, "complex"),
    "C128": DType("C128", 1, 16, "complex"),
    # Torch keeps the scales of these beside the storage, so a block is one element.
    "QINT8": DType("QINT8", 1, 1, "integer"),
    "QUINT8": DType("QUINT8", 1, 1, "integer"),
    "QINT32": DType("QINT32", 1, 4, "integer"),
    "QUINT4X2": DType("QUINT4X2", 2, 1, "integer"),
    "QUINT2X4": DType("QUINT2X4", 4, 1, "integer"),
}

_BY_NAME = {dtype.name: dtype for dtype in GGML.values()} | dict(SAFETENSORS) | _TORCH_ONLY

TORCH: Mapping[str, DType] = MappingProxyType(
    {
        storage: _BY_NAME[name]
        for storage, name in {
            "DoubleStorage": "F64",
            "FloatStorage": "F32",
            "HalfStorage": "F16",
            "BFloat16Storage": "BF16",
            "LongStorage": "I64",
            "IntStorage": "I32",
            "ShortStorage": "I16",
            "CharStorage": "I8",
            "ByteStorage": "U8",
            "UntypedStorage": "U8",
            "BoolStorage": "BOOL",
            "ComplexFloatStorage": "C64",
            "ComplexDoubleStorage": "C128",
            "QInt8Storage": "QINT8",
            "QUInt8Storage": "QUINT8",
            "QInt32Storage": "QINT32",
            "QUInt4x2Storage": "QUINT4X2",
            "QUInt2x4Storage": "QUINT2X4",
        }.items()
    }
)
"""Types by the storage class that a torch pickle names; see ``torch.storage._dtype_to_storage_type_map``."""

TORCH_DTYPES: Mapping[str, DType] = MappingProxyType(
    {
        dtype: _BY_NAME[name]
        for dtype, name in {
            "float64": "F64",
            "float32": "F32",
            "float16": "F16",
            "bfloat16": "BF16",
            "float8_e4m3fn": "F8_E4M3",
            "float8_e5m2": "F8_E5M2",
            "float8_e8m0fnu": "F8_E8M0",
            "float8_e4m3fnuz": "F8_E4M3FNUZ",
            "float8_e5m2fnuz": "F8_E5M2FNUZ",
            "float4_e2m1fn_x2": "U8",  # one element of torch's is a byte with two values
            "int64": "I64",
            "int32": "I32",
            "int16": "I16",
            "int8": "I8",
            "uint64": "U64",
            "uint32": "U32",
            "uint16": "U16",
            "uint8": "U8",
            "bool": "BOOL",
            "complex32": "C32",
            "complex64": "C64",
            "complex128": "C128",
            "qint8": "QINT8",
            "quint8": "QUINT8",
            "qint32": "QINT32",
            "quint4x2": "QUINT4X2",
            "quint2x4": "QUINT2X4",
        }.items()
    }
)
"""Types by torch's own names, as pickles of newer types give them (``torch.float8_e4m3fn``)."""


def lookup(name: str) -> DType | None:
    """The type of this name in any format, or None: an unknown type is a fact, not a failure."""
    return _BY_NAME.get(name)
