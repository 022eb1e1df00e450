"""What an engine uses where it was left to choose: its own word for that is no figure."""

from collections.abc import Mapping
from dataclasses import replace

from explorer.fit.values import Answer
from explorer.inspection.model import Model

_OWN = "auto"
_HALVES = ("bfloat16", "float16")


def as_used(model: Model, answer: Answer) -> Answer:
    """The answer with a KV type and a step in its scenario where those were the engine's to choose.

    Left alone where the engine's figures do not rest on one, and where no file tells the model's type.
    """
    scenario = answer.scenario
    kv_dtype, step = scenario.kv_dtype, scenario.batch_tokens
    if kv_dtype == _OWN:
        kv_dtype = _own_type(model) or _OWN
    if step is None and scenario.engine == "vllm" and answer.placement:
        from explorer.fit.vllm.engine import step_tokens  # an engine is loaded when it is asked

        step = step_tokens(answer.placement, scenario)
    return replace(answer, scenario=replace(scenario, kv_dtype=kv_dtype, batch_tokens=step))


def _own_type(model: Model) -> str | None:
    """The model's own 16-bit type, which engines give its cache: as config.json says, else of its tensors."""
    text = model.config.get("text_config")
    for level in (model.config, text if isinstance(text, Mapping) else {}):
        said = str(level.get("dtype") or level.get("torch_dtype") or "").removeprefix("torch.")
        if said in _HALVES:
            return said
    counts = model.checkpoint.counts.by_dtype
    own = {"BF16": "bfloat16", "F16": "float16"}
    found = max(own, key=lambda name: counts.get(name, 0))
    return own[found] if counts.get(found) else None
