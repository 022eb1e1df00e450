"""The engines a model can be judged for, by name.

An engine is a module that answers three questions about one model on one machine; the planner asks
them in the same way whichever engine it is.
"""

from functools import cache
from importlib import import_module
from typing import Protocol, cast, get_args

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.values import Engine, Plan, Reason, Scenario, Speed
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine


class EngineModel(Protocol):
    """What the planner needs of an engine."""

    def resolve(
        self, architecture: Architecture, scenario: Scenario
    ) -> tuple[Scenario, tuple[str, ...]]:
        """The scenario with the engine's defaults filled in, and what had to be supposed.

        Raises UsageError for settings the engine does not have.
        """

    def plan(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, scenario: Scenario
    ) -> Plan:
        """The best placement of a resolved scenario."""

    def reasons(
        self, architecture: Architecture, weights: WeightMap, plan: Plan, scenario: Scenario
    ) -> tuple[Reason, ...]:
        """Why each part of the plan is as large as it is."""

    def speed(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, plan: Plan
    ) -> Speed:
        """Tokens a second of one sequence with the context full, from measured runs of this engine."""


DEFAULT_ENGINE: Engine = "llama.cpp"
_CLASSES: dict[str, str] = {
    "llama.cpp": "explorer.fit.llama_cpp.engine:LlamaCpp",
    "vllm": "explorer.fit.vllm.engine:Vllm",
    "transformers": "explorer.fit.transformers.engine:Transformers",
    "mlx": "explorer.fit.mlx.engine:Mlx",
    "diffusers": "explorer.fit.components:Components",
}
"""Where each engine is. Imported when it is first asked: most runs need one of them."""


def engine_for(architecture: Architecture, scenario: Scenario) -> EngineModel:
    """The engine a scenario names; for what has no blocks to place, the one that weighs components."""
    return engine_model(scenario.engine if architecture.layers else "diffusers")


@cache
def engine_model(name: Engine | None) -> EngineModel:
    """The engine of this name, llama.cpp for None. Raises UsageError for one that is not modelled."""
    where = _CLASSES.get(name or DEFAULT_ENGINE)
    if where is None:
        names = ", ".join(get_args(Engine))
        raise UsageError(f"The memory of “{name}” is not modelled", hint=f"choose {names}")
    module, _, of_class = where.partition(":")
    return cast(EngineModel, getattr(import_module(module), of_class)())
