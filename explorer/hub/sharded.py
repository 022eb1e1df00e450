"""The hub's answer with every header of a sharded model, taken apart into the headers' own bytes."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from explorer.hub.source import RepoFile

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = r'"(?:[^"\\]|\\.)*+"[ \t\n\r]*+'
_NAMES = re.compile(rf"(?:{_STRING}:[ \t\n\r]*+{_STRING}(?:,[ \t\n\r]*+)?){{1,500}}+")
_INDEX = re.compile(r"\.safetensors\.index(\.[\w-]+)?\.json$")
_SHARD = re.compile(r"[0-9]{1,6}-of-[0-9]{1,6}.*\.safetensors$")
_DECODER = json.JSONDecoder()


def read_sharded(
    body: bytes, index_path: str, files: Iterable[RepoFile]
) -> Mapping[str, bytes] | None:
    """Header JSON by shard path, in the length it has in the file: padded with spaces like the original.

    The answer has ``{"index": {...}, "headers": {shard: header}}``, spaced as the hub likes, without the
    headers' lengths. Those follow from the files: the size less the tensors' data and the 8 bytes of the
    length itself. None if the two do not agree, as when the model has changed since its files were listed.
    """
    sizes = {file.path: file.size_bytes for file in files}
    folder = index_path.rpartition("/")[0]
    headers: dict[str, bytes] = {}

    def read_header(shard: str, start: int) -> int:
        header, end = _DECODER.raw_decode(text, start)
        path = f"{folder}/{shard}" if folder and shard not in sizes else shard
        headers[path] = _original(header, text[start:end], sizes[path])
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


def _original(header: Mapping[str, Any], text: str, size_bytes: int) -> bytes:
    """A header's JSON in its original length; ValueError if it can't have had that length."""
    ends = (entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    length = size_bytes - 8 - int(max(ends, default=0))
    written = text.encode()
    if len(written) > length:
        written = _unspaced(text).encode()
    if not len(written) <= length <= 2 * len(text) + 4096:
        raise ValueError("header and file do not agree")
    return written.ljust(length)


def _unspaced(text: str) -> str:
    """The same JSON in fewer characters: no space between the values, no escapes for plain letters.

    Names that are there twice stay so, which is for the header's own parser to say.
    """
    pairs = json.JSONDecoder(object_pairs_hook=_Members).decode(text)
    return "".join(_compact(pairs))


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object, each of those with the same name."""


def _compact(value: object) -> Iterator[str]:
    if isinstance(value, _Members):
        yield "{"
        for number, (name, member) in enumerate(value):
            yield f"{',' if number else ''}{json.dumps(name, ensure_ascii=False)}:"
            yield from _compact(member)
        yield "}"
    else:
        # a list of objects, which no header has, is written as one of lists and refused like them
        yield json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def indices_of(files: Iterable[RepoFile]) -> tuple[str, ...]:
    """The indices of safetensors shards among some files, by their names."""
    return tuple(file.path for file in files if _INDEX.search(file.path))


def index_of(path: str, indices: Iterable[str]) -> str | None:
    """The index that a shard stands in, by the names in its folder; None if there is none that fits.

    ``model-00001-of-00002.safetensors`` and ``model.safetensors-00001-of-00002.safetensors`` both stand in
    ``model.safetensors.index.json``. Where no index begins like the shard, a single one is it.
    """
    if not path.endswith(".safetensors"):
        return None
    folder, _, name = path.rpartition("/")
    beside = [index for index in indices if index.rpartition("/")[0] == folder]
    alike = [index for index in beside if name.startswith(_base(index))]
    if alike:
        return max(alike, key=lambda index: len(_base(index)))
    return beside[0] if len(beside) == 1 else None


def shards_of(index_path: str, files: Iterable[RepoFile]) -> tuple[RepoFile, ...]:
    """The numbered files that stand in an index, by their names."""
    files = tuple(files)
    indices = indices_of(files)
    numbered = (file for file in files if _SHARD.search(file.path))
    return tuple(file for file in numbered if index_of(file.path, indices) == index_path)


def _base(index: str) -> str:
    """``model`` of ``unet/model.safetensors.index.json``."""
    return _INDEX.sub("", index.rpartition("/")[2])
