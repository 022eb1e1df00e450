"""KV cache, recurrent state and compute buffers against llama.cpp's own plans, all of them."""

from collections import defaultdict
from collections.abc import Iterable

import pytest

from explorer.fit.llama_cpp.builds import OFF
from explorer.fit.llama_cpp.cache import kv_bytes, state_bytes
from explorer.fit.llama_cpp.compute import compute
from explorer.fit.llama_cpp.demand import demand
from explorer.fit.planner import judge
from explorer.fit.quantize import plan
from explorer.fit.values import Scenario, Verdict
from explorer.hardware.machine import Device, Machine
from explorer.units import GIB
from explorer.weights.tensors import Tensor
from tests.accuracy.families import FamilyPlan, architecture_of, family_plans
from tests.accuracy.plans import PlanRow, architecture, description, plan_rows, weights
from tests.accuracy.spread_plans import SpreadPlan, spread_plans

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


def test_weights_are_llama_cpps_within_the_padding_of_rows() -> None:
    """On a CUDA device, on the host beside it, and on a processor alone; tied heads are copied."""
    for row in {row.model: row for row in plan_rows() if row.whole_on_one}.values():
        needs = demand(architecture(row.model), weights(row.model), row.settings, cuda=True)
        loaded = sum(needs.block_weights) + sum(needs.block_experts) + needs.output_weights
        assert loaded == pytest.approx(row.weights["CUDA0"], rel=1e-5)
        assert needs.input_weights == row.weights["CUDA_Host"]
    for row in {row.model: row for row in plan_rows() if row.device[:3] == "cpu"}.values():
        needs = demand(architecture(row.model), weights(row.model), row.settings)
        alone = sum(needs.block_weights) + sum(needs.block_experts)
        alone += needs.input_weights + needs.host_output_weights
        assert alone == sum(row.weights.values())


def _errors(device: str) -> list[float]:
    """Relative errors of the compute buffers, sorted."""
    errors = []
    for row in plan_rows():
        found = architecture(row.model)
        ours = compute(found, row.settings)
        if device == "CPU" and row.device.startswith("cpu"):
            errors.append(abs(ours.alone / row.compute["CPU"] - 1))
        elif device == "CUDA0" and row.whole_on_one:
            errors.append(abs(ours.device / row.compute["CUDA0"] - 1))
        elif device == "CUDA_Host" and row.whole_on_one:
            errors.append(abs(ours.host / row.compute["CUDA_Host"] - 1))
        elif device == "two" and row.device.startswith("2 CUDA"):
            needs = demand(found, weights(row.model), row.settings, cuda=True)
            _, first, second = needs.spread.buffers(2)
            errors.append(abs(first / row.compute["CUDA0"] - 1))
            errors.append(abs(second / row.compute["CUDA1"] - 1))
    return sorted(errors)


@pytest.mark.parametrize(("device", "median", "ninth", "worst"), [
    ("CUDA0", 0.001, 0.01, 0.20),
    ("CUDA_Host", 0.001, 0.005, 0.05),
    ("CPU", 0.001, 0.02, 0.20),
    ("two", 0.001, 0.01, 0.10),
])  # fmt: skip
def test_compute_buffers_are_near_llama_cpps(
    device: str, median: float, ninth: float, worst: float
) -> None:
    errors = _errors(device)
    assert errors[len(errors) // 2] <= median
    assert errors[len(errors) * 9 // 10] <= ninth
    assert errors[-1] <= worst


def test_every_expert_is_resident_though_few_are_active() -> None:
    """Qwen3-30B-A3B in Q8_0 is a file of 32.5 GB, and takes that much: not the 15.6 GB once claimed."""
    found = architecture("Qwen3-30B-A3B")
    tensors = [
        Tensor(name, dtype, tuple(reversed(shape)), 0, 0)
        for name, dtype, shape in description("Qwen3-30B-A3B")["tensors"]
    ]
    card = Device("H100", "cuda", 80 * GIB, 79 * GIB, 3350 * 10**9, "hbm")
    machine = Machine("H100", (card,), 128 * GIB, 120 * GIB)
    answer = judge(found, plan(tensors, found, "Q8_0"), machine, Scenario())
    assert answer.verdict is Verdict.FITS
    assert answer.memory.weights == pytest.approx(32.48e9, rel=0.001)


def test_a_device_that_is_lent_experts_needs_room_for_a_matrix_of_them() -> None:
    """Its compute buffers; in these plans all weights stayed on the host, blocks included."""
    errors = []
    for row in plan_rows():
        if row.profile == "server-cpu-moe":
            assert not row.weights.get("CUDA0")
            found = architecture(row.model)
            needs = demand(found, weights(row.model), row.settings, cuda=True)
            ours = needs.spread.buffers(1, len(found.layers))[1]
            errors.append(abs(ours / row.compute["CUDA0"] - 1))
    errors.sort()
    assert errors[len(errors) // 2] < 0.05
    assert errors[-1] < 0.3


def _by_part(plans: Iterable[FamilyPlan] | Iterable[SpreadPlan]) -> dict[str, list[float]]:
    errors: dict[str, list[float]] = defaultdict(list)
    for asked in plans:
        for part, ours, theirs in asked.parts():
            errors[part].append(abs(ours / theirs - 1))
    return {part: sorted(found) for part, found in errors.items()}


def test_blocks_and_experts_on_the_host_are_lent_as_the_engine_does() -> None:
    errors = _by_part(spread_plans())
    blocks, experts = (errors[f"compute, {what} on the host"] for what in ("blocks", "experts"))
    assert blocks[len(blocks) // 2] < 0.002
    assert blocks[len(blocks) * 9 // 10] < 0.12
    assert experts[len(experts) // 2] < 0.001
    assert experts[-1] < 0.25


@pytest.mark.parametrize("part", [
    "compute, CUDA", "compute, two CUDA", "compute, pinned host", "compute, CPU",
])  # fmt: skip
def test_families_beyond_the_models_are_as_near(part: str) -> None:
    """All but those that an answer says are off."""
    followed = [
        asked for asked in family_plans() if architecture_of(asked.family).model_type not in OFF
    ]
    errors = _by_part(followed)[part]
    assert errors[len(errors) // 2] < 0.001
    assert errors[len(errors) * 9 // 10] < 0.05
