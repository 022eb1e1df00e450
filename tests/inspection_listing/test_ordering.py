"""Rows in the order of any column."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest

from explorer.fit.values import Scenario
from explorer.hardware.spec import parse_machine
from explorer.hub.source import Listing
from explorer.inspection.ordering import OrderBy, order_rows
from explorer.inspection.rows import judge_row

MACHINE = parse_machine("RTX 4090")
BARE = judge_row(Listing("z/bare"), MACHINE, Scenario())


def row(name: str, billions: int, day: int, license_id: str) -> Listing:
    moment = datetime(2026, 1, day, tzinfo=UTC)
    return Listing(
        name, parameters=billions * 10**9, downloads=billions, likes=-billions + 100,
        created=moment, updated=moment, license=license_id, task=license_id,
    )  # fmt: skip


SMALL, LARGE = (
    replace(judge_row(listing, MACHINE, Scenario()), active=active, context_tokens=active)
    for listing, active in ((row("a/small", 3, 1, "mit"), 3), (row("b/large", 900, 2, "gemma"), 40))
)


@pytest.mark.parametrize("by", sorted({*get_args(OrderBy)} - {"model", "license", "speed"}))
@pytest.mark.parametrize("descending", [True, False])
def test_what_is_not_known_comes_last_in_either_direction(by: OrderBy, descending: bool) -> None:
    assert order_rows([BARE, SMALL, LARGE], by, descending=descending)[-1] is BARE


@pytest.mark.parametrize(
    ("by", "first"),
    [
        ("model", LARGE), ("parameters", LARGE), ("active", LARGE), ("context", LARGE),
        ("license", SMALL), ("verdict", SMALL), ("memory", LARGE), ("downloads", LARGE),
        ("likes", SMALL), ("created", LARGE), ("updated", LARGE), ("task", SMALL),
    ],
)  # fmt: skip
def test_the_most_comes_first(by: OrderBy, first: object) -> None:
    assert order_rows([SMALL, LARGE], by)[0] is first
    assert order_rows([SMALL, LARGE], by, descending=False)[1] is first


def test_what_does_not_run_has_no_speed_and_comes_last() -> None:
    assert order_rows([LARGE, SMALL], "speed", descending=False)[0] is SMALL


def test_equal_rows_stay_in_their_order() -> None:
    twin = replace(SMALL)
    assert order_rows([twin, SMALL], "parameters")[0] is twin
    assert order_rows([SMALL, twin], "parameters")[0] is SMALL
