"""Headers of safetensors files: 8 bytes of length, that much JSON, then the data.

As strict as the format's own implementation (``Metadata::validate`` and ``read_metadata`` in
safetensors' tensor.rs, 0.8), which refuses a file at the first violation. Here a header that cannot be
read at all is a HeaderError; one that can be read but breaks a rule is shown with its ``problems``,
because what is inside a broken file is just what a person wants to know.
"""

import struct
from math import inf
from operator import itemgetter

from explorer.errors import HeaderError
from explorer.spans import Reading, Span
from explorer.weights.dtypes import SAFETENSORS
from explorer.weights.problems import Problems, quoted
from explorer.weights.safetensors_json import Document, read_document
from explorer.weights.tensors import Header, Tensor

FIRST_READ = 96 * 1024
"""Bytes of the first read. 97 % of the headers of the thousand most downloaded models are under 100 kB,
and 160 shards read so stay under 16 MB on the wire with room for HTTP's own headers."""

MAX_HEADER = 100_000_000
"""Longest header the format's own implementation accepts (``MAX_HEADER_SIZE`` in tensor.rs)."""

HUB_MAX_HEADER = 25_000_000
"""Longest header the hub's clients accept; a longer one is read, and said to be a problem there."""

_LENGTH = 8
_RANGE = itemgetter(*map(Tensor._fields.index, ("start", "size_bytes")))
_OVERFLOW = 2**64  # usize of the reference implementation, in bits of data


def read_header(path: str, size_bytes: int | None, first_read: int = FIRST_READ) -> Reading[Header]:
    """Read a header by ranges: one when it is short, else a second with just the bytes that are missing.

    ``path`` names the file in messages; ``size_bytes`` is the size of the whole file if known.
    Returns the header; raises HeaderError for what is no safetensors header.
    """
    if size_bytes == 0:
        raise HeaderError(f"{path} is no safetensors file", "it has 0 bytes")
    stop = max(first_read, _LENGTH)
    (data,) = yield (Span(0, stop if size_bytes is None else min(stop, size_bytes)),)
    length = _header_length(path, data, size_bytes)
    end = _LENGTH + length
    if len(data) < end:
        (rest,) = yield (Span(len(data), end),)
        data += rest
    if len(data) < end:
        raise _cut_off(path, length, len(data))
    problems = Problems()
    if length > HUB_MAX_HEADER:
        problems.note(f"the header has {length} bytes; the hub's clients refuse more than 25 MB")
    document = read_document(path, data[_LENGTH:end], end, problems)
    return _header(path, document, end, size_bytes, problems)


def parse_header(path: str, data: bytes, size_bytes: int | None) -> Header:
    """A header from its JSON alone, as the hub's endpoint for all headers of a model gives it.

    The length the JSON has in the file is not known then, since padding and spacing are lost. Data ends
    where the file ends, so ``data_start`` comes from the file's size; without it, offsets are those of
    a header as long as ``data``. Raises HeaderError.
    """
    if len(data) > MAX_HEADER:
        raise _too_long(path, len(data))
    problems = Problems()
    start = _LENGTH + len(data)
    document = read_document(path, data, start, problems)
    if size_bytes is not None:
        shift = size_bytes - max((t.start + t.size_bytes for t in document.tensors), default=start)
        if start + shift < _LENGTH + len(b"{}"):
            problems.add(f"the tensors do not fit in the file's {size_bytes} bytes")
            size_bytes = None
        elif shift:
            moved = [
                Tensor(name, dtype, shape, begin + shift, size)
                for name, dtype, shape, begin, size in document.tensors
            ]
            document = document._replace(tensors=moved)
            start += shift
    return _header(path, document, start, size_bytes, problems)


