"""What can be chosen for a model on a machine: the engines that run it, the KV caches they have."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.engines import engine_model
from explorer.fit.llama_cpp.settings import BLOCK_BYTES
from explorer.fit.mlx.engine import KV_BITS
from explorer.fit.support import refusal
from explorer.fit.transformers.engine import KV_DTYPES
from explorer.fit.values import Engine, Scenario
from explorer.fit.vllm.settings import KV_BYTES
from explorer.hardware.machine import Machine
from explorer.inspection.fitting import Subject
from explorer.inspection.model import Model
from explorer.inspection.quantizations import check_format

_KV: dict[Engine, tuple[str, ...]] = {
    "llama.cpp": tuple(BLOCK_BYTES),
    "vllm": tuple(KV_BYTES),
    "transformers": tuple(KV_DTYPES),
    "mlx": tuple(KV_BITS),
}
Setting: TypeAlias = Literal["flash", "unified", "drafts"]
_SETTINGS: dict[Engine, frozenset[Setting]] = {
    "llama.cpp": frozenset({"flash", "unified", "drafts"}),
    "transformers": frozenset({"flash"}),
    "vllm": frozenset({"drafts"}),
}
"""What can be set of an engine beside what can be of each."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """One engine, and whether it can be chosen."""

    engine: Engine
    refusal: str = ""
    """Why it does not run the model on the machine; empty if it does."""


def engine_choices(model: Model, found: Subject, machine: Machine) -> tuple[EngineChoice, ...]:
    """Every engine, and why those do not run the model that do not.

    ``found`` is the model prepared for any of them. Empty for what has no blocks to place: pipelines
    are run by their own library.
    """
    if not found.architecture.layers:
        return ()
    return tuple(
        EngineChoice(engine, _refusal(model, found, machine, engine))
        for engine in get_args(Engine)
        if engine in _KV
    )


def kv_choices(engine: Engine | None) -> tuple[str, ...]:
    """The types an engine's KV cache may have, its default first; empty for none."""
    names = _KV.get(engine or "llama.cpp", ())
    default = "f16" if "f16" in names else "auto"
    return tuple(sorted(names, key=lambda name: name != default))


def settable(scenario: Scenario, shape: Architecture | None) -> frozenset[Setting]:
    """What else can be set of a scenario's engine for a model.

    Whether sequences share a cache only where there are several, drafts only where the model has layers
    that predict them.
    """
    found = set(_SETTINGS.get(scenario.engine or "llama.cpp", frozenset()))
    if scenario.sequences == 1:
        found.discard("unified")
    if shape is None or shape.draft_layer is None:
        found.discard("drafts")
    return frozenset(found)


def _refusal(model: Model, found: Subject, machine: Machine, engine: Engine) -> str:
    packed = model.checkpoint.quantization
    if packed is not None and model.checkpoint.format != "gguf":
        said = refusal(engine, packed.description, machine.devices)
        if said is not None and engine != "llama.cpp":
            return said
    try:
        check_format(model, engine)
        asked = Scenario(engine=engine)
        resolved, _ = engine_model(engine).resolve(found.architecture, asked)
        smallest = replace(resolved, quantization=found.options[-1].quantization)
        engine_model(engine).plan(found.architecture, found.options[-1], machine, smallest)
    except UsageError as error:
        return ": ".join(filter(None, (error.title, error.detail)))
    return ""
