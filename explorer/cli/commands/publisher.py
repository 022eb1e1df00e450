"""``weights publisher``: what a user or an organisation publishes, and its sizes over time."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import machine_of, source_of
from explorer.cli.contract_lineage import publisher_json
from explorer.cli.report_lineage import publisher as publisher_lines
from explorer.fit.values import Scenario
from explorer.inspection.publisher import publisher


async def run(options: argparse.Namespace) -> int:
    """``weights publisher``."""
    machine, scenario = machine_of(options), Scenario(context_tokens=options.context)
    async with source_of(options) as source:
        found = await publisher(source, options.author, machine, scenario)
        transfer, title = source.transfer, source.title
    if options.json:
        contract.emit(publisher_json(found, transfer))
        return 0
    if not found.rows:
        report.note(f"{title} lists no model of “{options.author}”")
        return 0
    report.print_lines(publisher_lines(found))
    report.print_lines(["", *report.listing(found.rows[: options.limit])])
    hidden = len(found.rows) - options.limit
    if hidden > 0 or found.more:
        report.note(f"{max(hidden, 0):,}{'+' if found.more else ''} more: --limit")
    report.note(report.listing_footing(found.rows, machine, title))
    return 0
