"""KV cache and recurrent state against llama.cpp's own plans, all of them."""

from explorer.fit.llama_cpp.cache import kv_bytes, state_bytes
from tests.accuracy.plans import PlanRow, architecture, plan_rows

ON_HOST = {"server-partial", "server-cpu-moe"}
"""Profiles whose cache is on the host, in whole or in part."""


def _kv(row: PlanRow) -> int:
    cuda = "CUDA" in row.device and row.profile not in ON_HOST
    groups = architecture(row.model).groups
    return sum(kv_bytes(layer, row.settings, cuda=cuda) * count for layer, count in groups)


def test_kv_cache_is_llama_cpps_to_the_byte() -> None:
    wrong = [row for row in plan_rows() if _kv(row) != row.kv_bytes]
    assert not wrong


def test_recurrent_state_is_llama_cpps_to_the_byte() -> None:
    wrong = []
    for row in plan_rows():
        groups = architecture(row.model).groups
        ours = sum(state_bytes(layer, row.settings) * count for layer, count in groups)
        if ours != row.state_bytes:
            wrong.append(row)
    assert not wrong
