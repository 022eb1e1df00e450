"""Models side by side on one machine, with the largest differences marked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from explorer import units
from explorer.errors import ExplorerError
from explorer.fit.values import Answer, Scenario, Verdict
from explorer.hardware.machine import Machine
from explorer.inspection.fitting import answer
from explorer.inspection.model import Model

N = TypeVar("N", int, float)
Better: TypeAlias = Literal["more", "less", "neither"]
MARKED = 3
"""So many of the largest differences are marked."""
LEAST_RATIO = 1.25
"""Smaller ratios are no difference worth a mark."""
RUNS = {
    Verdict.FITS: "fits", Verdict.TIGHT: "under the reserve", Verdict.OFFLOAD: "host helps",
    Verdict.TOO_LARGE: "too large",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """One model of a comparison."""

    id: str
    parameters: int | None
    active: int | None
    context_tokens: int | None
    """As the model states it."""
    license: str
    architecture: str
    answer: Answer | None
    """With the best quantization on the machine; None if it could not be judged."""
    problem: str = ""
    """Why not."""


@dataclass(frozen=True, slots=True)
class Line:
    """One property of every model."""

    name: str
    cells: tuple[str, ...]
    """One a model, ``?`` where unknown."""
    ratio: float | None = None
    """The largest figure over the smallest; None where they are no figures or not all known."""
    best: int | None = None
    """Index of the model that is clearly best at it."""
    marked: bool = False
    """One of the largest differences."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models side by side."""

    machine: Machine
    models: tuple[Compared, ...]
    lines: tuple[Line, ...]


def compare(models: Sequence[Model], machine: Machine, scenario: Scenario) -> Comparison:
    """Judge each model with its best quantization, or the one asked for, and lay the figures side by side.

    A model that cannot be judged has its other properties, and says why.
    """
    return side_by_side(machine, [judge_one(model, machine, scenario) for model in models])


def side_by_side(machine: Machine, models: Sequence[Compared]) -> Comparison:
    """Models that were judged on a machine, their figures in lines."""
    return Comparison(machine, tuple(models), _marked(_lines(models)))


def judge_one(model: Model, machine: Machine, scenario: Scenario) -> Compared:
    """One model of a comparison; if it cannot be judged it has its other properties, and says why."""
    result, problem = None, ""
    try:
        result = answer(model, machine, scenario)
    except ExplorerError as error:
        problem = str(error)
    shape = model.architecture
    return Compared(
        id=model.repo.listing.id,
        parameters=model.parameters or None,
        active=model.active_parameters,
        context_tokens=shape.context_tokens if shape else None,
        license=model.terms.name,
        architecture=shape.model_type if shape else "",
        answer=result,
        problem=problem,
    )


def _lines(models: Sequence[Compared]) -> tuple[Line, ...]:
    answers = [model.answer for model in models]
    decodes = [one.speed.decode if one else None for one in answers]
    prefills = [one.speed.prefill if one else None for one in answers]
    return (
        _figures("parameters", [model.parameters for model in models], units.count),
        _figures("active", [model.active for model in models], units.count, "less"),
        _figures("context", [model.context_tokens for model in models], units.tokens, "more"),
        _words("license", [model.license for model in models]),
        _words("architecture", [model.architecture for model in models]),
        _words("engine", [(one.scenario.engine or "") if one else "" for one in answers]),
        _words("verdict", [RUNS[one.verdict] if one else "" for one in answers]),
        _words(
            "best here", [(one.scenario.quantization or "") if one else "" for one in answers]
        ),
        _figures("memory", [one.needed.total if one else None for one in answers],
                 units.memory, "less"),
        _figures("weights", [one.needed.weights if one else None for one in answers], units.memory),
        _figures("KV cache", [one.needed.kv_cache if one else None for one in answers],
                 units.memory, "less"),
        _most_context(answers),
        _figures("decode", [one.expected if one else None for one in decodes], units.speed, "more"),
        _figures("prefill", [one.expected if one else None for one in prefills], units.speed, "more"),
    )  # fmt: skip


def _most_context(answers: Sequence[Answer | None]) -> Line:
    """Compared only where every model states its limit: otherwise the figure says where the search ended."""
    cells = tuple(
        units.most_tokens(one.max_context_tokens, one.limit_tokens)
        if one and one.max_context_tokens
        else "?"
        for one in answers
    )
    known = [one.max_context_tokens if one and one.limit_tokens else None for one in answers]
    return replace(_figures("most context", known, units.tokens, "more"), cells=cells)


def _figures(
    name: str, values: Sequence[N | None], shown: Callable[[N], str], better: Better = "neither"
) -> Line:
    cells = tuple("?" if value is None else shown(value) for value in values)
    known = [value for value in values if value]
    if len(known) < len(values) or len(known) < 2:
        return Line(name, cells)
    low, high = min(known), max(known)
    ratio = high / low
    wanted = {"more": high, "less": low, "neither": None}[better]
    clear = wanted is not None and ratio >= LEAST_RATIO and known.count(wanted) == 1
    return Line(name, cells, ratio, known.index(wanted) if clear and wanted is not None else None)


def _words(name: str, values: Sequence[str]) -> Line:
    return Line(name, tuple(value or "?" for value in values))


def _marked(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines with the largest ratios marked."""
    ratios = sorted((line.ratio for line in lines if line.ratio is not None), reverse=True)
    least = max(ratios[min(MARKED, len(ratios)) - 1] if ratios else LEAST_RATIO, LEAST_RATIO)
    return tuple(
        replace(line, marked=line.ratio is not None and line.ratio >= least) for line in lines
    )
