"""A publisher's models: each judged, and how their sizes went over time."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from itertools import groupby
from statistics import median_low

from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Query, Source
from explorer.inspection.rows import Row, judge_row

MOST_MODELS = 500
"""Rows of one publisher that are looked at: ten pages of the hub."""


@dataclass(frozen=True, slots=True)
class Quarter:
    """What was published in three months."""

    name: str
    """``2026 Q1``; ``?`` for models without a date."""
    models: int
    smallest: int | None = None
    """Parameters of the smallest; None if no size is known."""
    median: int | None = None
    largest: int | None = None
    largest_id: str = ""
    downloads: int = 0
    """In the last 30 days, of all of them together."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """A user's or an organisation's models, the newest first."""

    name: str
    rows: tuple[Row, ...]
    more: bool
    """The source lists more than were asked for."""

    @property
    def quarters(self) -> tuple[Quarter, ...]:
        """Sizes over time, the latest first, models without a date last."""
        dated = sorted(self.rows, key=quarter_of, reverse=True)
        dated.sort(key=lambda row: row.listing.created is None)
        named = [(quarter_of(row), row) for row in dated]
        return tuple(
            _quarter(name, [row for _, row in group]) for name, group in groupby(named, key=_first)
        )


async def publisher(
    source: Source,
    name: str,
    machine: Machine,
    scenario: Scenario,
    limit: int = MOST_MODELS,
) -> Publisher:
    """Up to ``limit`` of a publisher's models, the newest first. Raises the errors of the source."""
    rows: list[Row] = []
    more = False
    pages = source.search(Query(author=name, sort="created"))
    try:
        async for page in pages:
            rows += (judge_row(listing, machine, scenario) for listing in page.rows)
            more = page.more or len(rows) > limit
            if len(rows) >= limit:
                break
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()
    return Publisher(name, tuple(rows[:limit]), more)


def quarter_of(row: Row) -> str:
    """The three months a model was created in."""
    created = row.listing.created
    return f"{created.year} Q{(created.month + 2) // 3}" if created else "?"


def _first(named: tuple[str, Row]) -> str:
    return named[0]


def _quarter(name: str, rows: list[Row]) -> Quarter:
    downloads = sum(row.listing.downloads or 0 for row in rows)
    sized = sorted(_sized(rows))
    if not sized:
        return Quarter(name, len(rows), downloads=downloads)
    sizes = [size for size, _ in sized]
    return Quarter(name, len(rows), sizes[0], median_low(sizes), sizes[-1], sized[-1][1], downloads)


def _sized(rows: Iterable[Row]) -> list[tuple[int, str]]:
    return [(row.parameters, row.listing.id) for row in rows if row.parameters]
