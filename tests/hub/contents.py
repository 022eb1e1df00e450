"""Contents of files: real bytes, a file on disk, or a header followed by zeros that take no memory."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol


class Content(Protocol):
    """Bytes that can be read anywhere without holding the whole."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    @property
    def sha256(self) -> str:
        """Content hash; of a description where the bytes are made up on demand."""
        ...

    def read(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop``, both within the file."""
        ...


@dataclass(frozen=True)
class RealBytes:
    """Content held in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    @cached_property
    def sha256(self) -> str:
        """Hash of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def read(self, start: int, stop: int) -> bytes:
        """A slice."""
        return self.data[start:stop]


@dataclass(frozen=True)
class ZeroFilled:
    """A beginning that is kept and zeros up to ``size``: a 65 GB weight file in the room of its header."""

    beginning: bytes
    size: int

    @cached_property
    def sha256(self) -> str:
        """Hash of the beginning and the size: hashing 65 GB of zeros would take a minute."""
        digest = hashlib.sha256(b"zero-filled %d\0" % self.size)
        digest.update(self.beginning)
        return digest.hexdigest()

    def read(self, start: int, stop: int) -> bytes:
        """A slice of the beginning, filled up with zeros."""
        return self.beginning[start:stop].ljust(max(min(stop, self.size) - start, 0), b"\0")


@dataclass(frozen=True)
class FileOnDisk:
    """A real file, read where it lies."""

    path: Path

    @cached_property
    def size(self) -> int:
        """Number of bytes when first asked."""
        return self.path.stat().st_size

    @cached_property
    def sha256(self) -> str:
        """Hash of the bytes."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, start: int, stop: int) -> bytes:
        """A range of the file."""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)
