"""What transformers does with a model on a machine."""

from typing import Any

import pytest

from explorer.errors import UsageError
from explorer.fit.config import from_config
from explorer.fit.planner import judge
from explorer.fit.transformers.engine import Transformers
from explorer.fit.values import Answer, Scenario, Verdict
from explorer.hardware.machine import Machine
from explorer.units import GIB
from tests.accuracy.vllm_logs import published
from tests.fit_vllm.models import GPT_OSS_20B, LLAMA_8B, evenly, machine

SHAPE = from_config(LLAMA_8B)


def asked(**settings: Any) -> Scenario:
    return Scenario(engine="transformers", **settings)


def answer(where: Machine, gib: float = 15, **settings: Any) -> Answer:
    return judge(SHAPE, evenly(SHAPE, gib), where, asked(**settings))


def test_a_model_that_fits_is_whole_on_one_device() -> None:
    found = answer(machine(24, 24), context_tokens=4096)
    assert found.verdict is Verdict.FITS
    device, host = found.placement
    assert device.memory.weights == pytest.approx(15 * GIB, abs=32)
    assert device.memory.kv_cache == GIB // 2
    assert host.memory.weights == 0


def test_weights_leave_a_tenth_of_the_device_for_the_rest() -> None:
    assert answer(machine(16.6), 15, context_tokens=256).verdict is not Verdict.FITS
    tight = answer(machine(16.6), 15, context_tokens=256, reserve_bytes=0)
    assert tight.verdict is Verdict.TIGHT


def test_layers_are_spread_over_devices_with_a_buffer_on_all_but_the_last() -> None:
    found = answer(machine(12, 12), context_tokens=4096)
    assert found.verdict is Verdict.FITS
    first, second, _ = found.placement
    table = 2 * 128_256 * 4096
    share = first.memory.weights + first.memory.kv_cache
    even = (15 * GIB + GIB // 2) // 2
    assert even < share <= even + 1.25 * table
    assert second.memory.weights > 0
    assert found.memory.weights == pytest.approx(15 * GIB, abs=32)


def test_what_is_left_stays_on_the_host_and_its_cache_on_the_device() -> None:
    found = answer(machine(12), context_tokens=4096)
    assert found.verdict is Verdict.OFFLOAD
    device, host = found.placement
    assert 0 < host.memory.weights < 15 * GIB
    assert device.memory.kv_cache == GIB // 2
    assert host.memory.kv_cache == 0
    assert device.memory.total <= 12 * GIB
    assert device.memory.weights + host.memory.weights == pytest.approx(15 * GIB, abs=32)


def test_a_host_without_room_is_too_small() -> None:
    assert answer(machine(8, host_gib=4)).verdict is Verdict.TOO_LARGE


def test_a_processor_alone_runs_the_model() -> None:
    found = answer(Machine("CPU", (), 64 * GIB, 60 * GIB), context_tokens=4096)
    assert found.verdict is Verdict.FITS
    (host,) = found.placement
    assert host.device == "host"
    assert host.memory.kv_cache == GIB // 2


def test_unified_memory_is_not_counted_twice() -> None:
    where = machine(24, host_gib=24, unified=True)
    assert answer(where, 15, context_tokens=4096).verdict is Verdict.FITS
    assert answer(where, 28, context_tokens=4096).verdict is Verdict.TOO_LARGE


def test_a_whole_prompt_is_processed_at_once_unless_a_step_is_set() -> None:
    whole = answer(machine(80), context_tokens=65_536)
    stepped = answer(machine(80), context_tokens=65_536, batch_tokens=1024)
    assert whole.scenario.batch_tokens == 65_536
    assert whole.memory.compute > 20 * stepped.memory.compute
    widest = 65_536 * 2 * (4 * 4096 + 3 * 14_336)
    assert whole.memory.compute == widest + 6 * 128_256


def test_eager_attention_holds_every_score() -> None:
    fused = answer(machine(80), context_tokens=8192)
    eager = answer(machine(80), context_tokens=8192, flash_attention=False)
    assert eager.memory.compute - fused.memory.compute == 6 * 32 * 8192 * 8192


def test_a_window_needs_a_mask() -> None:
    shape = from_config(GPT_OSS_20B)
    long = judge(shape, evenly(shape, 13), machine(80), asked(context_tokens=32_768))
    assert long.memory.compute > 32_768 * 32_768


def test_a_tied_head_is_loaded_once() -> None:
    found, weights = published("Qwen/Qwen3-0.6B")
    loaded = judge(found, weights, machine(24), asked()).memory.weights
    assert loaded == weights.total_bytes - 2 * 151_936 * 1024


def test_multi_token_prediction_is_not_loaded() -> None:
    found, weights = published("deepseek-ai/DeepSeek-R1", "FP8")
    loaded = judge(found, weights, machine(*[140.0] * 8, host_gib=2000), asked()).memory.weights
    assert loaded == weights.total_bytes - weights.mtp_bytes


def test_a_cache_of_another_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="q8_0"):
        Transformers().resolve(SHAPE, asked(kv_dtype="q8_0"))


def test_reasons_tell_every_part() -> None:
    found = answer(machine(24), context_tokens=4096)
    told = {reason.name: reason.value for reason in found.reasons}
    assert told["KV cache, full"] == "512 MiB"
    assert {"weights", "compute", "overhead"} <= told.keys()


def test_more_context_never_needs_less() -> None:
    totals = [
        answer(machine(80), context_tokens=context).memory.total
        for context in (1, 256, 4096, 32_768)
    ]
    assert totals == sorted(totals)
