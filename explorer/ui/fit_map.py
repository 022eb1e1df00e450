"""The map of one model on one machine, judged in a thread, and what it was judged from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from explorer.errors import ExplorerError
from explorer.fit.most import Most
from explorer.fit.values import Answer, Engine, Scenario
from explorer.hardware.machine import Machine
from explorer.inspection.choices import EngineChoice, engine_choices
from explorer.inspection.fitting import Grid, Subject, answer_subject, grid_of, subject
from explorer.inspection.model import Model
from explorer.inspection.questions import most_of


@dataclass(frozen=True, slots=True)
class JudgedMap:
    """Every cell of a map."""

    found: Subject
    """The model as it was prepared for the engine: other machines and settings need not do that again."""
    grid: Grid
    best: str
    """The quantization that is best here."""
    choices: tuple[EngineChoice, ...]


@dataclass(frozen=True, slots=True)
class RefusedMap:
    """There is no map for these settings."""

    error: ExplorerError
    found: Subject | None
    choices: tuple[EngineChoice, ...]


def judge_map(
    model: Model,
    machine: Machine,
    scenario: Scenario,
    prepared: Mapping[Engine | None, Subject],
) -> JudgedMap | RefusedMap:
    """The map, or why there is none. Preparing a model takes up to half a second, all else milliseconds."""
    found = prepared.get(scenario.engine)
    choices: tuple[EngineChoice, ...] = ()
    try:
        found = subject(model, scenario) if found is None else retuned(found, scenario)
        choices = engine_choices(model, found, machine)
        best = answer_subject(
            replace(found, scenario=replace(found.scenario, quantization=None)), machine
        )
        grid = grid_of(found, machine)
    except ExplorerError as error:
        return RefusedMap(error, found, choices)
    return JudgedMap(found, grid, best.scenario.quantization or "", choices)


def retuned(found: Subject, scenario: Scenario) -> Subject:
    """The same model in another scenario with the same engine."""
    return replace(found, scenario=replace(scenario, engine=found.scenario.engine))


def explain_cell(found: Subject, cell: Answer) -> tuple[Answer, Most]:
    """A cell with its reasons, and the most one can have; takes milliseconds."""
    asked = replace(found, scenario=replace(found.scenario, quantization=cell.scenario.quantization,
                                            context_tokens=cell.scenario.context_tokens))  # fmt: skip
    answer = answer_subject(asked, cell.machine)
    return answer, most_of(asked, cell.machine, answer)
