"""The most one can have of a model on a machine: context, sequences, quantization."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from explorer.fit.architecture import Architecture
from explorer.fit.engines import DEFAULT_ENGINE, engine_for
from explorer.fit.llama_cpp import settings as llama_cpp
from explorer.fit.planner import best
from explorer.fit.values import RANK, Answer, Engine, Scenario, Verdict
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine

MOST_SEQUENCES = 1024
"""Where the search for the most sequences ends."""
_LIMITS: dict[Engine, int] = {"llama.cpp": llama_cpp.MOST_SEQUENCES}
"""Of engines that have no more than so many."""


@dataclass(frozen=True, slots=True)
class Most:
    """The largest of each, the others as they were asked for, with no worse a verdict."""

    context_tokens: int
    """In the answer's quantization and for its sequences; 0 if it does not run."""
    sequences: int
    """In the answer's quantization, each with the context asked for; 0 if not one fits, or if the model
    has no sequences, as a pipeline of images."""
    quantization: str | None
    """The highest quality that runs with the context and the sequences asked for; None if none does."""
    quantization_verdict: Verdict
    """How it runs."""


def find_most(
    architecture: Architecture,
    options: Sequence[WeightMap],
    machine: Machine,
    scenario: Scenario,
    answer: Answer,
) -> Most:
    """What could be had instead of what an explained answer gives.

    ``scenario`` is the one that was asked; the best quantization is looked for whichever it names.
    """
    chosen = best(
        architecture, options, machine, replace(scenario, quantization=None), explain=False
    )
    runs = chosen.verdict is not Verdict.TOO_LARGE
    return Most(
        context_tokens=answer.max_context_tokens,
        sequences=_sequences(architecture, options, machine, scenario, answer),
        quantization=chosen.scenario.quantization if runs else None,
        quantization_verdict=chosen.verdict,
    )


def _sequences(
    architecture: Architecture,
    options: Sequence[WeightMap],
    machine: Machine,
    scenario: Scenario,
    answer: Answer,
) -> int:
    """Sequences of the answer's context with no worse a verdict than its own."""
    if answer.verdict is Verdict.TOO_LARGE or not architecture.layers:
        return 0
    engine = engine_for(architecture, answer.scenario)
    weights = next(
        option for option in options if option.quantization == answer.scenario.quantization
    )

    # more sequences may take more devices than the answer uses
    free = replace(answer.scenario, tensor_parallel=scenario.tensor_parallel,
                   pipeline_parallel=scenario.pipeline_parallel)  # fmt: skip

    def runs(sequences: int) -> bool:
        asked = replace(free, sequences=sequences)
        plan = engine.plan(architecture, weights, machine, asked)
        return RANK[plan.verdict] <= RANK[answer.verdict]

    limit = _LIMITS.get(answer.scenario.engine or DEFAULT_ENGINE, MOST_SEQUENCES)
    return _last(runs, answer.scenario.sequences, limit)


def _last(holds: Callable[[int], bool], low: int, limit: int) -> int:
    """The largest number up to ``limit`` for which something holds that holds for ``low``."""
    high = low + 1
    while high <= limit and holds(high):
        low, high = high, high * 2
    high = min(high, limit + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