def _header_length(path: str, data: bytes, size_bytes: int | None) -> int:
    if len(data) < _LENGTH:
        raise HeaderError(
            f"{path} is no safetensors file",
            f"it has {len(data)} bytes, fewer than the 8 of a length",
        )
    length: int = struct.unpack_from("<Q", data)[0]
    if length > MAX_HEADER:
        raise _too_long(path, length)
    if data[_LENGTH : _LENGTH + 1] not in (b"{", b""):
        raise HeaderError(
            f"{path} is no safetensors file", "its header does not start with “{”", _POINTER_HINT
        )
    if size_bytes is not None and _LENGTH + length > size_bytes:
        raise _cut_off(path, length, size_bytes)
    return length


_POINTER_HINT = "a Git LFS pointer, a web page or another format may bear the name"


def _too_long(path: str, length: int) -> HeaderError:
    return HeaderError(
        f"{path} is no safetensors file",
        f"its header would have {length} bytes, and the format allows {MAX_HEADER}",
        _POINTER_HINT,
    )


def _cut_off(path: str, length: int, have: int) -> HeaderError:
    return HeaderError(
        f"{path} is cut off", f"its header has {length} bytes and the file {have} in all"
    )


def _header(
    path: str, document: Document, data_start: int, size_bytes: int | None, problems: Problems
) -> Header:
    tensors = sorted(document.tensors, key=_RANGE)
    _check(path, tensors, data_start, size_bytes, problems)
    return Header(
        format="safetensors",
        tensors=tuple(tensors),
        metadata=document.metadata,
        data_start=data_start,
        problems=problems.listed(),
        malformed=problems.malformed,
    )


def _check(
    path: str, tensors: list[Tensor], position: int, size_bytes: int | None, problems: Problems
) -> None:
    """Ranges follow each other up to the file's end, and each is what its shape and dtype need."""
    needed: dict[tuple[str, tuple[int, ...]], int | None] = {}
    limit = inf if size_bytes is None else size_bytes
    for tensor in tensors:
        _, dtype, shape, start, size = tensor
        key = (dtype, shape)
        if size != needed.get(key):
            if key not in needed:
                needed[key] = _needed_bytes(path, tensor)
            if size != needed[key]:
                _note_size(tensor, needed[key], problems)
        if start != position:
            _note_gap(tensor, position, problems)
        end = start + size
        position = max(position, end)
        if end > limit:
            problems.add(
                f"{quoted(tensor.name)} ends {end - limit} bytes beyond the end of the file"
            )
    if size_bytes is not None and position < size_bytes:
        problems.add(f"{size_bytes - position} bytes at the end of the file belong to no tensor")


def _note_gap(tensor: Tensor, position: int, problems: Problems) -> None:
    gap = tensor.start - position
    if gap > 0:
        problems.add(f"{gap} bytes before {quoted(tensor.name)} belong to no tensor")
    else:
        problems.add(f"{quoted(tensor.name)} overlaps the tensor before it by {-gap} bytes")


def _note_size(tensor: Tensor, needed: int | None, problems: Problems) -> None:
    name = quoted(tensor.name)
    if tensor.dtype not in SAFETENSORS:
        problems.add(f"{name} has the unknown dtype {quoted(tensor.dtype)}")
    elif needed is None:
        problems.add(f"{name} does not fill whole bytes")
    else:
        problems.add(
            f"{name} has {tensor.size_bytes} bytes, "
            f"but {tensor.dtype} {list(tensor.shape)} needs {needed}"
        )


def _needed_bytes(path: str, tensor: Tensor) -> int | None:
    """Bytes that dtype and shape need; None if the dtype is unknown or the last byte is not full.

    Raises HeaderError where the reference implementation overflows: no file can hold such a tensor.
    """
    dtype = SAFETENSORS.get(tensor.dtype)
    elements = 1
    for dimension in tensor.shape:
        elements *= dimension
        if elements >= _OVERFLOW:
            break
    if elements * (dtype.bits if dtype else 1) >= _OVERFLOW:
        raise HeaderError(
            f"The header of {path} cannot be read",
            f"{quoted(tensor.name)}: its shape {list(tensor.shape)} overflows",
        )
    if dtype is None or elements % dtype.block_elements:
        return None
    return dtype.size_bytes(elements)
