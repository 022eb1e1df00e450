"""Headers of GGUF files: magic, version, counts, key-values, tensor infos, then aligned data.

Layout and rules after ggml's docs/gguf.md and src/gguf.cpp. The tensor list stands behind the tokenizer,
0.6 to 16 MB into the file, and the length of a list of strings is known only by walking it. So the first
read takes 1 MiB (all scalars, and whole headers of small vocabularies), and further reads are ranges of
2 MiB that fly at once, as many as the strings walked so far let expect.
"""

from bisect import bisect_right
from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from explorer.errors import HeaderError
from explorer.spans import Reading
from explorer.weights.dtypes import GGML
from explorer.weights.gguf_reader import FIRST_READ, PIECE, Reader
from explorer.weights.gguf_values import read_metadata
from explorer.weights.problems import Problems, quoted
from explorer.weights.tensors import Header, MetadataValue, Tensor

_MAX_KEYS = 1 << 16
_MAX_TENSORS = 1 << 20
_SMALLEST_KEY = 8 + 4 + 1  # an empty name, a type, one byte
_SMALLEST_TENSOR = 8 + 4 + 4 + 8  # an empty name, no dimensions, a type, an offset
_MAX_NAME = 65_535  # the longest string that gguf.md allows for a key
_MOST_DIMENSIONS = 8  # ggml has 4 (GGML_MAX_DIMS); more than twice that is no tensor info
_OVERFLOW = 2**63  # ggml counts elements and bytes in int64_t
_DEFAULT_ALIGNMENT = 32


class _Info(NamedTuple):
    """A tensor info as stored; the first dimension is the innermost."""

    name: str
    dimensions: tuple[int, ...]
    type_number: int
    offset: int


def read_header(
    path: str, size_bytes: int | None, first_read: int = FIRST_READ, piece: int = PIECE
) -> Reading[Header]:
    """Read a header by ranges, several at once where the tokenizer makes it long.

    ``path`` names the file in messages; ``size_bytes`` is the size of the whole file if known;
    ``piece`` is the size of each further range. Shapes come out row-major. Returns the header; raises
    HeaderError for what is no GGUF of version 2 or 3.
    """
    if size_bytes == 0:
        raise HeaderError(f"{path} is no GGUF file", "it has 0 bytes")
    reader = Reader(path, size_bytes, Problems(), piece)
    yield from reader.begin(first_read)
    version = yield from reader.until(lambda: _read_version(reader))
    tensor_count, key_count = yield from reader.until(
        lambda: (
            reader.count("tensors", _MAX_TENSORS, _SMALLEST_TENSOR),
            reader.count("keys", _MAX_KEYS, _SMALLEST_KEY),
        )
    )
    metadata = yield from read_metadata(reader, key_count)
    infos: list[_Info] = []
    while len(infos) < tensor_count:
        infos.append((yield from reader.until(lambda: _read_info(reader))))
    alignment = _alignment(metadata, reader.problems)
    data_start = _padded(reader.cursor.position, alignment)
    tensors = _tensors(reader, infos, data_start)
    _check(infos, tensors, alignment, reader)
    return Header(
        format="gguf",
        tensors=tensors,
        metadata=metadata,
        data_start=data_start,
        version=f"{version} big-endian" if reader.cursor.order == ">" else f"{version}",
        problems=reader.problems.listed(),
        malformed=reader.problems.malformed,
    )


def _read_version(reader: Reader) -> int:
    """The version; numbers are read in the file's byte order from here on."""
    cursor = reader.cursor
    if (magic := cursor.take(4)) != b"GGUF":
        hint = (
            "it is an old ggml file: llama.cpp has converters for those"
            if magic in (b"lmgg", b"tjgg", b"fmgg", b"algg")
            else "a Git LFS pointer, a web page or another format may bear the name"
        )
        raise HeaderError(f"{reader.path} is no GGUF file", "it does not start with “GGUF”", hint)
    version = cursor.u32()
    if version & 0xFFFF == 0:  # 3 read in the wrong order is 0x03000000: so ggml's reader tells too
        cursor.set_order(">")
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
    if version == 1:
        raise HeaderError(
            f"{reader.path} is GGUF version 1",
            "that was in use for a few days of August 2023, and no current llama.cpp reads it",
            "look for a newer conversion of the model",
        )
    if version not in (2, 3):
        raise HeaderError(
            f"{reader.path} is GGUF version {version}", "versions 2 and 3 are known here"
        )
    return version


