"""Driving a reading over bytes in memory, with an eye on what it asks for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import safetensors

from explorer.spans import Reading, Span
from explorer.weights.tensors import Header

T = TypeVar("T")
Deserialize: TypeAlias = Callable[[bytes], list[tuple[str, dict[str, Any]]]]


@dataclass
class Wire:
    """A file's bytes that count the ranges they are asked for, and refuse those outside of it."""

    data: bytes
    rounds: list[tuple[Span, ...]] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        return [span for spans in self.rounds for span in spans]

    @property
    def fetched(self) -> int:
        return sum(span.size for span in self.spans)

    def __len__(self) -> int:
        return len(self.data)

    def piece(self, span: Span) -> bytes:
        return self.data[span.start : span.stop]

    def read(self, reading: Reading[T]) -> T:
        try:
            spans = next(reading)
            while True:
                self.rounds.append(spans)
                assert all(0 <= start < stop <= len(self) for start, stop in spans), spans
                spans = reading.send(tuple(self.piece(span) for span in spans))
        except StopIteration as end:
            result: T = end.value
            return result


@dataclass
class SparseWire(Wire):
    """A file of which only the beginning and the end are known; between them are zeros."""

    size_bytes: int = 0
    tail: bytes = b""

    def __len__(self) -> int:
        return self.size_bytes

    def piece(self, span: Span) -> bytes:
        tail_start = self.size_bytes - len(self.tail)
        head = self.data[span.start : span.stop]
        end = self.tail[max(0, span.start - tail_start) : max(0, span.stop - tail_start)]
        return head + bytes(span.size - len(head) - len(end)) + end


def names(header: Header) -> list[str]:
    return [tensor.name for tensor in header.tensors]


DATA = Path(__file__).parents[2] / "data"


def deserialized(data: bytes) -> list[tuple[str, str, tuple[int, ...], bytes]]:
    """Name, dtype, shape and data of each tensor, as the safetensors library reads them."""
    read: Deserialize = safetensors.deserialize
    return [(n, f["dtype"], tuple(f["shape"]), bytes(f["data"])) for n, f in read(data)]
