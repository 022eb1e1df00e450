"""``weights search``: models listed, each judged on the machine."""

import argparse
from collections.abc import AsyncGenerator
from contextlib import aclosing

from explorer.cli import contract, report
from explorer.cli.asked import machine_of, source_of
from explorer.cli.shelf import search_shelf
from explorer.fit.values import Scenario, Verdict
from explorer.hub.source import Listing, Query, Source
from explorer.inspection.rows import Row, judge_row
from explorer.license.terms import Permission

LOOKED_AT_MOST = 5_000
"""Rows looked at for a filter that the source cannot apply, so that a rare one comes to an end."""


async def run(options: argparse.Namespace) -> int:
    """``weights search``."""
    if options.source == "local":
        return await search_shelf(options)
    machine, scenario = machine_of(options), Scenario(context_tokens=options.context)
    filtered = bool(options.fits or options.license_allows)
    query = Query(
        text=options.query,
        author=options.author,
        task=options.task,
        sort=options.sort,
        limit=LOOKED_AT_MOST if filtered else options.limit,
    )
    rows: list[Row] = []
    looked_at = 0
    async with source_of(options) as source:
        async with aclosing(_listings(source, query)) as listings:
            async for listing in listings:
                looked_at += 1
                row = judge_row(listing, machine, scenario)
                if _passes(row, options.fits, options.license_allows):
                    rows.append(row)
                if len(rows) == options.limit:
                    break
        title = source.title
    if options.json:
        contract.emit([contract.row_json(row) for row in rows])
        return 0
    report.print_lines(report.listing(rows))
    if filtered:
        report.note(f"{len(rows)} of {looked_at:,} models looked at pass the filters")
    elif not rows:
        report.note("no model matches; try fewer words, or another spelling")
    report.note(report.listing_footing(rows, machine, title))
    return 0


async def _listings(source: Source, query: Query) -> AsyncGenerator[Listing]:
    """Rows one by one; no page beyond the needed one is asked for."""
    async for page in source.search(query):
        for listing in page.rows:
            yield listing


def _passes(row: Row, fits: bool, license_allows: str | None) -> bool:
    if fits and (row.answer is None or row.answer.verdict is Verdict.TOO_LARGE):
        return False
    allowed = (Permission.YES, Permission.CONDITIONS)
    if license_allows == "commercial":
        return row.terms.commercial in allowed
    if license_allows == "hosting":
        return row.terms.hosting in allowed
    return True
