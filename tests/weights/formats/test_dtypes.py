"""Sizes of elements, plain and in blocks."""

import ctypes
from pathlib import Path

import pytest

from explorer.weights.dtypes import GGML, SAFETENSORS, TORCH, TORCH_DTYPES, lookup


@pytest.mark.parametrize(
    ("name", "bits", "elements", "size_bytes"),
    [
        ("BF16", 16, 3, 6),
        ("F4", 4, 6, 3),
        ("F4", 4, 7, 4),
        ("F6_E2M3", 6, 8, 6),
        ("BOOL", 8, 5, 5),
        ("C64", 64, 2, 16),
        ("Q4_K", 4.5, 512, 288),
        ("Q6_K", 6.5625, 256, 210),
        ("IQ1_S", 1.5625, 256, 50),
        ("MXFP4", 4.25, 64, 34),
        ("NVFP4", 4.5, 64, 36),
        ("Q2_0", 2.25, 128, 36),
        ("QUINT4X2", 4, 3, 2),
    ],
)
def test_sizes(name: str, bits: float, elements: int, size_bytes: int) -> None:
    dtype = lookup(name)
    assert dtype
    assert dtype.bits == bits
    assert dtype.size_bytes(elements) == size_bytes
    assert dtype.size_bytes(0) == 0


def test_an_unknown_name_is_none() -> None:
    assert lookup("F3_FUTURE") is None


def test_a_name_means_the_same_in_every_format() -> None:
    for table in (SAFETENSORS, GGML, TORCH, TORCH_DTYPES):
        for dtype in table.values():
            assert lookup(dtype.name) == dtype


def test_only_types_with_scales_of_their_own_are_quantized() -> None:
    quantized = {dtype.name for dtype in GGML.values() if dtype.kind == "quantized"}
    assert {"Q4_K", "IQ4_XS", "MXFP4", "NVFP4", "TQ1_0"} <= quantized
    assert not quantized & SAFETENSORS.keys()


@pytest.mark.engine
def test_sizes_are_those_of_llama_cpp_itself() -> None:
    """Asks the ggml that xllamacpp carries, which knows types that the gguf library does not yet."""
    xllamacpp = pytest.importorskip("xllamacpp")
    (library,) = Path(xllamacpp.__file__).parent.glob("xllamacpp*.so")
    ggml = ctypes.CDLL(str(library))
    ggml.ggml_type_size.restype = ctypes.c_size_t
    ggml.ggml_blck_size.restype = ctypes.c_int64
    removed = {31, 32, 33, 36, 37, 38}
    theirs = {n: (ggml.ggml_blck_size(n), ggml.ggml_type_size(n)) for n in GGML.keys() - removed}
    ours = {n: (GGML[n].block_elements, GGML[n].block_bytes) for n in GGML.keys() - removed}
    # Q8_1 is in no file: ggml has two halves for its sums where the gguf library counts two floats.
    assert theirs.pop(9) == (32, 36)
    assert ours.pop(9) == (32, 40)
    assert theirs == ours
