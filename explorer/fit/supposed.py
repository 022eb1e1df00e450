"""What the engines say alike of a scenario, in sentences for ``Answer.assumptions``."""

from dataclasses import replace

from explorer.fit.architecture import Architecture
from explorer.fit.values import Scenario


def with_drafts(architecture: Architecture, scenario: Scenario, own_number: int) -> Scenario:
    """The scenario with the number of drafted tokens filled in; 0 for a model that cannot draft."""
    if not scenario.mtp or architecture.draft_layer is None:
        return replace(scenario, mtp=False, draft_tokens=0)
    return replace(scenario, draft_tokens=scenario.draft_tokens or own_number)


def on_drafts(asked: Scenario, resolved: Scenario, what_it_takes: str) -> list[str]:
    """What drafting takes, or that nothing is drafted although it was asked for."""
    if not asked.mtp:
        return []
    if not resolved.mtp:
        return [
            (
                "The model has no layers for multi-token prediction in the form it is run in: nothing "
                "is drafted ahead."
            )
        ]
    number = resolved.draft_tokens or 0
    return [
        (
            f"Drafts {number} token{'s' if number > 1 else ''} ahead: {what_it_takes} Speeds are those "
            "without drafts, since how many will be accepted is not known."
        )
    ]


def on_context(architecture: Architecture, scenario: Scenario, beyond: str = "") -> list[str]:
    """That the context is more than the model's own, or that its own is not known.

    ``beyond`` is what else there is to say of a context that is too long.
    """
    context, limit = scenario.context_tokens or 0, architecture.context_tokens
    if limit is None:
        return ["The model does not state its context length."]
    if context <= limit:
        return []
    return [
        f"The context of {context:,} tokens is beyond the {limit:,} the model states"
        + (f": {beyond}." if beyond else ".")
    ]


def without(scenario: Scenario, *, drafts: bool = False) -> Scenario:
    """The scenario of an engine that has none of llama.cpp's own settings; ``drafts`` if it can draft."""
    bare = replace(scenario, kv_unified=None, swa_full=False)
    return bare if drafts else replace(bare, mtp=False, draft_tokens=0)


def on_unused(asked: Scenario, resolved: Scenario, engine: str) -> list[str]:
    """Which settings were asked of an engine that does not have them."""
    found = []
    if asked.kv_unified is not None and resolved.kv_unified is None:
        found.append("unified or split KV caches")
    if asked.swa_full and not resolved.swa_full:
        found.append("whole contexts in windowed layers")
    if asked.mtp and not resolved.mtp:
        found.append("multi-token prediction")
    return [f"{engine} has no choice of {', or of '.join(found)}: not used."] if found else []


def is_parallel(scenario: Scenario) -> bool:
    """Whether several devices were asked to share the layers."""
    return max(scenario.tensor_parallel or 1, scenario.pipeline_parallel or 1) > 1
