"""``weights tensors``: the tensors of a model, listed or summed by group."""

import argparse
from collections.abc import Iterable

from explorer.cli import contract, report
from explorer.cli.asked import exit_code, read_model, say_troubles, source_of
from explorer.errors import UsageError
from explorer.hub.names import parse_name
from explorer.safetext import safe_line
from explorer.weights.tensor_export import export, export_groups
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
            _print(export_groups(groups))
        elif options.json:
            contract.emit([contract.group_json(node) for node in groups])
        else:
            report.print_lines(report.groups(groups))
    elif options.csv:
        _print(export((table.rows[index] for index in indices), "csv"))
    elif options.json:
        contract.emit([contract.tensor_json(table.rows[index]) for index in indices])
    else:
        report.print_lines(report.tensors([table.rows[index] for index in indices]))
    say_troubles(model)
    return exit_code(model)


def _print(lines: Iterable[str]) -> None:
    """Print lines of CSV. A stranger's name must not move a terminal's cursor."""
    for line in lines:
        print(safe_line(line.removesuffix("\n"), limit=len(line)))
