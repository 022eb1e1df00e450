"""How counts, bytes, tokens and times are written, for the command line and the UI alike.

Memory is binary (GiB, MiB), as engines print it; files are decimal (GB, MB), as hubs show them.
"""

import re
from datetime import UTC, datetime

import humanize

from explorer.errors import UsageError

GIB = 1024**3
MIB = 1024**2

_BINARY = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kmgt]?)(i?)(b?)\s*", re.IGNORECASE)
_TOKENS = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([km]?)\s*", re.IGNORECASE)


def memory(size_bytes: float) -> str:
    """Bytes of memory: ``18.9 GiB``, ``512 MiB``, ``36 KiB``."""
    for unit, scale in (("GiB", GIB), ("MiB", MIB)):
        if abs(size_bytes) >= scale:
            value = size_bytes / scale
            return f"{value:.{_decimals(value)}f} {unit}"
    return f"{size_bytes / 1024:.0f} KiB"


def gib(size_bytes: float) -> str:
    """Bytes as a bare number of GiB, for columns whose heading has the unit: ``18.9``."""
    value = size_bytes / GIB
    return f"{value:.{_decimals(value)}f}"


def file_size(size_bytes: float) -> str:
    """Size of a file as hubs show it: ``4.97 GB``."""
    return humanize.naturalsize(size_bytes, format="%.2f" if size_bytes >= 1e9 else "%.1f")


def count(number: float | None) -> str:
    """A count to three figures: ``30.5 B``, ``1.2 M``, ``850``; ``?`` when unknown."""
    if number is None:
        return "?"
    for unit, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if abs(number) >= scale * 0.9995:
            value = number / scale
            return f"{value:.{_decimals(value)}f} {unit}"
    return f"{number:.0f}"


def tokens(number: int | None) -> str:
    """A context length, in binary thousands as models are described: ``32K``, ``1M``; ``?`` if unknown."""
    if number is None:
        return "?"
    for unit, scale in (("M", 1024**2), ("K", 1024)):
        if number >= scale:
            value = number / scale
            return (
                f"{value:.0f}{unit}" if value >= 10 or value == int(value) else f"{value:.1f}{unit}"
            )
    return str(number)


def most_tokens(number: int, limit: int | None) -> str:
    """The longest context that memory allows: ``40K``; ``1M, limit ?`` if the model states no limit."""
    return tokens(number) + ("" if limit is not None else ", limit ?")


def speed(tokens_per_second: float) -> str:
    """``~95/s``, ``~6,942/s``; below ten with one decimal."""
    return f"~{tokens_per_second:,.{0 if tokens_per_second >= 10 else 1}f}/s"


def percent(part: float, whole: float) -> str:
    """Share of a whole; ``-`` if the whole is nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """Time since a moment in one short unit: ``3 mo``, ``2 d``, ``5 h``; ``?`` when unknown."""
    if moment is None:
        return "?"
    return seconds(((now or datetime.now(UTC)) - moment).total_seconds())


def seconds(duration: float) -> str:
    """A duration in one short unit."""
    day = 86400
    for unit, scale in (("y", 365 * day), ("mo", 30 * day), ("d", day), ("h", 3600), ("min", 60)):
        if duration >= scale:
            return f"{duration / scale:.0f} {unit}"
    return f"{max(duration, 0):.0f} s"


def parse_tokens(text: str) -> int:
    """``32768``, ``32k``, ``128K``, ``1M`` as a number of tokens; K is 1024.

    Raises UsageError for anything else, and for zero.
    """
    match = _TOKENS.fullmatch(text)
    value = round(float(match[1]) * _BINARY[match[2].lower()]) if match else 0
    if value <= 0:
        raise UsageError(f"“{text}” is not a number of tokens", hint="write 32768, 32k, 128K or 1M")
    return value


def parse_memory(text: str) -> int:
    """``512 MiB``, ``64GB``, ``1.5g`` as bytes. Memory is binary whatever it is called.

    Raises UsageError for anything else.
    """
    match = _SIZE.fullmatch(text)
    if not match:
        raise UsageError(f"“{text}” is not a size", hint="write 512 MiB, 1.5 GiB or 64GB")
    return round(float(match[1]) * _BINARY[match[2].lower()])


def _decimals(value: float) -> int:
    """Digits after the point that keep three figures, at most two decimals below ten."""
    return 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
