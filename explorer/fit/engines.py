"""The engines a model can be judged for, by name.

An engine is a module that answers three questions about one model on one machine; the planner asks
them in the same way whichever engine it is.
"""

from typing import Protocol

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.components import Components
from explorer.fit.llama_cpp.engine import LlamaCpp
from explorer.fit.mlx.engine import Mlx
from explorer.fit.transformers.engine import Transformers
from explorer.fit.values import Engine, Plan, Reason, Scenario
from explorer.fit.vllm.engine import Vllm
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


_ENGINES: dict[Engine, EngineModel] = {
    "llama.cpp": LlamaCpp(),
    "vllm": Vllm(),
    "transformers": Transformers(),
    "mlx": Mlx(),
}
_COMPONENTS = Components()
DEFAULT_ENGINE: Engine = "llama.cpp"


def engine_for(architecture: Architecture, scenario: Scenario) -> EngineModel:
    """The engine a scenario names; for what has no blocks to place, the one that weighs components."""
    return engine_model(scenario.engine) if architecture.layers else _COMPONENTS


def engine_model(name: Engine | None) -> EngineModel:
    """The engine of this name, llama.cpp for None. Raises UsageError for one that is not modelled."""
    name = name or DEFAULT_ENGINE
    if name not in _ENGINES:
        raise UsageError(
            f"The memory of “{name}” is not modelled", hint=f"choose {', '.join(_ENGINES)}"
        )
    return _ENGINES[name]
