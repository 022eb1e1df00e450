"""The hub's answer with every header of a sharded model, made into the headers' own bytes."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from explorer.hub.source import RepoFile


def read_sharded(
    body: bytes, index_path: str, files: Iterable[RepoFile]
) -> Mapping[str, bytes] | None:
    """Header JSON by shard path, as long as it is in the file: padded with spaces like the original.

    The answer has headers parsed, so their length is told by the file: its size less the tensors'
    data and the 8 bytes of the length itself. None if the two do not agree, as when the model has
    changed since its files were listed.
    """
    sizes = {file.path: file.size_bytes for file in files}
    folder = index_path.rpartition("/")[0]
    try:
        headers = _headers(json.loads(body))
        return {
            path: _original(header, sizes[path])
            for shard, header in headers.items()
            for path in [f"{folder}/{shard}" if folder and shard not in sizes else shard]
        } or None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _headers(content: Any) -> Mapping[str, Any]:
    headers = content["headers"]
    if not isinstance(headers, dict):
        raise TypeError("no headers")
    return headers


def _original(header: Any, size_bytes: int) -> bytes:
    """A header's JSON in its original length; ValueError if it can't have had that length."""
    ends = [
        int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"
    ]
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    length = size_bytes - 8 - max(ends, default=0)
    if not len(text) <= length <= 2 * len(text) + 4096:
        raise ValueError("header and file do not agree")
    return text.ljust(length)
