"""Filters as words that a person types and edits.

    qwen author:Qwen params:7B..32B active:..4B context:>=32k license:commercial license:apache-2.0
    fits speed:>=20 format:gguf quant:Q4_K gated:no lang:de updated:>=2026-01-01 sort:likes

``fits`` is short for ``verdict:tight``: on the accelerator, under the reserve or not; ``runs`` for
``verdict:offload``. One size alone means about that size: ``params:8B`` is within a tenth of it. Days
count back from today: ``updated:90d``, ``created:1y``. What is in quotes is looked for in names.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, TypeVar, get_args

from explorer.errors import UsageError
from explorer.fit.values import Verdict
from explorer.hub.source import Sort
from explorer.inspection.filters import Bounds, Filters, Period, Use
from explorer.units import parse_tokens

LONGEST = 2_000
"""Characters of a line of words that are read at most."""

_WORD = re.compile(r'"[^"]*"?|[^\s"]+')
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([KMBT]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_BACK = re.compile(r"(\d{1,5})(d|w|mo|y)")
_DAYS = {"d": 1, "w": 7, "mo": 30, "y": 365}
_SHORT = {"fits": Verdict.TIGHT, "runs": Verdict.OFFLOAD}
_VERDICTS = {str(verdict): verdict for verdict in Verdict if verdict is not Verdict.TOO_LARGE}
_GATED = {"yes": True, "no": False}
_RUNNING = "at least fits, tight or offload"
V = TypeVar("V")


def parse_filters(words: str, today: date | None = None) -> Filters:
    """Read filters from words; ``today`` is where ages count from.

    Raises UsageError for a key that is not known, or a value that its key cannot have.
    """
    if len(words) > LONGEST:
        raise UsageError("The filters are too long", f"{len(words):,} characters")
    filters, text = Filters(), []
    for word in _WORD.findall(words):
        key, colon, value = word.partition(":")
        if word.startswith('"'):
            text.append(word.strip('"'))
        elif word.lower() in _SHORT:
            filters = replace(filters, verdict=_SHORT[word.lower()])
        elif colon:
            filters = set_filter(filters, key.lower(), value, today)
        else:
            text.append(word)
    return replace(filters, text=" ".join(" ".join(text).split()))


def format_filters(filters: Filters) -> str:
    """The words that ``parse_filters`` reads these filters from; empty if nothing is asked."""
    text = (
        f'"{word}"' if ":" in word or word.lower() in _SHORT else word
        for word in filters.text.split()
    )
    said = (f"{key}:{value}" for key, value in _said(filters))
    short = {f"verdict:{verdict}": word for word, verdict in _SHORT.items()}
    return " ".join((*text, *(short.get(word, word) for word in said)))


def parse_bounds(text: str) -> Bounds:
    """``7B..32B``, ``7B..``, ``..32B``, ``>=7B``, ``<=32B``, or ``8B`` for about that.

    Raises UsageError for anything else.
    """
    least, most = _ends(text, parse_count)
    if least is not None and least == most and ".." not in text:
        return Bounds(least * 9 // 10, least * 11 // 10)
    if least is not None and most is not None and least > most:
        raise UsageError(f"“{text}” ends before it begins", hint="write 7B..32B")
    return Bounds(least, most)


def parse_period(text: str, today: date | None = None) -> Period:
    """``2026-01-01`` or ``>=2026-01-01`` (since), ``<=``, ``2025-01-01..2025-12-31``, ``90d``, ``6mo``.

    Raises UsageError for anything else.
    """
    since, until = _ends(text, lambda end: _day(end, today))
    if ".." not in text and since == until:
        until = None
    return Period(since, until)


def parse_count(text: str) -> int:
    """``7B``, ``1.5b``, ``350M``, ``8000000000``; units are decimal. Raises UsageError for anything else."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"“{text}” is not a count", hint="write 7B, 1.5B or 350M")
    return round(float(match[1]) * _UNITS[match[2].lower()])


def parse_speed(text: str) -> float:
    """Tokens a second: ``20``, ``>=7.5``. Raises UsageError for anything else."""
    match = re.fullmatch(r"(?:>=)?(\d{1,6}(?:\.\d{1,3})?)(?:/s)?", text.strip())
    if match is None:
        raise UsageError(f"“{text}” is not a speed", hint="write 20: tokens a second")
    return float(match[1])


class _Key(NamedTuple):
    """How the value of one key is read into the filters, and written."""

    read: Callable[[Filters, str, date | None], Filters]
    write: Callable[[Filters], str]


def set_filter(filters: Filters, key: str, value: str, today: date | None = None) -> Filters:
    """The filters with one more key set, as the word ``key:value`` sets it. Raises UsageError."""
    known = _KEYS.get(_ALIASES.get(key, key))
    if known is None:
        raise UsageError(
            f"“{key}:” is not a filter",
            hint=f"known are {', '.join(_KEYS)}; words in quotes are looked for in names",
        )
    if not value:
        raise UsageError(f"“{key}:” has no value yet")
    return known.read(filters, value, today)


