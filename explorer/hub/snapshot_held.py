"""Real bytes of real weight files, as a portable snapshot holds them: their headers, never their data."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from explorer.errors import HeaderError, HubError
from explorer.spans import Span

LARGEST_STEP = 64 << 20
"""Bytes given for one range at most: no parser asks for more of a header that is real."""


class HeldFile(NamedTuple):
    """What is held of one weight file."""

    path: str
    pieces: tuple[tuple[int, bytes], ...]
    """Where each stretch begins, and its bytes; ascending, and apart from one another."""
    header: bool = True
    """The stretches are all that precedes the tensors' data, so that every other byte is data."""

    def read(self, span: Span, size_bytes: int) -> bytes:
        """The bytes of a range; data reads as zeros.

        Raises HubError for bytes that are not held and may be more than data.
        """
        stop = min(span.stop, size_bytes)
        if stop - span.start > LARGEST_STEP:
            raise HeaderError(f"{self.path} asks for too much", "its header claims to be enormous")
        if stop <= span.start:
            return b""
        found = bytearray(stop - span.start)
        covered = 0
        for start, held in self.pieces:
            first, last = max(span.start, start), min(stop, start + len(held))
            if first < last:
                found[first - span.start : last - span.start] = held[first - start : last - start]
                covered += last - first
        if covered < len(found) and not self.header:
            raise HubError(
                f"The snapshot does not hold bytes {span.start} to {stop} of {self.path}",
                hint="make it again with this version of the program",
            )
        return bytes(found)


def held_file(path: str, ranges: Iterable[tuple[int, bytes]], data_start: int | None) -> HeldFile:
    """What is to be held of a file whose ranges were read.

    ``data_start`` cuts the tensors' data off that came along; without it everything is kept.
    """
    cut = [
        (start, held if data_start is None else held[: max(data_start - start, 0)])
        for start, held in sorted(ranges)
    ]
    joined: list[tuple[int, bytearray]] = []
    for start, held in cut:
        end = joined[-1][0] + len(joined[-1][1]) if joined else -1
        if start <= end:
            joined[-1][1].extend(held[end - start :])
        elif held:
            joined.append((start, bytearray(held)))
    pieces = tuple((start, bytes(held)) for start, held in joined)
    return HeldFile(path, pieces, header=data_start is not None)


def pack(files: Iterable[HeldFile]) -> bytes:
    """Held files as bytes: a line of JSON that tells where each stretch is, then the stretches."""
    files = tuple(files)
    places = [
        [file.path, file.header, [[start, len(held)] for start, held in file.pieces]]
        for file in files
    ]
    line = json.dumps(places, separators=(",", ":"), ensure_ascii=False).encode()
    return line + b"\n" + b"".join(held for file in files for _, held in file.pieces)


def unpack(data: bytes) -> Mapping[str, HeldFile]:
    """The inverse of ``pack``, by path. Raises ValueError for bytes that it did not write."""
    line, _, rest = data.partition(b"\n")
    at = 0
    files: dict[str, HeldFile] = {}
    for path, header, places in _list(json.loads(line)):
        pieces = []
        for start, length in _list(places):
            if not 0 <= length <= len(rest) - at or start < 0:
                raise ValueError(f"{path} has no {length} bytes")
            pieces.append((int(start), rest[at : at + length]))
            at += length
        files[str(path)] = HeldFile(str(path), tuple(pieces), bool(header))
    if at != len(rest):
        raise ValueError("bytes are left over")
    return files


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.80} is not a list")
    return value
