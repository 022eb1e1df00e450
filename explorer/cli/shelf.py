"""``weights search --source local``: models on this machine's disks."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from explorer import units
from explorer.cli import contract, report
from explorer.cli.asked import machine_of, source_of
from explorer.cli.table import Column, lines
from explorer.fit.values import Scenario
from explorer.hub.source import Listing, Query
from explorer.hub.twins import twin_lines
from explorer.inspection.filters import Filters, Period
from explorer.inspection.rows import Row
from explorer.inspection.shelf import judge_shelf


async def search_shelf(options: argparse.Namespace, filters: Filters) -> int:
    """Every model found is opened, since its headers cost no request; twins are named below."""
    machine, scenario = machine_of(options), Scenario(context_tokens=options.context)
    query = Query(text=filters.text, author=filters.author or None, sort=filters.sort)
    narrowed = replace(filters, author="") != Filters(text=filters.text, sort=filters.sort)
    async with source_of(options) as source:
        listings: list[Listing] = []
        async for page in source.search(query):
            listings += page.rows
        if not narrowed:
            listings = listings[: options.limit]
        rows = await judge_shelf(source, listings, machine, scenario)
    if narrowed:
        rows = [row for row in rows if filters.passes(row)][: options.limit]
    untold = _untold(filters)
    if untold and not rows:
        report.note(untold)
    if options.json:
        contract.emit([_row_json(row) for row in rows])
        return 0
    report.print_lines(_table(rows))
    for line in twin_lines(row.listing for row in rows):
        report.note(line)
    if not rows and not untold:
        report.note("no model found on this machine; name folders with --folder or WEIGHTS_FOLDERS")
    report.note(report.listing_footing(rows, machine, source.title))
    return 0


def _untold(filters: Filters) -> str:
    """Why nothing may have been found: what is asked for is known of few models on disk, or of none."""
    in_cards = {
        "their task": bool(filters.task),
        "their license": bool(filters.license or filters.allows),
        "their language": bool(filters.language),
    }
    on_hubs = {
        "when they were published": filters.created != Period(),
        "whether they are gated": filters.gated is not None,
    }
    never = " or ".join(name for name, wanted in on_hubs.items() if wanted)
    seldom = " or ".join(name for name, wanted in in_cards.items() if wanted)
    if never:
        return f"models on disk do not say {never}: what asks for it cannot be applied to them"
    return f"models on disk say {seldom} only in a README.md beside them" if seldom else ""


def _table(rows: Sequence[Row]) -> list[str]:
    """The listing's columns, with sizes on disk and whose store it is for what only a hub counts."""
    columns = [
        Column("Model", flexible=True),
        Column("Params", right=True),
        Column("Active", right=True, spare=3),
        Column("Context", right=True, spare=2),
        Column("Best here"),
        Column("GiB", right=True),
        Column("Speed", right=True),
        Column("On disk", right=True),
        Column("Where", spare=1),
        Column("Updated", right=True, spare=4),
    ]
    return lines(columns, [_cells(row) for row in rows]) if rows else []


def _cells(row: Row) -> tuple[str, ...]:
    listing = row.listing
    best, size, speed = report.judged_cells(row)
    return (
        listing.id,
        units.count(row.parameters),
        units.count(row.active),
        units.tokens(row.context_tokens),
        best,
        size,
        speed,
        units.file_size(listing.size_bytes) if listing.size_bytes is not None else "?",
        listing.provenance.removeprefix("on disk: "),
        units.age(listing.updated),
    )


def _row_json(row: Row) -> dict[str, contract.Json]:
    listing = row.listing
    return {
        **contract.row_json(row),
        "name": listing.tags[0] if listing.tags else listing.id,
        "size_bytes": listing.size_bytes,
        "provenance": listing.provenance,
        "twins": [
            {"model": twin.model, "file": twin.model_path, "size_bytes": twin.size_bytes}
            for twin in listing.twins
        ],
    }
