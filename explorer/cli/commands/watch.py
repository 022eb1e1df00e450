"""``weights watch``: models a person keeps an eye on, and what changed since they were looked at."""

import argparse
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime

from explorer import units
from explorer.cli import contract, report
from explorer.cli.asked import source_of
from explorer.cli.table import Column, lines
from explorer.errors import UsageError
from explorer.hub.names import parse_name
from explorer.hub.source import Listing, Source
from explorer.inspection.watching import Watched, look, quantizations_of, seen_of
from explorer.userfile import Remembered, Seen, UserFile

OLD_SECONDS = 60
"""What is younger needs no age."""


async def run(options: argparse.Namespace) -> int:
    """``weights watch``. The exit code is that of the first model that could not be had.

    Raises UsageError where nothing is named to be forgotten.
    """
    file, now = UserFile(), datetime.now(UTC)
    names = [parse_name(name).ref.id for name in options.models]
    if options.forget and not names:
        raise UsageError(
            "--forget needs the models to watch no longer", hint="weights watch lists them"
        )
    async with source_of(options) as source:
        if options.forget:
            file.change(lambda kept: _watch(kept, names, on=False))
        elif names:
            listings = [(await source.listed(name)).rows[0] for name in names]
            file.change(lambda kept: _look(_watch(kept, names), names, listings, now))
        models = await _ask(source, file.read(), now)
        title = source.title
    if options.json:
        contract.emit([_json(one) for one in models])
    else:
        report.print_lines(_table(models))
        report.note(_footing(models, title))
    if options.seen:
        had = [one.listing for one in models if one.listing is not None]
        file.change(lambda kept: _look(kept, [one.id for one in had], had, now))
    for notice in file.notices:
        report.note(notice)
    return next((one.error.exit_code for one in models if one.error is not None), 0)


def _watch(kept: Remembered, names: Sequence[str], *, on: bool = True) -> Remembered:
    for name in names:
        kept = kept.watch(name, on=on)
    return kept


def _look(
    kept: Remembered, names: Sequence[str], listings: Sequence[Listing], now: datetime
) -> Remembered:
    for name, listing in zip(names, listings, strict=True):
        kept = kept.look(name, seen_of(listing, now))
    return kept


async def _ask(source: Source, kept: Remembered, now: datetime) -> list[Watched]:
    """The watched models in the order they were watched."""
    found: dict[str, Watched] = {}
    async with aclosing(look(source, kept.watched, kept.seen, now)) as models:
        async for one in models:
            found[one.id] = one
    return [found[name] for name in kept.watched]


def _table(models: Sequence[Watched]) -> list[str]:
    columns = [
        Column("Model", flexible=True),
        Column("Since you looked"),
        Column("Looked", right=True, spare=3),
        Column("Updated", right=True, spare=1),
        Column("Quants", right=True, spare=4),
        Column("Downloads", right=True, spare=2),
    ]
    return lines(columns, [_cells(one) for one in models]) if models else []


def _footing(models: Sequence[Watched], title: str) -> str:
    if not models:
        return "no model is watched yet: weights watch MODEL"
    age = max(one.age_seconds for one in models)
    old = f"as of {units.seconds(age)} ago" if age >= OLD_SECONDS else ""
    return " | ".join(filter(None, (f"{len(models)} watched", title, old)))


def _cells(one: Watched) -> tuple[str, ...]:
    looked = units.age(one.seen.at) if one.seen else "never"
    if one.listing is None:
        return (one.id, f"! {one.error.title}" if one.error else "?", looked, "", "", "")
    number = quantizations_of(one.listing)
    return (
        one.id,
        one.account,
        looked,
        units.age(one.listing.updated),
        "?" if number is None else f"{number:,}",
        units.count(one.listing.downloads),
    )


def _json(one: Watched) -> dict[str, contract.Json]:
    """What was seen, what there is now, and what differs; null for what is not known."""
    now = seen_of(one.listing, datetime.now(UTC)) if one.listing else None
    return {
        "id": one.id,
        "seen": _seen_json(one.seen),
        "now": _seen_json(now),
        "changes": asdict(one.changes),
        "age_seconds": round(one.age_seconds),
        "error": str(one.error) if one.error else None,
    }


def _seen_json(seen: Seen | None) -> contract.Json:
    if seen is None:
        return None
    return {
        "at": seen.at.isoformat(),
        "commit": seen.commit,
        "updated": seen.updated.isoformat() if seen.updated else None,
        "downloads": seen.downloads,
        "quantizations": seen.quantizations,
    }
