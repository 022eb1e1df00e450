"""``weights compare``: models side by side on the same machine."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import (
    exit_code,
    machine_of,
    read_model,
    say_troubles,
    scenario_of,
    source_of,
)
from explorer.cli.contract_questions import comparison_json
from explorer.cli.report_questions import comparison_lines
from explorer.hub.names import parse_name
from explorer.inspection.comparing import compare
from explorer.inspection.model import Model


async def run(options: argparse.Namespace) -> int:
    """``weights compare``."""
    machine, scenario = machine_of(options), scenario_of(options)
    models: list[Model] = []
    for name in options.models:
        async with source_of(options, name) as source:
            models.append(await read_model(source, parse_name(name)))
    found = compare(models, machine, scenario)
    if options.json:
        contract.emit(comparison_json(found))
    else:
        report.print_lines(comparison_lines(found))
    for model in models:
        say_troubles(model)
    return max(exit_code(model) for model in models)
