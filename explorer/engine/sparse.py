"""Sparse files: a real header, and a hole where the data would be."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Piece(NamedTuple):
    """Bytes of a file and where they stand in it."""

    start: int
    data: bytes


def write_sparse(path: Path, pieces: Iterable[Piece], size_bytes: int) -> None:
    """A file of full size that takes little more room than its pieces. Raises OSError."""
    with path.open("wb") as file:
        for piece in pieces:
            file.seek(piece.start)
            file.write(piece.data)
        file.truncate(size_bytes)
