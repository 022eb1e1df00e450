"""The central directory of a zip archive, which stands at its end and says where each member is.

After PKWARE's APPNOTE 6.3.10. Python's ``zipfile`` needs a file to seek in; this needs the last bytes.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from explorer.spans import Span

TAIL = 66_000
"""Bytes at the end of a file among which the end record is: 22, a comment of up to 65,535, zip64."""

_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_ENTRY = struct.Struct("<4s6H3I5H2I")
LOCAL = struct.Struct("<4s5H3I2H")
"""The header in front of a member's data; its last two fields are lengths of name and extra field."""

_SATURATED = 0xFFFFFFFF
_DESCRIPTOR = 1 << 3  # flag: sizes follow the data


class Member(NamedTuple):
    """One file in the archive."""

    name: str
    stored: bool
    """Whether its bytes are as they are, not compressed."""
    size_bytes: int
    """As stored in the archive."""
    header_start: int
    """Where its local header is."""
    has_descriptor: bool
    """Whether sizes are repeated after its data."""

    def descriptor_bytes(self) -> int:
        """Bytes of the record after the data: 64-bit sizes for members that need a zip64 field."""
        if not self.has_descriptor:
            return 0
        return 24 if max(self.size_bytes, self.header_start) >= _SATURATED else 16


def find_directory(tail: bytes, size_bytes: int) -> Span | None:
    """Where the central directory is, by the end record in the file's last bytes; None without one.

    Raises ValueError where the records contradict each other or the file's size.
    """
    tail_start = size_bytes - len(tail)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0 and (
        at + _END.size > len(tail) or at + _END.size + _END.unpack_from(tail, at)[7] > len(tail)
    ):
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if at < 0:
        return None
    *_, size, start, _comment = _END.unpack_from(tail, at)
    locator = at - _LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        _, _, record, _ = _LOCATOR.unpack_from(tail, locator)
        inside = record - tail_start
        if not 0 <= inside <= len(tail) - _END64.size:
            raise ValueError("its zip64 record is not at its end")
        *_, size, start = _END64.unpack_from(tail, inside)
    if start + size > tail_start + at:
        raise ValueError("its directory does not lie within the file")
    return Span(start, start + size)


def read_members(directory: bytes) -> Iterator[Member]:
    """The members that a central directory lists. Raises ValueError where it is damaged."""
    at = 0
    while at < len(directory):
        if at + _ENTRY.size > len(directory) or directory[at : at + 4] != b"PK\x01\x02":
            raise ValueError("its directory is damaged")
        (
            _,
            _,
            _,
            flags,
            method,
            _,
            _,
            _,
            packed,
            size,
            name_size,
            extra_size,
            comment_size,
            *rest,
        ) = _ENTRY.unpack_from(directory, at)
        start: int = rest[-1]
        at += _ENTRY.size
        name = directory[at : at + name_size].decode(errors="backslashreplace")
        extra = directory[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if at > len(directory):
            raise ValueError("its directory is damaged")
        packed, start = _wide(extra, size, packed, start)
        yield Member(name, method == 0, packed, start, bool(flags & _DESCRIPTOR))


def _wide(extra: bytes, size: int, packed: int, start: int) -> tuple[int, int]:
    """Packed size and start, from the zip64 extra field (id 1) where 32 bits were not enough."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if kind == 1:
            values = iter(struct.unpack_from(f"<{len(body) // 8}Q", body))
            if size == _SATURATED:
                next(values, None)
            packed = next(values, packed) if packed == _SATURATED else packed
            start = next(values, start) if start == _SATURATED else start
        at += 4 + length
    return packed, start
