"""GGUF headers: both versions and byte orders, long arrays passed over, parallel ranges."""

import contextlib
import math
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.errors import HeaderError
from explorer.spans import drive
from explorer.weights.dtypes import GGML
from explorer.weights.gguf import read_header
from explorer.weights.tensors import Header, LongArray, MetadataValue
from tests.weights.formats.reading import SparseWire, Wire
from tests.weights.formats.writers import NUMBERS, ByteOrder, Gguf, Plain

MIB = 1 << 20


def read(data: bytes) -> Header:
    return Wire(data).read(read_header("model.gguf", len(data)))


def refused(data: bytes) -> str:
    with pytest.raises(HeaderError) as caught:
        read(data)
    return str(caught.value)


def test_types_agree_with_the_gguf_library() -> None:
    """Fails when the library learns a type that is not known here."""
    for number, (elements, size) in gguf.GGML_QUANT_SIZES.items():
        dtype = GGML[int(number)]
        name = gguf.GGMLQuantizationType(number).name
        assert (dtype.name, dtype.block_elements, dtype.block_bytes) == (name, elements, size)
    assert GGML[42].bits == 2.25  # block_q2_0 of ggml-common.h: 64 elements in 18 bytes


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_and_byte_orders(order: ByteOrder, version: int) -> None:
    written = Gguf(order=order, version=version).text("general.architecture", "llama")
    written.number("llama.block_count", "uint32", 2).numbers("rope", "float32", [1.0, 0.5])
    written.tensor("token_embd.weight", 12, [512, 3], 3 * 2 * 144).tensor("norm", 0, [512], 2048)
    data = written.file()
    header = read(data)
    start = len(data) - written.data_bytes
    assert header.version == (f"{version} big-endian" if order == ">" else str(version))
    assert header.metadata == {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "rope": (1.0, 0.5),
    }
    assert header.data_start == start
    assert header.tensors == (
        ("token_embd.weight", "Q4_K", (3, 512), start, 864),
        ("norm", "F32", (512,), start + 864, 2048),
    )
    assert header.problems == ()


