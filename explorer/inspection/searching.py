"""A listing searched through filters: pages fetched, judged, and given on with an account of it.

The generator asks for a page only when it is asked for more rows: whoever shows them stops taking when
the screen and a little beyond is full, takes on when the person scrolls, and closes it to stop.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from explorer.errors import RateLimited
from explorer.hub.source import Listing, Page, Query, Source
from explorer.inspection.filters import Filters
from explorer.inspection.refine import Refiner
from explorer.inspection.rows import Row, describe

Judge: TypeAlias = Callable[[Row], Row]
"""A described row with its verdict on a machine: ``judge_again`` for a machine and a scenario."""

_UNTOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Account:
    """How far a search has come."""

    passed: int = 0
    looked_at: int = 0
    unknown: int = 0
    """Of those left out: how many since something asked about them is not known."""
    more: bool = True
    """Whether the source has further pages."""
    age_seconds: float = 0.0
    """How long ago the source gave the oldest page."""
    note: str = ""
    """What the source says of its listing, a sentence."""
    resumes_in_seconds: float | None = None
    """The hub asked to slow down: so long from now the search goes on by itself."""

    def __str__(self) -> str:
        """``412 of 9,300 looked at``, and what is not known."""
        text = f"{self.passed:,} of {self.looked_at:,} looked at"
        return text + (f", {self.unknown:,} not known" if self.unknown else "")


@dataclass(frozen=True, slots=True)
class Found:
    """What one page brought: the rows that pass, which may be none, and the account up to here."""

    rows: tuple[Row, ...]
    account: Account


async def search(
    source: Source,
    filters: Filters,
    judge: Judge,
    *,
    refiner: Refiner | None = None,
    limit: int | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[Found]:
    """Rows of a source that pass the filters, judged, a page at a time; at most ``limit`` looked at.

    With a ``refiner``, rows that filters ask more about than a listing tells (context, active
    parameters) are made exact before they are judged. When the hub asks to slow down, a ``Found``
    without rows says for how long, and the search goes on afterwards where it was; every other error
    of the source is raised. Judging takes a millisecond or two a row and is done in a thread.
    """
    account = Account()
    query = filters.to_query(limit)
    while account.more:
        try:
            async for page in source.search(query):
                while isinstance(sifted := await _sift(page, filters, judge, refiner), RateLimited):
                    yield _resumes(account, sifted)
                    await pause(_wait_seconds(sifted))
                rows, unknown = sifted
                account = _add(account, page, len(rows), unknown)
                query = _behind(query, page)
                yield Found(rows, account)
        except RateLimited as refusal:
            if account.looked_at and not query.start:
                raise  # the source can't go on in the middle, and would begin anew
            yield _resumes(account, refusal)
            await pause(_wait_seconds(refusal))
        else:
            return


def _wait_seconds(refusal: RateLimited) -> float:
    return refusal.retry_after_seconds or _UNTOLD_SECONDS


def _resumes(account: Account, refusal: RateLimited) -> Found:
    return Found((), replace(account, resumes_in_seconds=_wait_seconds(refusal)))


async def _sift(
    page: Page, filters: Filters, judge: Judge, refiner: Refiner | None
) -> tuple[tuple[Row, ...], int] | RateLimited:
    """The rows of a page that pass, and how many do not for want of knowledge.

    A refusal if configurations that filters need cannot be read yet: the page is sifted again later.
    """
    listed = [(listing, filters.judge_listing(listing)) for listing in page.rows]
    unknown = sum(answer is None for _, answer in listed)
    candidates = [listing for listing, answer in listed if answer is True]
    rows = await asyncio.to_thread(_describe, candidates, page.age_seconds)
    rows = tuple(row for row in rows if filters.judge(row) is not False)
    if refiner is not None and filters.needs_config:
        try:
            rows = await refiner.refine(rows, complete=True)
        except RateLimited as refusal:
            return refusal
    rows = await asyncio.to_thread(_judge, rows, judge)
    answers = [filters.judge(row) for row in rows]
    passed = tuple(row for row, answer in zip(rows, answers, strict=True) if answer is True)
    return passed, unknown + sum(answer is None for answer in answers)


def _describe(listings: Sequence[Listing], age_seconds: float) -> tuple[Row, ...]:
    return tuple(describe(listing, age_seconds=age_seconds) for listing in listings)


def _judge(rows: Sequence[Row], judge: Judge) -> tuple[Row, ...]:
    return tuple(judge(row) for row in rows)


def _add(account: Account, page: Page, passed: int, unknown: int) -> Account:
    return Account(
        passed=account.passed + passed,
        looked_at=account.looked_at + len(page.rows),
        unknown=account.unknown + unknown,
        more=page.more,
        age_seconds=max(account.age_seconds, page.age_seconds),
        note=page.note or account.note,
    )


def _behind(query: Query, page: Page) -> Query:
    """The query for what comes after a page."""
    left = None if query.limit is None else query.limit - len(page.rows)
    return replace(query, start=page.following, limit=left)
