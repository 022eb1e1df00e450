"""``weights fit``: whether, how and how fast models run on a machine, and what would be better."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.cli import contract, report
from explorer.cli.asked import (
    exit_code,
    machine_of,
    read_model,
    say_troubles,
    scenario_of,
    source_of,
)
from explorer.cli.complaints import complain
from explorer.cli.contract_questions import (
    commands_json,
    engine_json,
    enough_json,
    most_json,
    upgrades_json,
)
from explorer.cli.report_questions import (
    command_lines,
    command_notes,
    engine_lines,
    enough_lines,
    most_lines,
    upgrade_lines,
)
from explorer.errors import ExplorerError, UsageError
from explorer.fit.values import Verdict
from explorer.hub.names import parse_name
from explorer.inspection.fitting import answer_subject, subject
from explorer.inspection.questions import enough_for, most_of, upgrades_for
from explorer.inspection.used import as_used

if TYPE_CHECKING:
    from explorer.engine.told import EngineWord
    from explorer.fit.enough import Enough
    from explorer.fit.most import Most
    from explorer.fit.upgrades import Upgrade
    from explorer.fit.values import Answer, Scenario
    from explorer.hardware.machine import Machine
    from explorer.hub.source import Source, Transfer
    from explorer.inspection.fitting import Subject
    from explorer.inspection.launching import Commands
    from explorer.inspection.model import Model


DOES_NOT_FIT = 1


@dataclass(frozen=True, slots=True)
class Answered:
    """Everything that was asked about one model."""

    model: "Model"
    answer: "Answer"
    most: "Most"
    commands: "Commands | None"
    """None where they are not shown."""
    enough: "Enough | None"
    upgrades: "tuple[Upgrade, ...]"
    engine_says: "EngineWord | None"
    transfer: "Transfer"
    source: str
    """Name of the source that gave the model."""


async def run(options: argparse.Namespace) -> int:
    """``weights fit``."""
    if options.min_speed is not None and not options.enough:
        raise UsageError("--min-speed says what --enough looks for", hint="add --enough")
    machine, scenario = machine_of(options), scenario_of(options)
    answered: list[Answered] = []
    failures: list[ExplorerError] = []
    for name in options.models:
        try:
            answered.append(await _answer(options, name, machine, scenario))
        except ExplorerError as failure:
            failures.append(failure)
    if not answered:
        failures.sort(key=lambda error: error.exit_code)
        raise failures.pop()
    code = max([_code(one) for one in answered] + [error.exit_code for error in failures])
    for error in failures:
        complain(error)
    for one in answered:
        say_troubles(one.model)
    if options.json:
        contract.emit([_json(one) for one in answered])
    else:
        for one in answered:
            _print(one, commands_only=options.show_command)
    return code


async def _answer(
    options: argparse.Namespace, name: str, machine: "Machine", scenario: "Scenario"
) -> Answered:
    async with source_of(options, name) as source:
        model = await read_model(source, parse_name(name))
        found = subject(model, scenario)
        answer = answer_subject(found, machine)
        word = await _asked(source, model, found, answer) if options.ask_engine else None
        return _answered(model, found, answer, options, (word, source.transfer, source.name))


def _code(one: Answered) -> int:
    """What could not be read weighs more than what does not fit."""
    does_not_fit = DOES_NOT_FIT if one.answer.verdict is Verdict.TOO_LARGE else 0
    return exit_code(one.model) or does_not_fit


async def _asked(
    source: "Source", model: "Model", found: "Subject", answer: "Answer"
) -> "EngineWord":
    """The engine's own word; what asks it is loaded only for this."""
    from explorer.inspection.asking import ask_engine

    return await ask_engine(source, model, found, answer)


def _answered(
    model: "Model",
    found: "Subject",
    answer: "Answer",
    options: argparse.Namespace,
    told: "tuple[EngineWord | None, Transfer, str]",
) -> Answered:
    machine = answer.machine
    wanted = options.min_speed
    commands = None
    if options.json or options.show_command:
        from explorer.inspection.launching import commands_for  # loaded where they are shown

        commands = commands_for(model, found, answer)
    return Answered(
        model=model,
        answer=answer,
        most=most_of(found, machine, answer),
        commands=commands,
        enough=enough_for(found, min_tokens_per_second=wanted) if options.enough else None,
        upgrades=upgrades_for(found, machine) if options.enough else (),
        engine_says=told[0],
        transfer=told[1],
        source=told[2],
    )


def _json(one: Answered) -> dict[str, contract.Json]:
    listing = one.model.repo.listing
    answer = as_used(one.model, one.answer)
    document = contract.answer_json(listing.id, one.model.repo.commit, answer, one.transfer)
    document["source"] = one.source
    document["age_seconds"] = round(one.model.repo.age_seconds)
    document["warnings"] = list(one.model.warnings)
    document["most"] = most_json(one.most)
    document["commands"] = commands_json(one.commands) if one.commands else None
    if one.engine_says is not None:
        document["engine_says"] = engine_json(one.engine_says)
    if one.enough is not None:
        document["enough"] = enough_json(one.enough)
        document["upgrades"] = upgrades_json(one.upgrades)
    return document


def _print(one: Answered, *, commands_only: bool) -> None:
    if commands_only and one.commands is not None:
        report.print_lines(command_lines(one.commands))
        for text in command_notes(one.commands):
            report.note(text)
        return
    report.print_lines(report.answer(one.model, as_used(one.model, one.answer)))
    report.print_lines([*most_lines(one.most, one.answer), ""])
    if one.engine_says is not None:
        report.print_lines([*engine_lines(one.engine_says), ""])
    if one.enough is not None:
        scenario = one.answer.scenario
        table = enough_lines(one.enough, scenario.context_tokens, scenario.sequences)
        report.print_lines([*table, ""])
        report.print_lines([*upgrade_lines(one.upgrades), ""])