def test_a_file_of_the_gguf_library_with_every_type(tmp_path: Path) -> None:
    path = tmp_path / "all.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_array("tokenizer.ggml.tokens", [f"t{i}" for i in range(3000)])
    writer.add_custom_alignment(64)
    for number, (_, size) in gguf.GGML_QUANT_SIZES.items():
        raw = np.zeros((2, 3, size * 2), dtype=np.uint8)
        kind = gguf.GGMLQuantizationType(number)
        writer.add_tensor(f"blk.0.{kind.name}", raw, raw_shape=raw.shape, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read(path.read_bytes())
    assert header.problems == ()
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray("string", 3000)
    theirs = gguf.GGUFReader(path)
    assert header.data_start == theirs.data_offset
    assert [tuple(tensor) for tensor in header.tensors] == [
        (t.name, t.tensor_type.name, tuple(map(int, reversed(t.shape))), t.data_offset, t.n_bytes)
        for t in theirs.tensors
    ]


def test_tokenizers_are_passed_over_and_short_arrays_kept() -> None:
    written = Gguf().strings("tokenizer.ggml.tokens", ["a", "b"])
    written.strings("general.languages", ["en", "fr"]).strings("many", ["x"] * 65)
    written.numbers("layers", "int32", range(1024)).numbers("scores", "float32", [0.0] * 1025)
    written.text("tokenizer.huggingface.json", "j" * (MIB + 1))
    inner = written.pack("IQ", 4, 2) + written.pack("II", 1, 2)
    nested = written.pack("IQ", 9, 2) + inner + written.pack("IQ", 8, 1) + written.string("deep")
    written.value("nested", 9, nested).number("last", "bool", value=True)
    assert read(written.file()).metadata == {
        "tokenizer.ggml.tokens": LongArray("string", 2),
        "general.languages": ("en", "fr"),
        "many": LongArray("string", 65),
        "layers": tuple(range(1024)),
        "scores": LongArray("float32", 1025),
        "tokenizer.huggingface.json": LongArray("byte", MIB + 1),
        "nested": LongArray("array", 2),
        "last": True,
    }


def test_ranges_of_a_long_vocabulary_fly_together_and_numbers_are_not_fetched() -> None:
    written = Gguf().numbers("tokenizer.ggml.scores", "float64", [0.0] * (3 * MIB))
    written.strings("tokenizer.ggml.tokens", ["token" * 4] * 300_000)
    written.tensor("t", 0, [1], 4)
    data = written.file()
    wire = Wire(data)
    header = wire.read(read_header("m", len(data)))
    assert [t.name for t in header.tensors] == ["t"]
    assert wire.rounds[0] == ((0, MIB),)
    assert wire.rounds[1][0].start > 24 * MIB  # behind the body of the scores
    assert all(span.size <= 2 * MIB for span in wire.spans)
    assert len(wire.rounds) <= 3
    assert wire.fetched < 10 * MIB  # 8.4 MB of tokens


def test_a_file_of_unknown_size_is_read_too() -> None:
    data = Gguf().text("k", "v" * 100).tensor("t", 0, [2], 8).file()
    header = drive(read_header("m", None, first_read=40), lambda span: data[span.start : span.stop])
    assert [tensor.name for tensor in header.tensors] == ["t"]


def test_split_files_say_which_part_they_are() -> None:
    written = Gguf().number("split.no", "uint16", 1).number("split.count", "uint16", 3)
    metadata = read(written.number("split.tensors.count", "int32", 723).file()).metadata
    assert metadata == {"split.no": 1, "split.count": 3, "split.tensors.count": 723}


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (Gguf().tensor("a", 99, [7], 32).tensor("b", 0, [1], 4), "“a” has the unknown type 99"),
        (
            Gguf().tensor("a", 12, [100], 144),
            "“a” has rows of 100 elements, no multiple of Q4_K's 256",
        ),
        (Gguf().tensor("a", 0, [1], 4, offset=8), "“a” is not aligned to 32 bytes"),
        (
            Gguf().tensor("a", 0, [8], 32).tensor("b", 0, [8], 32, offset=96),
            "“b” has offset 96 where 32 is expected",
        ),
        (Gguf().tensor("a", 0, [80], 32), "“a” ends 288 bytes beyond the end of the file"),
        (Gguf().tensor("a", 0, [1], 4).tensor("a", 0, [1], 4), "“a” is there more than once"),
        (Gguf().text("k", "1").text("k", "2"), "the key “k” is there more than once"),
        (Gguf().tensor("a" * 64, 0, [1], 4), "longer than the 63 bytes"),
        (Gguf().tensor("a", 0, [1] * 5, 4), "“a” has 5 dimensions; ggml has at most 4"),
        (Gguf().number("general.alignment", "uint32", 24), "general.alignment is 24"),
        (Gguf().text("k", b"\xff"), "the value of “k” “\\xff” is not UTF-8"),
    ],
)
def test_a_broken_rule_leaves_the_header_readable(written: Gguf, problem: str) -> None:
    header = read(written.file())
    assert len(header.tensors) == len(written.tensors)
    assert any(problem in found for found in header.problems), header.problems


def test_a_tensor_of_unknown_type_is_as_long_as_the_gap_to_the_next() -> None:
    header = read(Gguf().tensor("a", 99, [7], 96).tensor("b", 0, [1], 4).file())
    assert [(t.dtype, t.size_bytes) for t in header.tensors] == [("TYPE_99", 96), ("F32", 4)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (b"GGUF", "cut off"),
        (b"lmgg" + bytes(40), "old ggml file"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (Gguf(version=1).file(), "GGUF version 1"),
        (Gguf(version=7).file(), "version 7"),
        (Gguf(order=">", version=9).file(), "version 9"),
        (Gguf(counts=(2**60, 0)).file(), "1152921504606846976 tensors"),
        (Gguf(counts=(0, 2**16)).file(), "65536 keys in"),
        (Gguf(counts=(3, 0)).tensor("a", 0, [1], 4).file()[:-40], "3 tensors in"),
        (Gguf().value("k", 13, b"").file(), "“k” has the unknown type 13"),
        (Gguf().value("k", 8, struct.pack("<Q", 2**63)).file(), "cut off"),
        (Gguf().value("k", 9, struct.pack("<IQ", 8, 2**62)).file(), "“k” would have"),
        (Gguf().value("k", 9, struct.pack("<IQ", 4, 2**62)).file(), "“k” would have"),
        (Gguf().value("k", 9, struct.pack("<IQ", 9, 1) * 20 + bytes(200)).file(), "too deep"),
        (Gguf().tensor("a", 0, [2**40, 2**40], 4).file(), "“a”: its shape"),
        (Gguf().tensor("a", 0, [1] * 9, 4).file(), "“a” has 9 dimensions"),
        (Gguf().tensor("a", 0, [1], 4).header()[:-3], "cut off"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, why: str) -> None:
    assert why in refused(data)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (struct.pack("<IQ", 8, 10**9), "1000000000 elements"),
        (struct.pack("<IQ", 9, 10**9), "1000000000 elements"),
        # 60,000 arrays, the first of which has 60,000 more: seven such levels take minutes
        (struct.pack("<IQ", 9, 60_000) * 2, "arrays within arrays"),
    ],
)
def test_a_large_file_that_claims_a_billion_elements_is_not_walked(body: bytes, why: str) -> None:
    # The file is long enough for all of them: 20 GB, of zeros behind this.
    begun = Gguf().value("k", 9, body).header()
    wire = SparseWire(begun, size_bytes=20 * 2**30)
    with pytest.raises(HeaderError, match=why):
        wire.read(read_header("m", len(wire)))
    assert wire.fetched <= 16 * MIB


