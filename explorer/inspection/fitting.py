"""Whether and how an opened model runs: one answer, or one for each quantization and context."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.engines import engine_for
from explorer.fit.planner import best, judge
from explorer.fit.values import Answer, Scenario
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine
from explorer.inspection.model import Model
from explorer.inspection.quantizations import engine_of, of_model
from explorer.inspection.supposing import suppose
from explorer.units import memory

CONTEXTS = tuple(1024 * 2**power for power in range(2, 11))
"""Columns of the grid: 4K to 1M tokens, as far as the model goes."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Answers by quantization and context."""

    quantizations: tuple[str, ...]
    contexts: tuple[int, ...]
    cells: tuple[tuple[Answer, ...], ...]
    """One row a quantization, one cell a context."""
    chosen: int = 0
    """Index of the column for the context that was asked for."""
    by_context: bool = True
    """The columns are contexts; False where nothing grows with one, and there is a single column."""
    limit_tokens: int | None = None
    """The context the model itself states; None if it states none."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What there is to judge of an opened model."""

    architecture: Architecture
    options: tuple[WeightMap, ...]
    """The quantizations it is offered in for the scenario's engine, largest first."""
    scenario: Scenario
    """With its engine named."""


def subject(model: Model, scenario: Scenario) -> Subject:
    """An opened model as the planner takes it.

    Of a model with files that could not be read it is supposed, and said to be, where enough is known.
    Raises the model's own errors otherwise, and UsageError for an engine that does not run its format and
    for an adapter, which runs on top of another model.
    """
    _demand_whole(model)
    scenario = _with_engine(model, scenario)
    options = of_model(model, scenario.engine, wanted=scenario.quantization)
    if options:
        return Subject(_as_offered(_shape(model), options), options, scenario)
    supposed = suppose(model, scenario.engine or engine_of(model.checkpoint.quantization))
    if supposed is None:
        raise _first_problem(model)
    shape, options = supposed
    return Subject(_as_offered(shape, options), options, scenario)


def answer(model: Model, machine: Machine, scenario: Scenario) -> Answer:
    """The answer for the quantization the scenario names, or for the best that runs.

    Raises UsageError for a quantization the model is not offered in, and the model's own errors if
    none of its headers could be read.
    """
    return answer_subject(subject(model, scenario), machine)


def answer_subject(found: Subject, machine: Machine) -> Answer:
    """As ``answer``, for a model that was prepared before: several questions share that work."""
    scenario, options = found.scenario, found.options
    if scenario.quantization is None:
        return best(found.architecture, options, machine, scenario)
    wanted = scenario.quantization.lower()
    chosen = next((option for option in options if option.quantization.lower() == wanted), None)
    if chosen is None:
        names = ", ".join(option.quantization for option in options)
        raise UsageError(
            f"“{scenario.quantization}” is not a quantization of this model", hint=f"choose {names}"
        )
    return judge(found.architecture, chosen, machine, scenario)


def grid_of(found: Subject, machine: Machine) -> Grid:
    """Answers for every quantization a model is offered in, at each context up to the model's own.

    The context that was asked for is one of them, whatever it is.
    """
    wanted = context_of(found)
    columns = grid_contexts(found.architecture, wanted)
    return Grid(
        tuple(option.quantization for option in found.options),
        columns,
        tuple(
            tuple(
                _cell(found.architecture, option, machine, found.scenario, context)
                for context in columns
            )
            for option in found.options
        ),
        chosen=columns.index(wanted) if wanted in columns else 0,
        by_context=grows_with_context(found.architecture),
        limit_tokens=found.architecture.context_tokens,
    )


def context_of(found: Subject) -> int | None:
    """The context a model is judged for: what was asked for, or the engine's default; None if it has none."""
    engine = engine_for(found.architecture, found.scenario)
    return engine.resolve(found.architecture, found.scenario)[0].context_tokens


def grows_with_context(shape: Architecture) -> bool:
    """Whether a longer context takes more memory: not of encoders, nor of what has no blocks at all."""
    return bool(shape.layers) and shape.kind != "encoder"


def grid_contexts(shape: Architecture, wanted: int | None) -> tuple[int, ...]:
    """Powers of two from 4K up to the model's own limit, that limit, and the context that is wanted.

    The wanted one alone where memory does not grow with the context.
    """
    if wanted is None or not grows_with_context(shape):
        return (wanted or shape.context_tokens or CONTEXTS[0],)
    limit = shape.context_tokens or CONTEXTS[5]
    below = {context for context in CONTEXTS if context < limit}
    return tuple(sorted(below | {min(limit, CONTEXTS[-1]), wanted}))


def _demand_whole(model: Model) -> None:
    """Raises UsageError for an adapter, with the model to ask about instead."""
    if model.layout.kind != "adapter":
        return
    base = model.layout.base_model or next(iter(model.repo.listing.base_models), None)
    size = memory(model.checkpoint.counts.stored_bytes)
    raise UsageError(
        f"{model.id} is an adapter: it runs on top of {base or 'a model that it does not name'}",
        f"it adds {size} to it, and nothing once it is merged",
        f"ask about {base}" if base else "ask about its base model",
    )


def _as_offered(shape: Architecture, options: Sequence[WeightMap]) -> Architecture:
    """Without layers for multi-token prediction where no file that is offered holds their weights."""
    if any(option.mtp_bytes for option in options):
        return shape
    return replace(shape, mtp_layers=0)


def _with_engine(model: Model, scenario: Scenario) -> Scenario:
    """The scenario with the engine that people run this checkpoint on, if it names none.

    Pipelines are run by their own library, whatever it names.
    """
    if model.layout.kind == "diffusers":
        return replace(scenario, engine="diffusers")
    if scenario.engine is not None:
        return scenario
    return replace(scenario, engine=engine_of(model.checkpoint.quantization))


def _cell(
    shape: Architecture, option: WeightMap, machine: Machine, scenario: Scenario, context: int
) -> Answer:
    asked = replace(scenario, context_tokens=context)
    return judge(shape, option, machine, asked, explain=False)


def _shape(model: Model) -> Architecture:
    """The model's shape; of a pipeline, or if no file tells it, one without layers, which says so."""
    if model.architecture is not None:
        return model.architecture
    if model.layout.kind == "diffusers":
        index = model.documents.get("model_index.json", {})
        name = str(index.get("_class_name") or "DiffusionPipeline")
        return _weights_only(name, "diffusion", ())
    said = "No file tells the model's shape: only the weights are counted."
    return _weights_only("unknown", "decoder", (said,))


def _weights_only(name: str, kind: str, assumptions: tuple[str, ...]) -> Architecture:
    return Architecture(
        name=name,
        model_type=kind,
        layers=(),
        hidden=0,
        vocabulary=0,
        context_tokens=None,
        kind=kind,
        known=not assumptions,
        assumptions=assumptions,
    )


def _first_problem(model: Model) -> Exception:
    if model.errors:
        return model.errors[0]
    return UsageError(f"{model.id} has no weights to judge")
