"""A search from its words to its pages, for the listing. What is large is imported when it is first asked."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from explorer.errors import UsageError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Query, Source
from explorer.ui.filters import chips_of, with_choice
from explorer.ui.session import Session

if TYPE_CHECKING:
    from explorer.inspection.refine import Refiner
    from explorer.inspection.rows import Row
    from explorer.inspection.searching import Found


@dataclass(slots=True)
class Pages:
    """A search under way, and whether its next page is wanted."""

    found: "AsyncGenerator[Found]"
    asks_machine: bool
    """Rows are left out for how they do on the machine."""
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


def begin(
    words: str,
    source: Source,
    machine: Machine | None,
    scenario: Scenario,
    session: Session,
    refiner: "Refiner | None",
) -> Pages:
    """Start a search. Raises UsageError for words that are not filters, or not yet.

    Rows are judged on the way only where a filter asks for it; otherwise as they come into view.
    """
    from explorer.inspection.filter_words import parse_filters
    from explorer.inspection.rows import judge_again
    from explorer.inspection.searching import search

    filters = parse_filters(words, session.now().date())
    asks_machine = filters.verdict is not None or filters.speed is not None

    def judge(row: "Row") -> "Row":
        return judge_again(row, machine, scenario) if asks_machine and machine else row

    return Pages(search(source, filters, judge, refiner=refiner, pause=session.pause), asks_machine)


def words_of(query: Query) -> str:
    """A query as it would be typed."""
    words = [query.text] if query.text else []
    words += [f"author:{query.author}"] if query.author else []
    words += [f"task:{query.task}"] if query.task else []
    words += [tag for tag in query.tags if tag.startswith("license:")]
    words += [f"sort:{query.sort}"] if query.sort != Query().sort else []
    return " ".join(words)


def chips(words: str) -> tuple[tuple[str, str], ...]:
    """The chips with their values in these words; as if nothing was asked while they cannot be read."""
    if not words:
        return NOTHING_ASKED
    from explorer.inspection.filter_words import parse_filters

    try:
        return chips_of(parse_filters(words))
    except UsageError:
        return NOTHING_ASKED


NOTHING_ASKED = (("sort", "trending"), ("task", "any"), ("license", "any"), ("fits", "any"))


def words_with(words: str, name: str, value: str) -> str:
    """The words with one chip set to a value; words that cannot be read are let go."""
    from explorer.inspection.filter_words import parse_filters
    from explorer.inspection.filters import Filters

    try:
        filters = parse_filters(words)
    except UsageError:
        filters = Filters()
    return with_choice(filters, name, value)
