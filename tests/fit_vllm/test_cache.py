"""Pools of cache blocks, worked out by hand from vLLM's rules."""

import pytest

from explorer.fit.config import from_config
from explorer.fit.vllm.cache import pool
from explorer.fit.vllm.settings import Settings
from explorer.units import GIB
from tests.accuracy.vllm_logs import GEMMA_3_27B
from tests.fit_vllm.models import GPT_OSS_20B, LLAMA_8B, published_shape


def test_a_page_holds_keys_and_values_of_sixteen_tokens() -> None:
    found = pool(from_config(LLAMA_8B), Settings(8192))
    assert len(found.groups) == 1
    page = 16 * 8 * (128 + 128) * 2
    assert found.stage_bytes == (32 * page,)
    assert found.request_blocks == 8192 // 16


def test_ranks_share_out_kv_heads_until_each_has_one() -> None:
    shape = from_config(LLAMA_8B)
    whole = pool(shape, Settings(8192)).stage_bytes[0]
    assert pool(shape, Settings(8192, tensor_parallel=8)).stage_bytes[0] == whole // 8
    assert pool(shape, Settings(8192, tensor_parallel=16)).stage_bytes[0] == whole // 8


def test_eight_bit_cache_is_half_as_large() -> None:
    shape = from_config(LLAMA_8B)
    assert pool(shape, Settings(8192, kv_bytes=1)).stage_bytes[0] == 32 * 16 * 8 * 256


def test_one_request_of_gpt_oss_at_its_full_context_takes_three_gib() -> None:
    # vLLM refuses to start with less than 3.1 GiB
    found = pool(from_config(GPT_OSS_20B), Settings(131_072))
    assert [len(group.layers) for group in found.groups] == [12, 12]
    needed = found.request_blocks * found.stage_bytes[0]
    window = -(-(127 + 2 * 2048) // 16) + 1  # one step under way, another prepared
    assert found.request_blocks == 131_072 // 16 + window
    assert round(needed / GIB, 1) == 3.1


def test_deepseek_keeps_one_latent_on_every_rank() -> None:
    shape = published_shape("deepseek-ai/DeepSeek-R1")
    one, eight = pool(shape, Settings(8192)), pool(shape, Settings(8192, tensor_parallel=8))
    assert one.stage_bytes == eight.stage_bytes == (61 * 64 * 576 * 2,)
    assert one.request_blocks * one.stage_bytes[0] == 8192 * 61 * 576 * 2


def test_a_sparse_indexer_keeps_its_keys_beside_the_latent() -> None:
    shape = published_shape("deepseek-ai/DeepSeek-V3.2")
    assert pool(shape, Settings(8192)).stage_bytes == (61 * 64 * (576 * 2 + 128 + 4),)
    assert pool(shape, Settings(8192, kv_bytes=1)).stage_bytes == (61 * 64 * (656 + 128 + 4),)


def test_layers_are_dealt_in_groups_as_large_as_the_rarest_kind() -> None:
    gemma = pool(from_config(GEMMA_3_27B), Settings(131_072, tensor_parallel=4))
    assert [len(group.layers) for group in gemma.groups] == [9, 9, 9, 9, 8, 8, 10]
    assert gemma.stage_bytes == (10 * 16 * 4 * 256 * 2,)


def test_attention_blocks_grow_until_a_page_holds_a_recurrent_state() -> None:
    # Nemotron 3 Nano: 23 Mamba 2 layers with states in 32 bits, 6 of attention, an 8-bit cache
    kinds = "M-" * 23 + "*" * 6
    shape = from_config({
        "model_type": "nemotron_h", "architectures": ["NemotronHForCausalLM"], "hidden_size": 2688,
        "num_hidden_layers": len(kinds), "hybrid_override_pattern": kinds, "vocab_size": 131_072,
        "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "mamba_head_dim": 64,
        "mamba_num_heads": 64, "ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4,
        "intermediate_size": 1856,
    })  # fmt: skip
    found = pool(shape, Settings(262_144, kv_bytes=1))
    attention = next(group for group in found.groups if group.pages.kind == "full")
    assert attention.pages.block_tokens == 4176  # what vLLM prints


def test_a_model_of_states_alone_takes_one_block_a_sequence() -> None:
    shape = from_config({
        "model_type": "mamba2", "architectures": ["Mamba2ForCausalLM"], "num_hidden_layers": 4,
        "hidden_size": 256, "num_heads": 8, "head_dim": 64, "state_size": 128, "vocab_size": 1000,
    })  # fmt: skip
    found = pool(shape, Settings(8192))
    assert (found.attention, found.states) == (0, 1)


def test_stages_hold_their_own_layers() -> None:
    shape = from_config({**LLAMA_8B, "num_hidden_layers": 31})
    page = 16 * 8 * 256 * 2
    found = pool(shape, Settings(8192, pipeline_parallel=4))
    # what does not divide goes to the stages before the last, which has the output head
    assert found.stage_bytes == (8 * page, 8 * page, 8 * page, 7 * page)


@pytest.mark.parametrize("context", [1, 15, 16, 17, 8191])
def test_contexts_take_whole_blocks(context: int) -> None:
    found = pool(from_config(LLAMA_8B), Settings(context))
    assert found.request_blocks == -(-context // 16)


def test_an_encoder_has_no_cache() -> None:
    found = pool(published_shape("BAAI/bge-base-en-v1.5"), Settings(512))
    assert found.groups == ()
    assert found.tokens(found.blocks_in(GIB), 512) == 0
