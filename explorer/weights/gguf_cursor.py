"""A window on a GGUF file's bytes that moves forward, and the primitives read from it.

A read that reaches beyond the window raises ``EOFError`` and moves nothing, so that the reader can fetch
more and ask again.
"""

import struct
from typing import Literal, TypeAlias

from explorer.weights.tensors import Scalar

ByteOrder: TypeAlias = Literal["<", ">"]

STRING, ARRAY = 8, 9

VALUE_TYPES = (
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool",
    "string", "array", "uint64", "int64", "float64",
)  # fmt: skip
"""Names of ``enum gguf_type`` by number."""

_CODES: tuple[str, ...] = ("B", "b", "H", "h", "I", "i", "f", "?", "", "", "Q", "q", "d")


class Cursor:
    """Bytes ``base`` to ``base + len(data)`` of a file, and a position among them or behind them."""

    __slots__ = ("_length", "base", "data", "order", "position")

    def __init__(self) -> None:
        self.base = 0
        self.data = b""
        self.position = 0
        self.order: ByteOrder = "<"
        self._length = struct.Struct("<Q")

    def set_order(self, order: ByteOrder) -> None:
        """Numbers are of this byte order from here on."""
        self.order = order
        self._length = struct.Struct(order + "Q")

    @property
    def end(self) -> int:
        """Where the window ends in the file."""
        return self.base + len(self.data)

    def extend(self, start: int, data: bytes) -> None:
        """Add bytes of the file that begin at ``start``, and forget those before the position."""
        kept = self.data[self.position - self.base :] if start == self.end else b""
        self.base = start - len(kept)
        self.data = kept + data

    def take(self, size: int) -> bytes:
        """The next bytes."""
        at = self.position - self.base
        if at + size > len(self.data):
            raise EOFError
        self.position += size
        return self.data[at : at + size]

    def numbers(self, value_type: int, count: int) -> tuple[Scalar, ...]:
        """So many numbers of one type."""
        layout = struct.Struct(f"{self.order}{count}{_CODES[value_type]}")
        return layout.unpack(self.take(layout.size))

    def u32(self) -> int:
        """One unsigned number of 32 bits."""
        (value,) = struct.unpack(self.order + "I", self.take(4))
        return int(value)

    def u64(self) -> int:
        """One unsigned number of 64 bits."""
        (value,) = self._length.unpack(self.take(8))
        return int(value)

    def walk_strings(self, count: int) -> int:
        """Pass over up to ``count`` strings without keeping them; how many were passed.

        A string whose end is behind the window is passed too, so the position may come to lie there.
        """
        data, size, unpack = self.data, len(self.data), self._length.unpack_from
        at = self.position - self.base
        left = count
        while left and at + 8 <= size:
            at += 8 + unpack(data, at)[0]
            left -= 1
        self.position = self.base + at
        return count - left


def width(value_type: int) -> int:
    """Bytes of one number of this type; 0 for strings and arrays."""
    return struct.calcsize("<" + _CODES[value_type])
