"""Reading a GGUF header forward, fetching more where the bytes at hand end."""

from collections.abc import Callable, Generator
from typing import NoReturn, TypeAlias, TypeVar

from explorer.errors import HeaderError
from explorer.spans import Span
from explorer.weights.gguf_cursor import Cursor
from explorer.weights.problems import Problems, quoted

T = TypeVar("T")
Step: TypeAlias = Generator[tuple[Span, ...], tuple[bytes, ...], T]
"""Part of a reading: asks for ranges and returns T."""

FIRST_READ = 1 << 20
"""Bytes of the first read: every scalar, and the whole header of a small vocabulary."""

PIECE = 2 << 20
"""Bytes of each further range."""

_LEAST_PIECES, _MOST_PIECES = 2, 16
_MAX_FETCHED = 128 << 20  # the longest known header is 16 MB


class Reader:
    """A cursor, and where it stands in a file of a size that may be known."""

    def __init__(
        self, path: str, size_bytes: int | None, problems: Problems, piece: int = PIECE
    ) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.problems = problems
        self.cursor = Cursor()
        self._piece = piece
        self._fetched = 0

    def begin(self, first_read: int) -> Step[None]:
        """Fetch the start of the file."""
        yield from self._fetch(first_read)

    def until(self, read: Callable[[], T]) -> Step[T]:
        """What ``read`` returns, called again with more bytes as long as it runs out of them."""
        while True:
            position = self.cursor.position
            try:
                return read()
            except EOFError:
                self.cursor.position = position
            yield from self.more()

    def more(self, expected_end: int = 0) -> Step[None]:
        """Fetch the next ranges, up to where the list being walked is expected to end."""
        cursor = self.cursor
        wanted = expected_end - max(cursor.end, cursor.position)
        pieces = min(max(-(-wanted // self._piece), _LEAST_PIECES), _MOST_PIECES)
        yield from self._fetch(pieces * self._piece)

    def _fetch(self, size: int) -> Step[None]:
        cursor = self.cursor
        start = max(cursor.end, cursor.position)
        stop = start + size if self.size_bytes is None else min(start + size, self.size_bytes)
        if stop <= start:
            self.refuse_short()
        if self._fetched + stop - start > _MAX_FETCHED:
            self.refuse(f"it goes on after {_MAX_FETCHED >> 20} MiB")
        # A file of unknown size may end within the first piece, so it is asked for in one range.
        step = stop - start if self.size_bytes is None else self._piece
        spans = tuple(Span(at, min(at + step, stop)) for at in range(start, stop, step))
        data = b"".join((yield spans))
        if not data:
            self.refuse_short()
        self._fetched += len(data)
        cursor.extend(start, data)
        if len(data) < stop - start:
            self.size_bytes = start + len(data)

    def skip(self, size: int) -> None:
        """Pass over bytes that need not be fetched."""
        self.cursor.position += size
        if self.size_bytes is not None and self.cursor.position > self.size_bytes:
            self.refuse_short()

    def count(self, what: str, most: int, smallest: int) -> int:
        """A count of things, each of at least ``smallest`` bytes; refused where they cannot be there."""
        count = self.cursor.u64()
        if count > most:
            self.refuse(f"it would have {count} {what}")
        if self.size_bytes is not None and count * smallest > self.size_bytes:
            self.refuse(f"it would have {count} {what} in {self.size_bytes} bytes")
        return count

    def string(self, what: str, longest: int) -> str:
        """A string; bytes that are no UTF-8 are written by their numbers and said to be a problem."""
        length = self.cursor.u64()
        if length > longest:
            self.refuse(f"{what} would have {length} bytes")
        data = self.cursor.take(length)
        try:
            return data.decode()
        except UnicodeDecodeError:
            text = data.decode(errors="backslashreplace")
        self.problems.note(f"{what} {quoted(text)} is not UTF-8")
        return text

    def refuse_short(self) -> NoReturn:
        """The header does not end within the file."""
        raise HeaderError(
            f"{self.path} is cut off",
            f"its header goes on after the file's {self.size_bytes} bytes",
        )

    def refuse(self, why: str) -> NoReturn:
        """The header says what cannot be."""
        raise HeaderError(f"The header of {self.path} cannot be read", why)
