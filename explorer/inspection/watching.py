"""Watched models as they are now, beside what they were when a person last looked at them.

One small request a model, which counts its quantizations too. Nothing counts as looked at because it was
asked for: a person says so, or opens the model.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from explorer.errors import ExplorerError
from explorer.hub.source import Listing, Source
from explorer.units import count
from explorer.userfile import Seen

AS_GOOD_AS_NEW = timedelta(minutes=15)
"""Age of an answer that is not asked for again."""
AT_ONCE = 6
"""Requests at one moment."""

_QUANTIZED = "quantized"  # as the relation is called; the first frame does without all of lineage


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs since a model was last looked at. None where either side is not known."""

    commit: bool | None = None
    """Its files are others, or its card is."""
    quantizations: int | None = None
    """So many more were made of it; below zero where some were withdrawn."""
    downloads: int | None = None
    """So many more in the last 30 days than in those before it was looked at."""

    @property
    def worth_a_look(self) -> bool:
        """Something new is there; downloads differ all the time."""
        return bool(self.commit or self.quantizations)

    @property
    def words(self) -> tuple[str, ...]:
        """``new commit``, ``+3 quantizations``, ``+1.2 M downloads``."""
        found = ["new commit"] if self.commit else []
        if self.quantizations:
            plural = "" if abs(self.quantizations) == 1 else "s"
            found.append(f"{self.quantizations:+,} quantization{plural}")
        if self.downloads:
            sign = "+" if self.downloads > 0 else "-"
            found.append(f"{sign}{count(abs(self.downloads))} downloads")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Watched:
    """One model of the watch list."""

    id: str
    seen: Seen | None
    """None if it was never looked at, as where a person wrote its name into the file."""
    listing: Listing | None = None
    """None until it was asked for, and where it could not be had."""
    age_seconds: float = 0.0
    older: bool = False
    """The answer is from before it was looked at, as without a network: it tells nothing new."""
    error: ExplorerError | None = None

    @property
    def changes(self) -> Changes:
        """What differs; nothing while it is not known."""
        if self.listing is None or self.seen is None or self.older:
            return Changes()
        return changes_of(self.listing, self.seen)

    @property
    def account(self) -> str:
        """What changed, in words; of one that was never looked at, that."""
        if self.seen is None:
            return "not looked at yet"
        return ", ".join(self.changes.words) or "nothing new"


def changes_of(listing: Listing, seen: Seen) -> Changes:
    """What differs between a model's row and what was seen of it."""
    return Changes(
        _differs(listing, seen),
        _more(quantizations_of(listing), seen.quantizations),
        _more(listing.downloads, seen.downloads),
    )


def seen_of(listing: Listing, now: datetime) -> Seen:
    """What there is to see of a model at this moment."""
    return Seen(now, listing.sha, listing.updated, listing.downloads, quantizations_of(listing))


def quantizations_of(listing: Listing) -> int | None:
    """Models that were quantized from it; None where the source counts none of any kind."""
    return listing.derived.get(_QUANTIZED, 0) if listing.derived else None


async def look(
    source: Source, models: Sequence[str], seen: Mapping[str, Seen], now: datetime
) -> AsyncGenerator[Watched]:
    """The watched models as they are had, in no order; what cannot be had with its error."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(model: str) -> Watched:
        async with turn:
            try:
                page = await source.listed(model)
            except ExplorerError as error:
                return Watched(model, seen.get(model), error=error)
        before = seen.get(model)
        age = timedelta(seconds=page.age_seconds)
        older = before is not None and age > now - before.at + AS_GOOD_AS_NEW
        return Watched(model, before, page.rows[0], page.age_seconds, older)

    asked = [asyncio.create_task(ask(model)) for model in models]
    try:
        for task in asyncio.as_completed(asked):
            yield await task
    finally:
        for one in asked:
            one.cancel()


def _differs(listing: Listing, seen: Seen) -> bool | None:
    """By the commit; by the day of the last change where a hub tells no commit."""
    if listing.sha is not None and seen.commit is not None:
        return listing.sha != seen.commit
    if listing.updated is not None and seen.updated is not None:
        return listing.updated > seen.updated
    return None


def _more(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before
