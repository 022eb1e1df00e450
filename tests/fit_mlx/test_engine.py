"""What mlx-lm does with a model on a Mac."""

from dataclasses import replace
from typing import Any

import pytest

from explorer.errors import UsageError
from explorer.fit.config import from_config
from explorer.fit.formats import plan_format
from explorer.fit.mlx.engine import Mlx
from explorer.fit.planner import judge
from explorer.fit.values import Answer, Memory, Scenario, Verdict
from explorer.hardware.machine import Device, Machine
from explorer.units import GIB
from tests.accuracy.vllm_logs import GEMMA_3_27B
from tests.fit_vllm.models import GPT_OSS_20B, LLAMA_8B, evenly, machine, published_shape
from tests.weights.checkpoint.published import models, unfold

SHAPE = from_config(LLAMA_8B)
MAC = machine(36, kind="metal", name="M4 Pro", host_gib=48, unified=True)


def asked(**settings: Any) -> Scenario:
    return Scenario(engine="mlx", **settings)


def answer(gib: float, **settings: Any) -> Answer:
    return judge(SHAPE, evenly(SHAPE, gib, "MLX-4bit"), MAC, asked(**settings))


def test_a_model_fits_in_the_working_set() -> None:
    found = answer(5, context_tokens=8192)
    assert found.verdict is Verdict.FITS
    (placed,) = found.placement
    assert placed.capacity_bytes == 36 * GIB
    assert placed.memory.kv_cache == GIB
    assert found.scenario.batch_tokens == 2048


def test_weights_of_most_of_the_working_set_are_tight() -> None:
    assert answer(32, context_tokens=256).verdict is Verdict.FITS
    assert answer(33, context_tokens=256).verdict is Verdict.TIGHT
    assert answer(36, context_tokens=256).verdict is Verdict.TOO_LARGE


@pytest.mark.parametrize("kind", ["cuda", "rocm", "vulkan", "cpu"])
def test_other_machines_are_refused(kind: Any) -> None:
    with pytest.raises(UsageError, match="Apple silicon"):
        judge(SHAPE, evenly(SHAPE, 5), machine(24, kind=kind), asked())


@pytest.mark.parametrize("name", ["BAAI/bge-base-en-v1.5", "openai/clip-vit-large-patch14"])
def test_models_that_write_no_text_are_refused(name: str) -> None:
    shape = published_shape(name)
    with pytest.raises(UsageError, match="generates text"):
        Mlx().resolve(shape, asked())


@pytest.mark.parametrize("name", ["q8_0", "8bit", "q8"])
def test_caches_are_quantized_under_any_of_the_usual_names(name: str) -> None:
    found = answer(5, context_tokens=8192, kv_dtype=name)
    assert found.scenario.kv_dtype == "q8"
    assert found.memory.kv_cache == GIB * (8 + 0.5) / 16


def test_a_quantized_cache_has_no_fused_attention() -> None:
    whole = answer(5, context_tokens=8192).memory.compute
    assert answer(5, context_tokens=8192, kv_dtype="q8").memory.compute > whole + GIB


def test_a_cache_of_another_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="fp8"):
        Mlx().resolve(SHAPE, asked(kv_dtype="fp8"))


@pytest.mark.parametrize("config", [GEMMA_3_27B, GPT_OSS_20B])
def test_rotating_caches_cannot_be_quantized(config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="windows"):
        Mlx().resolve(from_config(config), asked(kv_dtype="q8"))


def test_a_vision_tower_is_not_loaded() -> None:
    seeing = replace(evenly(SHAPE, 5), vision_bytes=GIB)
    assert judge(SHAPE, seeing, MAC, asked()).memory.weights == evenly(SHAPE, 5).total_bytes


def test_reasons_tell_every_part() -> None:
    told = {reason.name: reason.value for reason in answer(5, context_tokens=8192).reasons}
    assert told["KV cache, full"] == "1.00 GiB"
    assert told["working set"] == "36.0 GiB"
    assert {"weights", "compute", "overhead"} <= told.keys()


def test_windows_that_are_not_used_are_said() -> None:
    shape = from_config({**LLAMA_8B, "model_type": "mistral", "sliding_window": 4096})
    _, said = Mlx().resolve(shape, asked())
    assert any("whole context in every layer" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("model", "form", "name", "bandwidth", "context", "measured"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "MLX-4bit", "M4 Pro", 273, 32_159, 23.146),
        ("Qwen/Qwen3.5-35B-A3B", "MLX-4bit", "M5 Max", 614, 1479, 133.48),
        ("Qwen/Qwen3-0.6B", "MLX-8bit", "M4 Pro", 273, 256, 284.2),
        ("Qwen/Qwen3-30B-A3B", "MLX-4bit", "M4 Max", 546, 2112, 113.33),
    ],
)
def test_published_runs_are_reproduced(
    model: str, form: str, name: str, bandwidth: float, context: int, measured: float
) -> None:
    found = models()[model]
    shape = from_config(found.config)
    weights = plan_format(unfold(found.headers[""]), shape, form)
    gpu = Device(name, "metal", 48 * GIB, 36 * GIB, int(bandwidth * 1e9), "lpddr", unified=True)
    mac = Machine(name, (gpu,), 48 * GIB, 40 * GIB)
    scenario, _ = Mlx().resolve(shape, asked(context_tokens=context))
    speed = Mlx().speed(shape, weights, mac, Mlx().plan(shape, weights, mac, scenario))
    assert speed.decode is not None
    assert speed.decode.expected == pytest.approx(measured, rel=0.22)
    assert speed.decode.low < measured < 1.1 * speed.decode.high
    assert speed.prefill is None


def test_no_bandwidth_no_figure() -> None:
    gpu = Device("M9", "metal", 48 * GIB, 36 * GIB)
    mac = Machine("M9", (gpu,), 48 * GIB, 40 * GIB)
    scenario, _ = Mlx().resolve(SHAPE, asked())
    weights = evenly(SHAPE, 5)
    speed = Mlx().speed(SHAPE, weights, mac, Mlx().plan(SHAPE, weights, mac, scenario))
    assert speed.decode is None
    assert "not known" in speed.basis


def test_memory_adds_up() -> None:
    found = answer(5, context_tokens=8192)
    assert found.memory == sum((placed.memory for placed in found.placement), Memory())
