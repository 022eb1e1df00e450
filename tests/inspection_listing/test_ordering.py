"""Rows in the order of any column."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from explorer.fit.values import Scenario
from explorer.hardware.spec import parse_machine
from explorer.hub.source import Listing
from explorer.inspection.ordering import order_rows
from explorer.inspection.rows import Row, judge_row

MACHINE = parse_machine("RTX 4090")
BARE = judge_row(Listing("z/bare"), MACHINE, Scenario())


def row(name: str, billions: int, day: int, license_id: str) -> Row:
    moment = datetime(2026, 1, day, tzinfo=UTC)
    listing = Listing(
        name, parameters=billions * 10**9, downloads=billions, created=moment, updated=moment,
        license=license_id, task=license_id,
    )  # fmt: skip
    judged = judge_row(listing, MACHINE, Scenario())
    return replace(judged, active=billions, context_tokens=billions)


SMALL, LARGE = row("a/small", 3, 1, "mit"), row("b/large", 900, 2, "gemma")


@pytest.mark.parametrize(
    "column", ["params", "active", "context", "best", "downloads", "created", "updated", "task"]
)
@pytest.mark.parametrize("descending", [True, False])
def test_what_is_not_known_comes_last_in_either_direction(column: str, descending: bool) -> None:
    assert order_rows([BARE, SMALL, LARGE], column, descending=descending)[-1] is BARE


@pytest.mark.parametrize(
    ("column", "first"),
    [
        ("model", LARGE), ("params", LARGE), ("active", LARGE), ("context", LARGE),
        ("license", SMALL), ("best", LARGE), ("downloads", LARGE), ("created", LARGE),
        ("updated", LARGE), ("task", SMALL),
    ],
)  # fmt: skip
def test_the_most_comes_first(column: str, first: Row) -> None:
    assert order_rows([SMALL, LARGE], column, descending=True)[0] is first
    assert order_rows([SMALL, LARGE], column, descending=False)[1] is first


def test_equal_rows_stay_in_their_order() -> None:
    twin = replace(SMALL)
    assert order_rows([twin, SMALL], "params", descending=True)[0] is twin
    assert order_rows([SMALL, twin], "params", descending=True)[0] is SMALL
