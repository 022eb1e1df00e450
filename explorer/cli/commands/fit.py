"""``weights fit``: whether, how and how fast models run on a machine."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import exit_code, machine_of, read_model, scenario_of, source_of
from explorer.fit.values import Answer, Verdict
from explorer.hub.names import parse_name
from explorer.inspection.fitting import answer
from explorer.inspection.model import Model

DOES_NOT_FIT = 1


async def run(options: argparse.Namespace) -> int:
    """``weights fit``."""
    machine, scenario = machine_of(options), scenario_of(options)
    answers: list[tuple[Model, Answer]] = []
    documents: list[contract.Json] = []
    code = 0
    for name in options.models:
        async with source_of(options, name) as source:
            model = await read_model(source, parse_name(name))
            result = answer(model, machine, scenario)
            answers.append((model, result))
            listing = model.repo.listing
            documents.append(
                contract.answer_json(listing.id, model.repo.commit, result, source.transfer)
            )
        code = max(code, exit_code(model))
        if code == 0 and result.verdict is Verdict.TOO_LARGE:
            code = DOES_NOT_FIT
    if options.json:
        contract.emit(documents)
    else:
        for model, result in answers:
            report.print_lines(report.answer(model, result))
    return code