def _said(filters: Filters) -> Iterator[tuple[str, str]]:
    """Keys and values that differ from asking nothing; a license twice where it is asked twice."""
    for key, known in _KEYS.items():
        for value in known.write(filters).split("\n"):
            if value:
                yield key, value


def _ends(text: str, read: Callable[[str], V]) -> tuple[V | None, V | None]:
    """Both ends of a range; of one value alone, twice that."""
    low, dots, high = text.partition("..")
    if dots:
        if not low and not high:
            raise UsageError(f"“{text}” has no end", hint="write 7B..32B, 7B.. or ..32B")
        return (read(low) if low else None), (read(high) if high else None)
    if text.startswith(">="):
        return read(text[2:]), None
    if text.startswith("<="):
        return None, read(text[2:])
    return read(text), read(text)


def _day(text: str, today: date | None) -> date:
    back = _BACK.fullmatch(text)
    try:
        if back:
            days = int(back[1]) * _DAYS[back[2]]
            return (today or datetime.now(UTC).date()) - timedelta(days=days)
        return date.fromisoformat(text)
    except (ValueError, OverflowError) as fault:
        raise UsageError(
            f"“{text}” is not a day", hint="write 2026-01-31, 90d, 6mo or 1y"
        ) from fault


def _license(filters: Filters, value: str, _today: date | None) -> Filters:
    use = next((use for use in get_args(Use) if use == value.lower()), None)
    if use is None:
        return replace(filters, license=value.lower())
    allows = (*(asked for asked in filters.allows if asked != use), use)
    return replace(filters, allows=allows)


def _sort(filters: Filters, value: str, _today: date | None) -> Filters:
    order: Sort | None = next((name for name in get_args(Sort) if name == value.lower()), None)
    if order is None:
        raise UsageError(f"“{value}” is no order", hint=f"choose {', '.join(get_args(Sort))}")
    return replace(filters, sort=order)


def _chosen(value: str, choices: Mapping[str, V], what: str) -> V:
    if value.lower() not in choices:
        raise UsageError(f"“{value}” is not {what}", hint=f"choose {', '.join(choices)}")
    return choices[value.lower()]


def _bounds(bounds: Bounds) -> str:
    if bounds == Bounds():
        return ""
    return f"{_count(bounds.least)}..{_count(bounds.most)}"


def _period(period: Period) -> str:
    return "" if period == Period() else f"{period.since or ''}..{period.until or ''}"


def _count(number: int | None) -> str:
    """The shortest way to write a count that is read as exactly that."""
    if number is None:
        return ""
    for unit in ("t", "b", "m", "k"):
        text = f"{number / _UNITS[unit]:.3f}".rstrip("0").rstrip(".") + unit.upper()
        if number >= _UNITS[unit] and parse_count(text) == number:
            return text
    return str(number)


def _tokens(number: int) -> str:
    for unit, scale in (("M", 1 << 20), ("k", 1 << 10)):
        if number % scale == 0:
            return f"{number // scale}{unit}"
    return str(number)


_KEYS: dict[str, _Key] = {
    "author": _Key(lambda f, v, _: replace(f, author=v), lambda f: f.author),
    "task": _Key(lambda f, v, _: replace(f, task=v), lambda f: f.task),
    "library": _Key(lambda f, v, _: replace(f, library=v), lambda f: f.library),
    "params": _Key(
        lambda f, v, _: replace(f, parameters=parse_bounds(v)), lambda f: _bounds(f.parameters)
    ),
    "active": _Key(lambda f, v, _: replace(f, active=parse_bounds(v)), lambda f: _bounds(f.active)),
    "context": _Key(
        lambda f, v, _: replace(f, context_tokens=parse_tokens(v.removeprefix(">="))),
        lambda f: f">={_tokens(f.context_tokens)}" if f.context_tokens else "",
    ),
    "license": _Key(_license, lambda f: "\n".join((*f.allows, f.license))),
    "verdict": _Key(
        lambda f, v, _: replace(f, verdict=_chosen(v, _VERDICTS, _RUNNING)),
        lambda f: str(f.verdict) if f.verdict else "",
    ),
    "speed": _Key(
        lambda f, v, _: replace(f, speed=parse_speed(v)),
        lambda f: f">={f.speed:g}" if f.speed is not None else "",
    ),
    "format": _Key(lambda f, v, _: replace(f, format=v.lower()), lambda f: f.format),
    "quant": _Key(lambda f, v, _: replace(f, quantization=v), lambda f: f.quantization),
    "gated": _Key(
        lambda f, v, _: replace(f, gated=_chosen(v, _GATED, "yes or no")),
        lambda f: "" if f.gated is None else "yes" if f.gated else "no",
    ),
    "lang": _Key(lambda f, v, _: replace(f, language=v.lower()), lambda f: f.language),
    "updated": _Key(
        lambda f, v, today: replace(f, updated=parse_period(v, today)),
        lambda f: _period(f.updated),
    ),
    "created": _Key(
        lambda f, v, today: replace(f, created=parse_period(v, today)),
        lambda f: _period(f.created),
    ),
    "sort": _Key(_sort, lambda f: f.sort if f.sort != Filters().sort else ""),
}
_ALIASES = {"language": "lang", "parameters": "params", "quantization": "quant", "fit": "verdict"}
