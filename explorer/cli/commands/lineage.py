"""``weights lineage``: what a model was made of, and what was made of it."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import machine_of, source_of
from explorer.cli.contract_lineage import lineage_json
from explorer.cli.report_lineage import lineage as lineage_lines
from explorer.fit.values import Scenario
from explorer.hub.names import parse_name
from explorer.inspection.lineage import DEEPEST, Lineage, judge_ancestry, judge_offspring


async def run(options: argparse.Namespace) -> int:
    """``weights lineage``."""
    machine, scenario = machine_of(options), Scenario(context_tokens=options.context)
    both = options.up == options.down
    async with source_of(options, options.model) as source:
        lineage = Lineage(source)
        try:
            kin = await lineage.named(parse_name(options.model).ref)
            up = (options.depth or DEEPEST) if both or options.up else 0
            tree = await lineage.ancestry(kin, up)
            below = None
            if both or options.down:
                below = await lineage.offspring(kin.id, options.depth or 1, options.limit)
        finally:
            await lineage.close()
        transfer, title = source.transfer, source.title
    tree = judge_ancestry(tree, machine, scenario)
    if below is not None:
        below = tuple(judge_offspring(one, machine, scenario) for one in below)
    if options.json:
        contract.emit(lineage_json(tree, below, lineage.note, transfer))
        return 0
    report.print_lines(lineage_lines(tree, below))
    if below == ():
        report.note("nothing is listed that was made of it")
    for note in (lineage.note, f"on {machine.name} | {title}"):
        if note:
            report.note(note)
    return 0
