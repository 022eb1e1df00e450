"""``weights search``: models listed, each judged on the machine."""

import argparse
from contextlib import aclosing
from functools import partial

from explorer import units
from explorer.cli import contract, report
from explorer.cli.asked import machine_of, source_of
from explorer.cli.narrowing import filters_of
from explorer.cli.shelf import search_shelf
from explorer.errors import RateLimited
from explorer.fit.values import Scenario
from explorer.hub.source import Source
from explorer.inspection.filters import Filters
from explorer.inspection.refine import Refiner
from explorer.inspection.rows import Row, judge_again
from explorer.inspection.searching import Account, Judge, search

LOOKED_AT_MOST = 5_000
"""Rows looked at for a filter that the source cannot apply, so that a rare one comes to an end."""


async def run(options: argparse.Namespace) -> int:
    """``weights search``."""
    filters = filters_of(options)
    if options.source == "local":
        return await search_shelf(options, filters)
    machine = machine_of(options)
    judge = partial(judge_again, machine=machine, scenario=Scenario(context_tokens=options.context))
    narrowed = filters != Filters(text=filters.text, sort=filters.sort)
    limit = LOOKED_AT_MOST if narrowed else options.limit
    async with source_of(options) as source:
        rows, account = await _find(source, filters, judge, limit, options.limit)
        if options.exact:
            rows = [judge(row) for row in await Refiner(source).refine(rows)]
        title = source.title
    if options.json:
        contract.emit([contract.row_json(row) for row in rows])
    else:
        report.print_lines(report.listing(rows))
    if narrowed:
        report.note(f"{account}; {len(rows)} shown")
    elif not rows:
        report.note("no model matches; try fewer words, or another spelling")
    if account.note:
        report.note(account.note)
    if not options.json:
        report.note(report.listing_footing(rows, machine, title))
    if account.resumes_in_seconds is None:
        return 0
    resumes = units.seconds(account.resumes_in_seconds)
    report.note(f"the hub asks to slow down: there may be more, ask again in {resumes}")
    return RateLimited.exit_code


async def _find(
    source: Source, filters: Filters, judge: Judge, limit: int, wanted: int
) -> tuple[list[Row], Account]:
    """So many rows that pass, of at most ``limit``; fewer if the hub asks to slow down."""
    rows: list[Row] = []
    account = Account()
    found = search(source, filters, judge, refiner=Refiner(source), limit=limit)
    async with aclosing(found) as parts:
        async for part in parts:
            rows += part.rows
            account = part.account
            if len(rows) >= wanted or account.resumes_in_seconds is not None:
                break
    return rows[:wanted], account
