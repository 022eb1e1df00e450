"""Weights of a rank."""

from dataclasses import replace

import pytest

from explorer.fit.config import from_config
from explorer.fit.vllm.settings import Settings
from explorer.fit.vllm.weights import absorbed_bytes, rank_bytes, rotary_bytes
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Device
from explorer.units import GIB, MIB
from tests.accuracy.vllm_logs import Checkpoint, published
from tests.fit_vllm.models import GPT_OSS_20B, published_shape


def ranks(checkpoint: Checkpoint, **parallel: int) -> tuple[int, ...]:
    found, weights = checkpoint
    return rank_bytes(found, weights, Settings(8192, **parallel), ())


def test_one_rank_holds_the_tensors_and_the_rotary_table() -> None:
    llama = published("meta-llama/Llama-3.1-8B-Instruct")
    assert rotary_bytes(llama[0]) == 131_072 * 128 * 2 == 32 * MIB
    assert ranks(llama) == (llama[1].total_bytes + 32 * MIB,)


def test_norms_and_routers_are_whole_on_every_rank() -> None:
    experts = published("Qwen/Qwen3-30B-A3B")
    one, four = ranks(experts)[0], ranks(experts, tensor_parallel=4)[0]
    norms = 48 * 2 * (2 * 2048 + 2 * 128) + 2 * 2048
    routers = 48 * 2 * 128 * 2048
    table = rotary_bytes(experts[0])
    assert four == (one - norms - routers - table) // 4 + norms + routers + table


def test_kv_projections_are_repeated_where_there_are_more_ranks_than_kv_heads() -> None:
    small = published("Qwen/Qwen2.5-7B-Instruct-1M")  # 28 heads, 4 KV heads of 128
    table = rotary_bytes(small[0])
    keys_values = 28 * 2 * (512 + 512) * (3584 + 1)  # with their biases
    norms = 2 * (28 * 2 + 1) * 3584
    rest = small[1].total_bytes - keys_values - norms
    for size, share in ((2, 2), (4, 4), (14, 4), (28, 4)):
        expected = rest // size + keys_values // share + norms + table
        assert ranks(small, tensor_parallel=size)[0] == pytest.approx(expected, abs=28 * size)


def test_a_stored_copy_of_a_tied_head_is_not_loaded() -> None:
    tied = published("Qwen/Qwen3-0.6B")
    assert tied[1].copied_bytes == 2 * 151_936 * 1024
    assert ranks(tied)[0] == tied[1].total_bytes - tied[1].copied_bytes + rotary_bytes(tied[0])
    assert round(ranks(tied)[0] / GIB, 2) == 1.12  # what vLLM prints on an H100


def test_latent_attention_keeps_its_low_ranks_whole_and_its_spread_twice() -> None:
    deepseek = published("deepseek-ai/DeepSeek-R1", "FP8")
    layer = deepseek[0].layers[0]
    assert absorbed_bytes(layer, 8) == 2 * 128 // 8 * 512 * (128 + 128)
    unpacked = replace(deepseek[1], quantization="BF16")
    twice = 61 * absorbed_bytes(layer, 1)
    assert ranks(deepseek)[0] - ranks((deepseek[0], unpacked))[0] == twice
    low_ranks = 7168 * (1536 + 576)  # one byte each, and their scales
    assert all(block.replicated_bytes > low_ranks for block in deepseek[1].blocks)


def test_multi_token_prediction_is_not_loaded() -> None:
    found, weights = published("deepseek-ai/DeepSeek-R1", "FP8")
    assert weights.mtp_bytes > 10 * GIB
    stored = weights.total_bytes - weights.mtp_bytes
    absorbed = 61 * absorbed_bytes(found.layers[0], 1)
    assert ranks((found, weights))[0] == stored + absorbed + rotary_bytes(found)


def test_stages_add_up_to_the_model() -> None:
    llama = published("meta-llama/Llama-3.1-8B-Instruct")
    first, middle, last = ranks(llama, pipeline_parallel=3)
    assert first + middle + last == llama[1].total_bytes + 3 * 32 * MIB
    assert first > middle


def test_a_tied_head_is_on_the_last_stage_as_well() -> None:
    tied = published("Qwen/Qwen3-0.6B")
    first, last = ranks(tied, pipeline_parallel=2)
    table = 2 * 151_936 * 1024
    loaded = tied[1].total_bytes - tied[1].copied_bytes
    assert first + last == loaded + table + 2 * rotary_bytes(tied[0])


@pytest.mark.parametrize(
    ("name", "capability", "printed"),
    [("RTX 4090", (8, 9), 13.7153), ("H100", (9, 0), 13.47)],
)
def test_kernels_pad_the_experts_of_gpt_oss(
    name: str, capability: tuple[int, int], printed: float
) -> None:
    found, weights = published("openai/gpt-oss-20b", "MXFP4")
    device = Device(name, "cuda", 80 * GIB, 79 * GIB, compute_capability=capability)
    ours = rank_bytes(found, weights, Settings(8192), (device,))[0] / GIB
    assert ours == pytest.approx(printed, rel=0.005)


def test_the_vocabulary_is_padded_to_sixty_four() -> None:
    shape = from_config({**GPT_OSS_20B, "vocab_size": 1001})
    weights = WeightMap("BF16", (), input_bytes=1001 * 2, output_bytes=0)
    table = rank_bytes(shape, weights, Settings(8192), ())[0] - rotary_bytes(shape)
    assert table == 1024 * 2


def test_models_with_position_tables_have_no_rotary_table() -> None:
    assert rotary_bytes(published_shape("openai-community/gpt2")) == 0
