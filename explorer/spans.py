"""Byte ranges, and how a parser asks for them.

Parsers do no I/O. A parser is a generator that yields the ranges it needs next, is sent their bytes
in the same order, and returns what it read. Whoever drives it decides where the bytes come from and
how many requests fly at once: the hub's ranged reader, a local file, the snapshot, a test.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")


class Span(NamedTuple):
    """Bytes ``start`` (included) to ``stop`` (excluded) of one file."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of bytes asked for."""
        return self.stop - self.start


Reading: TypeAlias = Generator[tuple[Span, ...], tuple[bytes, ...], T]
"""A parse under way: yields ranges, is sent their bytes (shorter only at the file's end), returns T."""


def drive(reading: Reading[T], fetch: Callable[[Span], bytes]) -> T:
    """Run a reading to its end over a function that returns the bytes of one range."""
    try:
        spans = next(reading)
        while True:
            spans = reading.send(tuple(fetch(span) for span in spans))
    except StopIteration as end:
        result: T = end.value
        return result
