"""The hub's answer with every header of a sharded model, taken apart into the headers' own bytes."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from explorer.hub.source import RepoFile

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = r'"(?:[^"\\]|\\.)*+"[ \t\n\r]*+'
_NAMES = re.compile(rf"(?:{_STRING}:[ \t\n\r]*+{_STRING}(?:,[ \t\n\r]*+)?){{1,500}}+")
_DECODER = json.JSONDecoder()


def read_sharded(
    body: bytes, index_path: str, files: Iterable[RepoFile]
) -> Mapping[str, bytes] | None:
    """Header JSON by shard path, in the length it has in the file: padded with spaces like the original.

    The answer has ``{"index": {...}, "headers": {shard: header}}`` without the headers' lengths. Those
    follow from the files: the size less the tensors' data and the 8 bytes of the length itself. None if
    the two do not agree, as when the model has changed since its files were listed.
    """
    sizes = {file.path: file.size_bytes for file in files}
    folder = index_path.rpartition("/")[0]
    headers: dict[str, bytes] = {}

    def read_header(shard: str, start: int) -> int:
        header, end = _DECODER.raw_decode(text, start)
        path = f"{folder}/{shard}" if folder and shard not in sizes else shard
        headers[path] = _original(header, text[start:end].encode(), sizes[path])
        return end

    def read_part(name: str, start: int) -> int:
        if name == "headers":
            return _read_members(text, start, read_header)
        if name == "index" and text[start] == "{":
            return _read_members(text, start, lambda _, at: _behind(text, at))
        return _DECODER.raw_decode(text, start)[1]

    try:
        text = body.decode()
        _read_members(text, 0, read_part)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return headers or None


def _read_members(text: str, at: int, read: Callable[[str, int], int]) -> int:
    """Walk an object. ``read`` gets each key and where its value begins, and returns where it ends.

    Returns where the object ends.
    """
    at = _expect(text, at, "{")
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, read(key, _expect(text, at, ":")))
        if text[at] != "}":
            at = _expect(text, at, ",")
    return at + 1


def _behind(text: str, at: int) -> int:
    """Where a value ends. A map of strings is stepped over bit by bit.

    The index names each of 150,000 tensors, which no one asks for here; decoded whole it would hold the
    interpreter for a tenth of a second.
    """
    if text[at] == "{":
        end = _skip(text, at + 1)
        while names := _NAMES.match(text, end):
            end = names.end()
        if text[end] == "}":
            return end + 1
    return _DECODER.raw_decode(text, at)[1]


def _expect(text: str, at: int, sign: str) -> int:
    """Where the token after a sign begins."""
    at = _skip(text, at)
    if text[at] != sign:
        raise ValueError(f"{sign} expected")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _original(header: Mapping[str, Any], text: bytes, size_bytes: int) -> bytes:
    """A header's JSON in its original length; ValueError if it can't have had that length."""
    ends = (entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    length = size_bytes - 8 - int(max(ends, default=0))
    if not len(text) <= length <= 2 * len(text) + 4096:
        raise ValueError("header and file do not agree")
    return text.ljust(length)
