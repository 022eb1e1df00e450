"""``weights show``: what a model's files say."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import exit_code, read_model, source_of
from explorer.hub.names import parse_name


async def run(options: argparse.Namespace) -> int:
    """``weights show``."""
    async with source_of(options, options.model) as source:
        model = await read_model(source, parse_name(options.model))
        if options.json:
            contract.emit(contract.model_json(model, source))
        else:
            report.print_lines(report.model(model, source))
    return exit_code(model)
