"""Every engine that can be named is there, and answers what the planner asks."""

from typing import get_args

import pytest

from explorer.fit.engines import EngineModel, engine_model
from explorer.fit.values import Engine


@pytest.mark.parametrize("name", get_args(Engine))
def test_every_engine_that_can_be_named_is_modelled(name: Engine) -> None:
    engine: EngineModel = engine_model(name)
    assert all(callable(getattr(engine, asked)) for asked in ("resolve", "plan", "reasons"))


def test_llama_cpp_is_asked_when_none_is_named() -> None:
    assert type(engine_model(None)).__name__ == "LlamaCpp"
