"""Every kind of published model, on every engine: figures add up and nothing falls over."""

from functools import cache

import pytest

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.config import from_config
from explorer.fit.planner import judge
from explorer.fit.values import Engine, Scenario, Verdict
from explorer.fit.vllm.cache import pool
from explorer.fit.vllm.settings import Settings, tensor_parallel_sizes
from explorer.fit.vllm.weights import rank_bytes
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine
from explorer.units import GIB
from tests.accuracy.vllm_logs import published
from tests.fit_vllm.models import machine
from tests.weights.checkpoint.published import models


@cache
def kinds() -> dict[str, str]:
    """One model a type."""
    found: dict[str, str] = {}
    for name, model in models().items():
        if "" in model.headers and model.config.get("model_type"):
            found.setdefault(from_config(model.config).model_type, name)
    return found


@cache
def checkpoint(kind: str) -> tuple[Architecture, WeightMap]:
    return published(kinds()[kind])


MACHINES: dict[Engine, Machine] = {
    "vllm": machine(48, 48),
    "transformers": machine(48, 48),
    "mlx": machine(96, kind="metal", host_gib=128, unified=True),
}


@pytest.mark.parametrize("engine", MACHINES)
@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_gets_an_answer(kind: str, engine: Engine) -> None:
    shape, weights = checkpoint(kind)
    try:
        found = judge(shape, weights, MACHINES[engine], Scenario(engine=engine), explain=False)
    except UsageError:
        assert engine == "mlx"
        assert shape.kind != "decoder"
        return
    parts = found.memory
    assert min(parts.weights, parts.compute, parts.overhead) > 0
    assert min(parts.kv_cache, parts.recurrent_state) >= 0
    assert parts.weights <= 1.05 * weights.total_bytes + GIB
    if found.verdict in (Verdict.FITS, Verdict.TIGHT):
        assert all(
            placed.memory.total <= placed.capacity_bytes * 1.09 for placed in found.placement
        )


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_ranks_hold_at_least_their_share(kind: str) -> None:
    shape, weights = checkpoint(kind)
    whole = rank_bytes(shape, weights, Settings(8192), ())[0]
    alone = pool(shape, Settings(8192)).stage_bytes[0]
    for size in tensor_parallel_sizes(shape, 8):
        settings = Settings(8192, tensor_parallel=size)
        rank = rank_bytes(shape, weights, settings, ())[0]
        assert whole / size * 0.999 <= rank <= whole
        assert alone // size <= pool(shape, settings).stage_bytes[0] * 1.01 + 1
