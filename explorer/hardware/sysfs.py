"""Small files of a running Linux system, read so that nothing they hold can do harm."""

import re
from pathlib import Path

MAX_BYTES = 1 << 20

_NUMBER = re.compile(r"\s*(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})\s*")


def read_text(path: Path) -> str:
    """The text of a file, at most 1 MiB of it, or nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):  # a path from a file may hold a null byte
        return ""


def read_number(path: Path) -> int | None:
    """The one whole number in a file, decimal or 0x hexadecimal, or None if that is not what it holds."""
    return number(read_text(path))


def number(text: str) -> int | None:
    """A whole number, decimal or 0x hexadecimal, or None if the text is anything else."""
    match = _NUMBER.fullmatch(text)
    return int(match[1], 0 if match[1][:2].lower() == "0x" else 10) if match else None


def list_folder(path: Path, pattern: str) -> list[Path]:
    """The entries of a folder that match, by name; none if it cannot be read."""
    try:
        return sorted(path.glob(pattern))
    except OSError:
        return []


def printable(text: str, limit: int = 80) -> str:
    """A name from a driver as one short line without control characters."""
    kept = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(kept.split())[:limit]