def _read_info(reader: Reader) -> _Info:
    cursor = reader.cursor
    name = reader.string("a tensor's name", _MAX_NAME)
    rank = cursor.u32()
    if rank > _MOST_DIMENSIONS:
        raise HeaderError(
            f"The header of {reader.path} cannot be read", f"{quoted(name)} has {rank} dimensions"
        )
    dimensions = tuple(cursor.u64() for _ in range(rank))
    if prod(dimensions) >= _OVERFLOW:
        raise HeaderError(
            f"The header of {reader.path} cannot be read",
            f"{quoted(name)}: its shape {list(reversed(dimensions))} overflows",
        )
    return _Info(name, dimensions, cursor.u32(), cursor.u64())


def _alignment(metadata: Mapping[str, MetadataValue], problems: Problems) -> int:
    """``general.alignment``; where it is no power of two, the default, and a problem."""
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(alignment) is int and 0 < alignment < 2**32 and alignment & (alignment - 1) == 0:
        return alignment
    problems.add(
        f"general.alignment is {alignment}, not a power of two; offsets are shown as if it were 32"
    )
    return _DEFAULT_ALIGNMENT


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _tensors(reader: Reader, infos: list[_Info], data_start: int) -> tuple[Tensor, ...]:
    """Tensors in file order. One of an unknown type is as long as the gap to the next."""
    offsets = sorted({info.offset for info in infos})
    tensors = []
    for info in infos:
        dtype = GGML.get(info.type_number)
        if dtype:
            name, size = dtype.name, dtype.size_bytes(prod(info.dimensions))
        else:
            following = bisect_right(offsets, info.offset)
            end = (
                offsets[following]
                if following < len(offsets)
                else max(info.offset, (reader.size_bytes or 0) - data_start)
            )
            name, size = f"TYPE_{info.type_number}", end - info.offset
        shape = info.dimensions[::-1]
        tensors.append(Tensor(info.name, name, shape, data_start + info.offset, size))
    return tuple(tensors)


def _check(infos: list[_Info], tensors: tuple[Tensor, ...], alignment: int, reader: Reader) -> None:
    """What ggml's reader refuses a file for, and what its tensors cannot be."""
    problems, size_bytes = reader.problems, reader.size_bytes
    names: set[str] = set()
    expected = 0
    for info, tensor in zip(infos, tensors, strict=True):
        name = quoted(info.name)
        if info.name in names:
            problems.add(f"{name} is there more than once")
        names.add(info.name)
        _check_type(info, name, problems)
        if info.offset % alignment:
            problems.add(f"{name} is not aligned to {alignment} bytes")
        if info.offset != expected:
            problems.add(f"{name} has offset {info.offset} where {expected} is expected")
        expected = _padded(info.offset + tensor.size_bytes, alignment)
        end = tensor.start + tensor.size_bytes
        if size_bytes is not None and end > size_bytes:
            problems.add(f"{name} ends {end - size_bytes} bytes beyond the end of the file")


def _check_type(info: _Info, name: str, problems: Problems) -> None:
    dtype = GGML.get(info.type_number)
    row = info.dimensions[0] if info.dimensions else 1
    if dtype is None:
        problems.add(f"{name} has the unknown type {info.type_number}")
    elif row % dtype.block_elements:
        problems.add(
            f"{name} has rows of {row} elements, no multiple of {dtype.name}'s {dtype.block_elements}"
        )
    if len(info.dimensions) > 4:
        problems.add(f"{name} has {len(info.dimensions)} dimensions; ggml has at most 4")
    if len(info.name.encode()) > 63:
        problems.add(f"{name} is longer than the 63 bytes that ggml keeps of a name")
