"""Small writers of GGUF and torch files, independent of the parsers, right and wrong on purpose."""

import io
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

ByteOrder: TypeAlias = Literal["<", ">"]
Plain: TypeAlias = str | int | float | bool

NUMBERS = {
    "uint8": (0, "B"),
    "int8": (1, "b"),
    "uint16": (2, "H"),
    "int16": (3, "h"),
    "uint32": (4, "I"),
    "int32": (5, "i"),
    "float32": (6, "f"),
    "bool": (7, "?"),
    "uint64": (10, "Q"),
    "int64": (11, "q"),
    "float64": (12, "d"),
}
"""Number and struct code of each numeric value type, after gguf.md."""


@dataclass
class Gguf:
    """A GGUF file being put together."""

    order: ByteOrder = "<"
    version: int = 3
    keys: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)
    data_bytes: int = 0
    alignment: int = 32
    counts: tuple[int, int] | None = None
    """Claimed numbers of tensors and keys, where they are to be wrong."""

    def pack(self, code: str, *values: Plain) -> bytes:
        return struct.pack(self.order + code, *values)

    def string(self, text: str | bytes) -> bytes:
        data = text if isinstance(text, bytes) else text.encode()
        return self.pack("Q", len(data)) + data

    def value(self, key: str, value_type: int, body: bytes) -> "Gguf":
        self.keys.append(self.string(key) + self.pack("I", value_type) + body)
        return self

    def number(self, key: str, kind: str, value: Plain) -> "Gguf":
        value_type, code = NUMBERS[kind]
        return self.value(key, value_type, self.pack(code, value))

    def text(self, key: str, value: str | bytes) -> "Gguf":
        return self.value(key, 8, self.string(value))

    def numbers(self, key: str, kind: str, values: Sequence[Plain]) -> "Gguf":
        value_type, code = NUMBERS[kind]
        body = self.pack(f"{len(values)}{code}", *values)
        return self.value(key, 9, self.pack("IQ", value_type, len(values)) + body)

    def strings(self, key: str, values: Sequence[str]) -> "Gguf":
        body = b"".join(map(self.string, values))
        return self.value(key, 9, self.pack("IQ", 8, len(values)) + body)

    def tensor(
        self,
        name: str | bytes,
        type_number: int,
        dimensions: Sequence[int],
        size_bytes: int,
        offset: int | None = None,
    ) -> "Gguf":
        at = self.data_bytes if offset is None else offset
        rank = self.pack("I", len(dimensions)) + self.pack(f"{len(dimensions)}Q", *dimensions)
        self.tensors.append(self.string(name) + rank + self.pack("IQ", type_number, at))
        self.data_bytes = -(-(at + size_bytes) // self.alignment) * self.alignment
        return self

    def header(self) -> bytes:
        counts = self.counts or (len(self.tensors), len(self.keys))
        head = b"GGUF" + self.pack("IQQ", self.version, *counts)
        return head + b"".join(self.keys) + b"".join(self.tensors)

    def file(self) -> bytes:
        header = self.header()
        return header + bytes(-len(header) % self.alignment) + bytes(self.data_bytes)


class Pickle:
    """A pickle of protocol 2 in the manner of torch, opcode by opcode."""

    @staticmethod
    def text(value: str) -> bytes:
        data = value.encode()
        return b"X" + struct.pack("<I", len(data)) + data

    @staticmethod
    def number(value: int) -> bytes:
        if 0 <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + bytes([len(data)]) + data

    @staticmethod
    def name(module: str, name: str) -> bytes:
        return f"c{module}\n{name}\n".encode()

    @staticmethod
    def many(*items: bytes) -> bytes:
        return b"(" + b"".join(items) + b"t"

    @staticmethod
    def mapping(pairs: dict[str, bytes]) -> bytes:
        return b"}(" + b"".join(Pickle.text(k) + v for k, v in pairs.items()) + b"u"

    @staticmethod
    def called(function: bytes, *arguments: bytes) -> bytes:
        return function + Pickle.many(*arguments) + b"R"

    @staticmethod
    def tensor(
        kind: str,
        key: str,
        elements: int,
        shape: tuple[int, ...],
        *,
        offset: int = 0,
        strides: tuple[int, ...] | None = None,
    ) -> bytes:
        if strides is None:
            steps, step = [], 1
            for size in reversed(shape):
                steps.append(step)
                step *= size
            strides = tuple(reversed(steps))
        storage = Pickle.many(
            Pickle.text("storage"),
            Pickle.name("torch", kind),
            Pickle.text(key),
            Pickle.text("cpu"),
            Pickle.number(elements),
        )
        return Pickle.called(
            Pickle.name("torch._utils", "_rebuild_tensor_v2"),
            storage + b"Q",
            Pickle.number(offset),
            Pickle.many(*map(Pickle.number, shape)),
            Pickle.many(*map(Pickle.number, strides)),
            b"\x89",
            Pickle.called(Pickle.name("collections", "OrderedDict")),
        )

    @staticmethod
    def whole(body: bytes) -> bytes:
        return b"\x80\x02" + body + b"."


def archive(
    pickled: bytes, storages: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED
) -> bytes:
    """A zip archive with the members of a torch checkpoint, as Python's zipfile lays it out."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        members = {"data.pkl": pickled, **{f"data/{key}": data for key, data in storages.items()}}
        for name, data in members.items():
            # Made without a date: test processes must agree on the bytes, which name the tests.
            member = zipfile.ZipInfo(f"archive/{name}")
            member.compress_type = compression
            written.writestr(member, data)
    return file.getvalue()
