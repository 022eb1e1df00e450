"""``weights diff``: what differs between the tensors of two models."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import exit_code, read_model, source_of
from explorer.cli.contract_diff import structure_json
from explorer.cli.report_diff import structure_lines
from explorer.hub.names import parse_name
from explorer.hub.source import Transfer
from explorer.inspection.structure import hold_against

DIFFERENT = 1


async def run(options: argparse.Namespace) -> int:
    """``weights diff``: 0 if the structure is the same, 1 if not, as ``diff`` has it."""
    models, transfers = [], []
    for name in (options.before, options.after):
        async with source_of(options, name) as source:
            models.append(await read_model(source, parse_name(name)))
            transfers.append(source.transfer)
    found = hold_against(*models)
    if options.json:
        contract.emit(structure_json(found, _together(transfers)))
    else:
        report.print_lines(structure_lines(found))
        for warning in found.warnings:
            report.note(warning)
    unread = max(map(exit_code, models))
    return unread or (0 if found.same else DIFFERENT)


def _together(transfers: list[Transfer]) -> Transfer:
    return Transfer(
        sum(one.requests for one in transfers),
        sum(one.bytes for one in transfers),
        sum(one.seconds for one in transfers),
        sum(one.cached for one in transfers),
    )
