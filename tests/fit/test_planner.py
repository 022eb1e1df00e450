"""Where a model goes on a machine, and what is said about it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from explorer.errors import UsageError
from explorer.fit.config import from_config
from explorer.fit.planner import best, judge
from explorer.fit.values import Answer, Memory, Scenario, Verdict
from explorer.fit.weight_map import BlockWeights, WeightMap
from explorer.hardware.machine import Device, Machine
from explorer.units import GIB, MIB
from tests.fit.test_llama_cpp_cache import DEEPSEEK_V3, GPT_OSS_20B, LLAMA_3_1_8B


def device(gib: float, name: str = "GPU", *, unified: bool = False) -> Device:
    return Device(
        name, "cuda", int(gib * GIB), int(gib * GIB), 1008 * 10**9, "gddr", unified=unified
    )


def machine(*gib: float, host_gib: float = 64) -> Machine:
    return Machine(
        "test", tuple(device(size, f"GPU {index}") for index, size in enumerate(gib)),
        int(host_gib * GIB), int(host_gib * GIB), 80 * 10**9,
    )  # fmt: skip


def weights(config: Mapping[str, Any], block_gib: float, *, name: str = "Q4_K_M") -> WeightMap:
    architecture = from_config(config)
    size = int(block_gib * GIB)
    blocks = tuple(
        BlockWeights(size // 10, size - size // 10) if layer.experts else BlockWeights(size)
        for layer in architecture.layers
    )
    return WeightMap(name, blocks, input_bytes=GIB // 4, output_bytes=GIB // 2)


def judged(config: Mapping[str, Any], block_gib: float, *where: float, **asked: Any) -> Answer:
    return judge(
        from_config(config), weights(config, block_gib), machine(*where), Scenario(**asked)
    )


def test_a_model_that_fits_is_whole_on_one_device_but_for_its_embeddings() -> None:
    answer = judged(LLAMA_3_1_8B, 0.125, 24)
    assert answer.verdict is Verdict.FITS
    on_device, on_host = answer.placement
    assert on_device.memory.weights == 32 * GIB // 8 + GIB // 2
    assert on_device.memory.kv_cache == GIB  # 8192 tokens by default
    assert on_host.memory.weights == GIB // 4
    assert answer.memory == on_device.memory + on_host.memory
    assert answer.max_context_tokens == 131_072
    assert answer.gpu_layers == 32


def test_an_encoder_reads_its_whole_input_in_one_micro_batch() -> None:
    """llama-server refuses an input that is longer than ``n_ubatch``."""
    config = {
        "architectures": ["NomicBertModel"], "model_type": "nomic_bert", "hidden_size": 768,
        "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
        "max_position_embeddings": 8192, "vocab_size": 30528,
    }  # fmt: skip
    answer = judged(config, 0.01, 24)
    assert answer.scenario.batch_tokens == 8192
    assert any("-ub 8192" in said for said in answer.assumptions)
    short = judged(config, 0.01, 24, context_tokens=256)
    assert short.scenario.batch_tokens == 512
    assert short.memory.compute < answer.memory.compute / 8


def test_a_batch_is_no_longer_than_the_context() -> None:
    """llama.cpp plans as much for an ``n_ubatch`` of 4096 as of 1024 where the context has 1024."""
    long = judged(LLAMA_3_1_8B, 0.1, 24, context_tokens=1024, batch_tokens=4096)
    fits = judged(LLAMA_3_1_8B, 0.1, 24, context_tokens=1024, batch_tokens=1024)
    assert long.memory == fits.memory


def test_llama_cpp_has_256_sequences_at_most() -> None:
    with pytest.raises(UsageError, match="no more than 256"):
        judged(LLAMA_3_1_8B, 0.1, 24, sequences=257)
    assert judged(LLAMA_3_1_8B, 0.1, 24, sequences=256, context_tokens=256).verdict == "fits"


def test_defaults_are_filled_in() -> None:
    scenario = judged(LLAMA_3_1_8B, 0.125, 24).scenario
    assert (scenario.context_tokens, scenario.kv_dtype, scenario.batch_tokens) == (8192, "f16", 512)
    assert scenario.reserve_bytes == 1024 * MIB
    assert scenario.quantization == "Q4_K_M"


def test_under_the_reserve_is_tight() -> None:
    answer = judged(LLAMA_3_1_8B, 0.125, 6.5)
    assert answer.verdict is Verdict.TIGHT
    assert judged(LLAMA_3_1_8B, 0.125, 6.5, reserve_bytes=0).verdict is Verdict.FITS


def test_the_largest_context_is_the_last_with_the_same_verdict() -> None:
    answer = judged(LLAMA_3_1_8B, 0.125, 10)
    most = answer.max_context_tokens
    assert most % 256 == 0
    assert judged(LLAMA_3_1_8B, 0.125, 10, context_tokens=most).verdict is Verdict.FITS
    assert judged(LLAMA_3_1_8B, 0.125, 10, context_tokens=most + 256).verdict is not Verdict.FITS


def test_layers_are_split_over_unequal_devices_in_proportion() -> None:
    answer = judged(LLAMA_3_1_8B, 0.75, 24, 12)
    assert answer.verdict is Verdict.FITS
    large, small = answer.placement[0].memory, answer.placement[1].memory
    assert large.weights > 1.9 * small.weights
    assert large.weights + small.weights == 24 * GIB + GIB // 2
    assert answer.placement[0].memory.total <= 23 * GIB
    assert answer.placement[1].memory.total <= 11 * GIB


def test_layers_that_do_not_fit_stay_on_the_host() -> None:
    answer = judged(LLAMA_3_1_8B, 0.5, 12)
    assert answer.verdict is Verdict.OFFLOAD
    assert 0 < answer.gpu_layers < 32
    assert answer.placement[0].memory.total <= 11 * GIB
    host = answer.placement[-1].memory
    assert host.weights == (32 - answer.gpu_layers) * GIB // 2 + GIB // 4


def test_experts_go_to_the_host_before_layers_do() -> None:
    answer = judged(GPT_OSS_20B, 0.5, 8)
    assert answer.verdict is Verdict.OFFLOAD
    assert answer.gpu_layers == 24
    assert 0 < answer.host_expert_layers < 24
    assert answer.placement[0].memory.kv_cache > 0
    assert answer.placement[1].memory.kv_cache == 0


def test_what_fits_nowhere_is_too_large_and_says_what_it_would_take() -> None:
    answer = judged(DEEPSEEK_V3, 6, 24)
    assert answer.verdict is Verdict.TOO_LARGE
    assert answer.memory.weights > 366 * GIB
    assert answer.max_context_tokens == 0
    assert answer.speed.decode is None


def test_a_number_of_layers_can_be_asked_for() -> None:
    answer = judged(LLAMA_3_1_8B, 0.125, 24, gpu_layers=10)
    assert answer.gpu_layers == 10
    assert answer.verdict is Verdict.OFFLOAD
    assert answer.placement[0].memory.kv_cache == 10 * GIB // 32
    assert judged(LLAMA_3_1_8B, 0.125, 24, gpu_layers=0).placement[0].device == "host"


def test_a_machine_without_devices_uses_its_processor() -> None:
    answer = judged(LLAMA_3_1_8B, 0.125)
    assert answer.verdict is Verdict.FITS
    assert [placed.device for placed in answer.placement] == ["host"]
    assert answer.memory.weights == 4 * GIB + GIB // 2 + GIB // 4


def test_a_unified_device_shares_its_memory_with_the_host() -> None:
    shared = Machine("M", (device(24, unified=True),), 32 * GIB, 24 * GIB, 400 * 10**9)
    small = weights(LLAMA_3_1_8B, 0.125)
    assert judge(from_config(LLAMA_3_1_8B), small, shared, Scenario()).verdict is Verdict.FITS
    crowded = replace(shared, host_available_bytes=5 * GIB)
    answer = judge(from_config(LLAMA_3_1_8B), small, crowded, Scenario())
    assert answer.verdict is Verdict.TOO_LARGE


def test_a_tied_head_is_copied_to_the_device() -> None:
    tied = replace(weights(LLAMA_3_1_8B, 0.125), output_bytes=0)
    answer = judge(from_config(LLAMA_3_1_8B), tied, machine(24), Scenario())
    assert answer.placement[0].memory.weights == 4 * GIB + GIB // 4
    assert answer.placement[1].memory.weights == GIB // 4


def test_vision_and_draft_tensors_are_not_loaded() -> None:
    plain = weights(LLAMA_3_1_8B, 0.125)
    more = replace(plain, vision_bytes=GIB, mtp_bytes=GIB)
    found = [
        judge(from_config(LLAMA_3_1_8B), option, machine(24), Scenario()).memory.weights
        for option in (plain, more)
    ]
    assert found[0] == found[1]


def test_sequences_have_a_context_each() -> None:
    answer = judged(LLAMA_3_1_8B, 0.125, 24, sequences=4)
    assert answer.memory.kv_cache == 4 * GIB


def test_a_context_beyond_the_models_is_said() -> None:
    answer = judged(LLAMA_3_1_8B, 0.125, 80, context_tokens=262_144)
    assert any("131,072" in said for said in answer.assumptions)


def test_every_part_has_its_reason() -> None:
    answer = judged(GPT_OSS_20B, 0.5, 24)
    names = [reason.name for reason in answer.reasons]
    assert names == ["weights", "KV cache, sliding", "KV cache, full", "compute", "overhead"]
    assert all(reason.formula and reason.inputs and reason.source for reason in answer.reasons)
    full = answer.reasons[2]
    assert "12 layers" in full.inputs
    assert "8,192 cells" in full.inputs


def test_an_unknown_cache_type_is_refused() -> None:
    with pytest.raises(UsageError, match="fp8"):
        judged(LLAMA_3_1_8B, 0.125, 24, kv_dtype="fp8")


def ladder() -> list[WeightMap]:
    sizes = {"Q2_K": 0.08, "Q4_K_M": 0.125, "Q6_K": 0.19, "Q8_0": 0.25, "BF16": 0.5}
    return [weights(LLAMA_3_1_8B, size, name=name) for name, size in sizes.items()]


@pytest.mark.parametrize(("gib", "quantization", "verdict"), [
    (24, "BF16", Verdict.FITS),
    (12, "Q8_0", Verdict.FITS),
    (8, "Q4_K_M", Verdict.FITS),
    (5.5, "Q2_K", Verdict.FITS),
    (4.8, "Q2_K", Verdict.TIGHT),
    (4, "Q4_K_M", Verdict.OFFLOAD),
])  # fmt: skip
def test_the_best_quantization_is_the_largest_that_fits(
    gib: float, quantization: str, verdict: Verdict
) -> None:
    answer = best(from_config(LLAMA_3_1_8B), ladder(), machine(gib), Scenario())
    assert (answer.scenario.quantization, answer.verdict) == (quantization, verdict)


def test_nothing_that_runs_is_the_smallest_that_does_not() -> None:
    nowhere = machine(2, host_gib=2)
    answer = best(from_config(LLAMA_3_1_8B), ladder(), nowhere, Scenario())
    assert (answer.scenario.quantization, answer.verdict) == ("Q2_K", Verdict.TOO_LARGE)


def test_minicpm_3_latents_are_cached_expanded() -> None:
    """llama.cpp keeps 40 keys of 96 and values of 64 a token and layer, not one latent of 288."""
    config = {
        "model_type": "minicpm3", "hidden_size": 2560, "num_hidden_layers": 62,
        "num_attention_heads": 40, "num_key_value_heads": 40, "kv_lora_rank": 256,
        "qk_rope_head_dim": 32, "qk_nope_head_dim": 64, "v_head_dim": 64, "vocab_size": 73448,
        "intermediate_size": 6400, "max_position_embeddings": 32768,
    }  # fmt: skip
    answer = judged(config, 0.03, 24)
    assert answer.memory.kv_cache == 62 * 8192 * 40 * (96 + 64) * 2


def test_memory_adds_up_by_part() -> None:
    total = Memory(1, 2, 3, 4, 5) + Memory(10, 20, 30, 40, 50)
    assert total == Memory(11, 22, 33, 44, 55)
    assert total.total == 165


def test_with_layers_asked_for_the_best_is_the_largest_that_runs() -> None:
    shape = from_config(LLAMA_3_1_8B)
    options = [
        weights(LLAMA_3_1_8B, size, name=name)
        for name, size in (("BF16", 0.5), ("Q8_0", 0.25), ("Q4_K_M", 0.125))
    ]
    chosen = best(shape, options, machine(24), Scenario(gpu_layers=20))
    assert chosen.verdict is Verdict.OFFLOAD
    assert chosen.scenario.quantization == "BF16"


def test_a_reserve_of_everything_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves nothing of 24"):
        judged(LLAMA_3_1_8B, 0.125, 24, reserve_bytes=24 * GIB)
