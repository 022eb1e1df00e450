"""What vLLM does with a model on a machine."""

from dataclasses import replace
from typing import Any

import pytest

from explorer.errors import UsageError
from explorer.fit.config import from_config
from explorer.fit.planner import judge
from explorer.fit.values import Answer, Scenario, Verdict
from explorer.fit.vllm.engine import Vllm, deploy
from explorer.fit.vllm.settings import default_batch_tokens, default_sequences, stages
from explorer.hardware.machine import Device, Machine
from explorer.units import GIB
from tests.fit_vllm.models import LLAMA_8B, evenly, machine

SHAPE = from_config(LLAMA_8B)


def asked(**settings: Any) -> Scenario:
    return Scenario(engine="vllm", **settings)


def answer(where: Machine, gib: float = 15, **settings: Any) -> Answer:
    return judge(SHAPE, evenly(SHAPE, gib), where, asked(**settings))


def test_a_model_fits_under_the_share_of_the_device() -> None:
    found = answer(machine(24), context_tokens=8192)
    assert found.verdict is Verdict.FITS
    (placed,) = found.placement
    assert placed.capacity_bytes == -int(-24 * GIB * 0.92 // 1)
    assert placed.memory.kv_cache == GIB + 32 * 16 * 8 * 256 * 2  # one block is never given out
    assert found.scenario.memory_utilization == 0.92
    assert found.scenario.kv_dtype == "auto"


def test_every_sequence_is_given_its_whole_context() -> None:
    one = answer(machine(24), context_tokens=8192).memory.kv_cache
    four = answer(machine(24), context_tokens=8192, sequences=4).memory.kv_cache
    assert four > 3.9 * one


def test_what_needs_a_larger_share_is_tight() -> None:
    needed = answer(machine(24), context_tokens=8192).memory.total / GIB
    tight = answer(machine(needed + 0.1), context_tokens=8192)
    assert tight.verdict is Verdict.TIGHT
    assert tight.memory.total <= tight.placement[0].capacity_bytes
    assert "larger --gpu-memory-utilization" in tight.reasons[-1].formula
    assert answer(machine(needed - 0.1), context_tokens=8192).verdict is Verdict.TOO_LARGE


def test_a_share_that_was_asked_for_is_kept() -> None:
    found = answer(machine(24), context_tokens=8192, memory_utilization=0.7)
    assert found.verdict is Verdict.TOO_LARGE


def test_the_largest_context_fills_the_pool() -> None:
    found = answer(machine(24), context_tokens=8192)
    most = found.max_context_tokens
    assert answer(machine(24), context_tokens=most).verdict is Verdict.FITS
    assert answer(machine(24), context_tokens=most + 256).verdict is not Verdict.FITS


def test_more_devices_are_used_when_one_is_not_enough() -> None:
    found = answer(machine(12, 12, 12), context_tokens=4096)
    assert found.verdict is Verdict.FITS
    assert len(found.placement) == 2
    halves = [placed.memory.weights for placed in found.placement]
    assert halves[0] == halves[1]


def test_what_does_not_fit_is_shown_where_it_comes_nearest() -> None:
    found = answer(machine(6, 6, 6), gib=40, context_tokens=4096)
    assert found.verdict is Verdict.TOO_LARGE
    assert len(found.placement) == 3  # three stages; two ranks would each lack more
    assert (found.scenario.tensor_parallel, found.scenario.pipeline_parallel) == (1, 3)


def test_stages_are_used_where_heads_do_not_divide() -> None:
    shape = from_config({**LLAMA_8B, "num_attention_heads": 25, "num_key_value_heads": 5,
                         "intermediate_size": 5 * 2048})  # fmt: skip
    found = judge(shape, evenly(shape, 15), machine(12, 12), asked(context_tokens=4096))
    assert found.verdict is Verdict.FITS
    assert len(found.placement) == 2
    table = 2 * shape.vocabulary * shape.hidden
    halves = sum(placed.memory.weights for placed in found.placement)
    rotary = 131_072 * 128 * 2
    assert halves == pytest.approx(15 * GIB + 2 * rotary, abs=32)
    assert all(placed.memory.weights > table for placed in found.placement)


@pytest.mark.parametrize("size", [3, 5, 7, 64])
def test_heads_that_do_not_divide_are_refused_with_what_would(size: int) -> None:
    with pytest.raises(UsageError) as raised:
        Vllm().resolve(SHAPE, asked(tensor_parallel=size))
    assert raised.value.hint == "choose a tensor parallel size of 1, 2, 4, 8, 16, 32"


def test_more_ranks_than_devices_are_refused() -> None:
    with pytest.raises(UsageError, match="4 × 1 ranks"):
        answer(machine(24, 24), tensor_parallel=4)


def test_more_stages_than_layers_are_refused() -> None:
    with pytest.raises(UsageError, match="33 pipeline stages"):
        Vllm().resolve(SHAPE, asked(pipeline_parallel=33))


@pytest.mark.parametrize("share", [0, -0.5, 1.01])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="not a share"):
        Vllm().resolve(SHAPE, asked(memory_utilization=share))


