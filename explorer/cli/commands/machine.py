"""``weights machine``: the machine that models are judged on."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import machine_of


def run(options: argparse.Namespace) -> int:
    """``weights machine``."""
    machine = machine_of(options)
    if options.json:
        contract.emit(contract.machine_json(machine))
    else:
        report.print_lines(report.machine(machine))
    return 0
