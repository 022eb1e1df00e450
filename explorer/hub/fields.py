"""Single values out of a hub's JSON: of the kind they should be, or None. Nothing here raises."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LONGEST_TEXT = 1_000
MOST_ITEMS = 1_000
LARGEST_COUNT = 1 << 63


def mapping_of(value: object) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str | None:
    """A text that can be encoded, bounded: JSON may have half a surrogate pair."""
    if not isinstance(value, str) or not value:
        return None
    return value[:LONGEST_TEXT].encode(errors="replace").decode()


def texts_of(value: object) -> tuple[str, ...]:
    """A list of strings, or one string, as cards have both."""
    items = value[:MOST_ITEMS] if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := text_of(item)) is not None)


def number_of(value: object) -> float | None:
    """A number of no absurd size."""
    return float(value) if isinstance(value, int | float) and abs(value) < LARGEST_COUNT else None


def count_of(value: object) -> int | None:
    """A whole number that is not negative; JSON may write it ``7.0``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < LARGEST_COUNT else None


def moment_of(value: object) -> datetime | None:
    """An ISO 8601 moment, in UTC where it names no zone."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
