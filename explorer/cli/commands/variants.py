"""``weights variants``: every quantization of a model that somebody published, and the best one here."""

import argparse
import sys
from contextlib import aclosing

from explorer.cli import contract, report
from explorer.cli.asked import machine_of, source_of
from explorer.cli.contract_lineage import variants_json
from explorer.cli.report_lineage import variants as variants_lines
from explorer.cli.report_lineage import variants_footing
from explorer.errors import ModelNotFound
from explorer.fit.values import Scenario
from explorer.hub.names import parse_name
from explorer.hub.source import ModelRef, Source
from explorer.inspection.best_variant import choose, choose_published
from explorer.inspection.lineage import Lineage
from explorer.inspection.variants import Variants, find_variants, judge_variants


async def run(options: argparse.Namespace) -> int:
    """``weights variants``."""
    machine, scenario = machine_of(options), Scenario(context_tokens=options.context)
    async with source_of(options, options.model) as source:
        found = await _find(source, parse_name(options.model).ref, options.limit)
        transfer, title = source.transfer, source.title
    found = judge_variants(found, machine, scenario)
    best, published = choose(found), choose_published(found)
    if options.json:
        contract.emit(variants_json(found, best, published, transfer))
        return 0
    report.print_lines(variants_lines(found, best, published))
    for problem in found.problems:
        report.note(str(problem))
    if found.note:
        report.note(found.note)
    report.note(variants_footing(found, machine.name, title))
    return 0


async def _find(source: Source, ref: ModelRef, repositories: int) -> Variants:
    """All of them; progress goes to stderr if a person watches."""
    watched, latest = sys.stderr.isatty(), None
    lineage = Lineage(source)
    try:
        kin = await lineage.named(ref)
        async with aclosing(find_variants(source, lineage, kin, repositories)) as growing:
            async for latest in growing:
                if watched:
                    report.progress(f"repositories {latest.looked_at} of {latest.repositories}")
    finally:
        if watched:
            report.progress("")
        await lineage.close()
    if latest is None:
        raise ModelNotFound(f"“{ref.id}” gave nothing to read")
    return latest
