"""``weights tensors``: the tensors of a model, listed or summed by group."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import exit_code, read_model, source_of
from explorer.cli.export import groups_csv, tensors_csv
from explorer.errors import UsageError
from explorer.hub.names import parse_name
from explorer.weights.tensor_filter import parse_filter
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tree import build


async def run(options: argparse.Namespace) -> int:
    """``weights tensors``."""
    if options.json and options.csv:
        raise UsageError("--json and --csv are two answers", hint="ask for one of them")
    async with source_of(options, options.model) as source:
        model = await read_model(source, parse_name(options.model))
    table = TensorTable.of(model.checkpoint)
    indices = parse_filter(options.filter).apply(table)
    if options.group:
        groups = build(table, options.group, indices)
        if options.csv:
            groups_csv(groups)
        elif options.json:
            contract.emit([contract.group_json(node) for node in groups])
        else:
            report.print_lines(report.groups(groups))
    elif options.csv:
        tensors_csv(table.rows[index] for index in indices)
    elif options.json:
        contract.emit([contract.tensor_json(table.rows[index]) for index in indices])
    else:
        report.print_lines(report.tensors([table.rows[index] for index in indices]))
    for warning in model.warnings:
        report.note(warning)
    return exit_code(model)