def test_a_cache_of_another_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="q8_0"):
        Vllm().resolve(SHAPE, asked(kv_dtype="q8_0"))


@pytest.mark.parametrize("kind", ["metal", "cpu", "vulkan"])
def test_machines_without_a_device_of_its_own_are_refused(kind: Any) -> None:
    with pytest.raises(UsageError, match="no device"):
        answer(machine(64, kind=kind))


def test_steps_are_longer_on_larger_devices() -> None:
    def sized(gib: float, name: str = "GPU") -> list[Device]:
        return [Device(name, "cuda", int(gib * GIB), int(gib * GIB))]

    assert default_batch_tokens(sized(24)) == 2048
    assert default_batch_tokens(sized(80, "H100")) == 8192
    assert default_batch_tokens(sized(80, "A100 80GB")) == 2048
    assert default_batch_tokens(sized(180, "B200")) == 16384
    gb10 = Device("GB10", "cuda", 120 * GIB, 120 * GIB, compute_capability=(12, 1))
    assert default_batch_tokens([gb10]) == 2048
    assert [default_sequences(sized(gib)) for gib in (24, 80)] == [256, 1024]


def test_reasons_say_how_many_tokens_the_pool_holds() -> None:
    found = answer(machine(24), context_tokens=8192)
    told = {reason.name: reason for reason in found.reasons}
    scenario, _ = Vllm().resolve(SHAPE, asked(context_tokens=8192))
    deployed = deploy(SHAPE, evenly(SHAPE, 15), machine(24), scenario)
    assert told["KV cache tokens"].value == f"{deployed.tokens:,}"
    assert deployed.concurrency > 1
    assert {"weights", "cache, full attention", "compute", "overhead"} <= told.keys()


def test_reasons_follow_the_step_of_the_device() -> None:
    shape = from_config({**LLAMA_8B, "model_type": "mistral", "sliding_window": 4096})
    where = machine(80, name="H100")
    found = judge(shape, evenly(shape, 15), where, asked(context_tokens=65_536))
    blocks = -(-(4095 + 2 * 8192) // 16) + 1
    told = next(reason for reason in found.reasons if reason.name.startswith("cache"))
    assert told.inputs.startswith(f"{blocks:,} blocks")


def test_a_context_beyond_the_models_own_is_said_to_be_refused() -> None:
    _, said = Vllm().resolve(SHAPE, asked(context_tokens=262_144))
    assert any("VLLM_ALLOW_LONG_MAX_MODEL_LEN" in sentence for sentence in said)


def test_what_does_not_divide_goes_before_the_last_stage() -> None:
    assert [len(stage) for stage in stages(32, 3)] == [11, 11, 10]
    assert stages(4, 1) == (range(4),)


def test_a_vision_tower_is_loaded_and_profiled() -> None:
    plain = evenly(SHAPE, 15)
    seeing = replace(plain, vision_bytes=GIB)
    scenario = asked(context_tokens=8192)
    without = judge(SHAPE, plain, machine(48), scenario).memory
    found = judge(SHAPE, seeing, machine(48), scenario).memory
    assert found.weights - without.weights == GIB
    assert found.compute > without.compute
