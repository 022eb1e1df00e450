"""Values out of a configuration that a stranger wrote: of the right kind, or nothing."""

from collections.abc import Mapping
from typing import TypeAlias

JsonObject: TypeAlias = Mapping[str, object]

MAX_LISTED = 100_000
"""Entries of a list or object that are looked at."""


def object_of(value: object) -> JsonObject:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def text_of(value: object) -> str:
    """Return a string of at most 1,000 characters; an empty one for anything else."""
    return value[:1000] if isinstance(value, str) else ""


def texts_of(value: object) -> tuple[str, ...]:
    """Return the strings of a list; nothing for anything else."""
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value[:MAX_LISTED] if isinstance(item, str))


def width_in(value: object) -> float | None:
    """Return a positive width or count; None for what is none, or absurd."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= 4096 else None


def group_size_of(value: object) -> int | None:
    """Return a group size; None for -1, which means a whole row, and for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