_RANGES = {
    kind: st.integers(-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1)
    if code.islower()
    else st.integers(0, 2 ** (8 * size) - 1)
    for kind, (_, code) in NUMBERS.items()
    if code in "bBhHiIqQ" and (size := struct.calcsize("<" + code))
}
_VALUES: dict[str, st.SearchStrategy[Plain]] = {
    **_RANGES,
    "bool": st.booleans(),
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(allow_nan=False),
}


@st.composite
def files(draw: st.DrawFn) -> tuple[Gguf, dict[str, MetadataValue], list[tuple[object, ...]]]:
    written = Gguf(order=draw(st.sampled_from(["<", ">"])), version=draw(st.sampled_from([2, 3])))
    metadata: dict[str, MetadataValue] = {}
    for key in draw(st.lists(st.text(max_size=8), unique=True, max_size=6)):
        kind = draw(st.sampled_from([*NUMBERS, "string", "array", "strings"]))
        if kind == "string":
            metadata[key] = text = draw(st.text(max_size=40))
            written.text(key, text)
        elif kind == "strings":
            metadata[key] = texts = tuple(draw(st.lists(st.text(max_size=9), max_size=5)))
            written.strings(key, texts)
        elif kind == "array":
            element = draw(st.sampled_from(sorted(NUMBERS)))
            metadata[key] = values = tuple(draw(st.lists(_VALUES[element], max_size=5)))
            written.numbers(key, element, values)
        else:
            metadata[key] = value = draw(_VALUES[kind])
            written.number(key, kind, value)
    tensors: list[tuple[object, ...]] = []
    for name in draw(st.lists(st.text(max_size=9), unique=True, max_size=6)):
        number = draw(st.sampled_from(sorted(GGML)))
        blocks, rows = draw(st.integers(0, 3)), draw(st.lists(st.integers(0, 3), max_size=3))
        dimensions = [blocks * GGML[number].block_elements, *rows]
        size = blocks * math.prod(rows) * GGML[number].block_bytes
        tensors.append((name, GGML[number].name, tuple(reversed(dimensions)), size))
        written.tensor(name, number, dimensions, size)
    return written, metadata, tensors


@given(files(), st.integers(1, 200), st.integers(1, 200))
@settings(max_examples=150)
def test_random_headers_are_read_back_in_pieces_of_any_size(
    file: tuple[Gguf, dict[str, MetadataValue], list[tuple[object, ...]]], first: int, piece: int
) -> None:
    written, metadata, tensors = file
    data = written.file()
    header = Wire(data).read(read_header("m", len(data), first_read=first, piece=piece))
    assert header.problems == ()
    assert header.metadata == metadata
    assert [(t.name, t.dtype, t.shape, t.size_bytes) for t in header.tensors] == tensors
    assert all((t.start - header.data_start) % 32 == 0 for t in header.tensors)


_SAMPLE = (
    Gguf()
    .text("general.architecture", "llama")
    .strings("tokenizer.ggml.tokens", ["a", "bc", "def"])
    .numbers("n", "uint16", [1, 2, 3])
    .tensor("a", 12, [256, 2], 288)
    .tensor("b", 0, [4], 16)
    .file()
)


@given(
    st.lists(st.tuples(st.integers(0, len(_SAMPLE) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(_SAMPLE)),
)
@settings(max_examples=500)
def test_corruption_raises_nothing_but_header_errors(
    changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(_SAMPLE)
    for at, byte in changes:
        data[at % 250] = byte  # the header is where damage matters
    for damaged in (bytes(data), bytes(data[:length])):
        wire = Wire(damaged)
        with contextlib.suppress(HeaderError):
            wire.read(read_header("m", len(damaged), first_read=64, piece=64))
        assert wire.fetched <= len(damaged)
