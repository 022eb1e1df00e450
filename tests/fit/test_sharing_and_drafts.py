"""How sequences share a cache, and what drafting by multi-token prediction takes, from published logs."""

from typing import Any

import pytest

from explorer.fit.llama_cpp.demand import demand
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.planner import judge
from explorer.fit.values import Answer, Scenario
from explorer.hardware.spec import parse_machine
from explorer.units import GIB, MIB
from tests.accuracy.drafting import qwen_27b
from tests.accuracy.plans import architecture, as_stored, described, weights
from tests.accuracy.vllm_logs import rows

QWEN = described(qwen_27b()["metadata"])
WEIGHTS = as_stored(qwen_27b())
MTP_GIB = 0.79
"""Of Qwen3.8-27B, whose shape is the same: 51.10 GiB of weights without, 51.89 with (rows 195, 196)."""


def judged(spec: str = "H200", **asked: Any) -> Answer:
    return judge(QWEN, WEIGHTS, parse_machine(f"{spec}, 512 GB"), Scenario(**asked))


def test_a_server_that_picks_its_slots_has_one_cache_for_all() -> None:
    """Row 131: -c 131072, 4 slots, q8_0 takes 4,352 MiB of cache and 598.5 MiB of states."""
    row = rows()[131]["measured_MiB"]
    shared = judged(context_tokens=131_072, sequences=4, kv_dtype="q8_0", kv_unified=True)
    assert shared.memory.kv_cache / MIB == row["kv_total"]
    assert shared.memory.recurrent_state / MIB == row["rs_total"]
    apart = judged(context_tokens=131_072, sequences=4, kv_dtype="q8_0")
    assert apart.memory.kv_cache == 4 * shared.memory.kv_cache
    assert apart.memory.recurrent_state == shared.memory.recurrent_state
    assert (shared.scenario.kv_unified, apart.scenario.kv_unified) == (True, False)


def test_windows_of_sequences_that_share_stand_in_one_cache() -> None:
    """Gemma 3: 10 layers of 32768 cells for all, 52 of 4 windows of 1024 and a micro-batch of 512."""
    model = "Gemma-3-27B"
    scenario = Scenario(context_tokens=32_768, sequences=4, kv_unified=True)
    shared = judge(architecture(model), weights(model), parse_machine("H200"), scenario)
    row = 2 * 16 * 128 * 2
    assert shared.memory.kv_cache == (10 * 32_768 + 52 * (4 * 1024 + 512)) * row
    assert any("-c 32768 -np 4 -kvu" in said for said in shared.assumptions)


def test_windows_can_be_kept_whole() -> None:
    model = "Gemma-3-27B"
    scenario = Scenario(context_tokens=32_768, swa_full=True)
    whole = judge(architecture(model), weights(model), parse_machine("H200"), scenario)
    assert whole.memory.kv_cache == 62 * 32_768 * 2 * 16 * 128 * 2


def test_keys_and_values_have_types_of_their_own() -> None:
    """16 layers of 4 heads of 256: q8_0 takes 34 bytes of 32, q4_0 takes 18."""
    found = judged(context_tokens=32_768, kv_dtype="Q8_0/q4_0")
    assert found.scenario.kv_dtype == "q8_0/q4_0"
    assert found.memory.kv_cache == 16 * 32_768 * 4 * 256 // 32 * (34 + 18)


def test_nothing_is_drafted_unasked() -> None:
    plain = judged()
    assert (plain.scenario.mtp, plain.scenario.draft_tokens) == (False, 0)
    assert plain.memory.weights == WEIGHTS.total_bytes - WEIGHTS.mtp_bytes
    assert plain.memory.recurrent_state / MIB == pytest.approx(598.5 / 4)


def test_a_state_is_kept_for_every_drafted_token() -> None:
    """598 MiB at 4 slots become 7,780 with 12 tokens drafted (ggml-org/llama.cpp)."""
    drafting = judged(context_tokens=8192, sequences=4, mtp=True, draft_tokens=12)
    assert int(drafting.memory.recurrent_state / MIB) == 7780
    assert drafting.memory.weights == WEIGHTS.total_bytes
    # one more layer caches, in f16, beside 16
    plain = judged(context_tokens=8192, sequences=4)
    assert drafting.memory.kv_cache * 16 == plain.memory.kv_cache * 17
    assert drafting.memory.compute > plain.memory.compute
    assert drafting.speed.decode == plain.speed.decode
    assert any("Drafts 12 tokens" in said for said in drafting.assumptions)


def test_the_cache_that_drafts_stays_in_16_bits() -> None:
    plain = judged(context_tokens=8192, kv_dtype="q8_0")
    drafting = judged(context_tokens=8192, kv_dtype="q8_0", mtp=True)
    assert drafting.memory.kv_cache - plain.memory.kv_cache == 8192 * 2 * 4 * 256 * 2


def test_the_engines_own_number_is_drafted() -> None:
    assert judged(mtp=True).scenario.draft_tokens == 3
    assert judged(mtp=True, engine="vllm").scenario.draft_tokens == 1


def test_what_drafts_lies_with_the_last_block() -> None:
    found = judged("RTX 4090 + RTX 4090 + RTX 4090", context_tokens=8192, mtp=True)
    plain = judged("RTX 4090 + RTX 4090 + RTX 4090", context_tokens=8192)
    assert [one.device for one in found.placement] == [one.device for one in plain.placement]
    assert found.memory.weights - plain.memory.weights == WEIGHTS.mtp_bytes
    host = judged(gpu_layers=0, mtp=True).placement
    assert [one.device for one in host] == ["host"]
    assert host[0].memory.weights == WEIGHTS.total_bytes


def test_reasons_name_what_drafts() -> None:
    reasons = {reason.name: reason for reason in judged(mtp=True, sequences=2).reasons}
    assert "1 layers x 2 x" in reasons["KV cache, multi-token prediction"].inputs
    assert "(1 + 3 drafted)" in reasons["recurrent state"].inputs
    assert "multi-token prediction" in reasons["weights"].inputs
    assert "not loaded" not in reasons["weights"].formula


def test_a_model_without_such_layers_says_so() -> None:
    model = "Qwen3-8B"
    scenario = Scenario(mtp=True, draft_tokens=5)
    found = judge(architecture(model), weights(model), parse_machine("H200"), scenario)
    assert (found.scenario.mtp, found.scenario.draft_tokens) == (False, 0)
    assert any("nothing is drafted" in said for said in found.assumptions)
    assert found.memory == judge(
        architecture(model), weights(model), parse_machine("H200"), Scenario()
    ).memory  # fmt: skip


def test_states_that_do_not_roll_back_are_kept_once() -> None:
    """GLM-4.5-Air has none; Qwen3-Next's are not multiplied (``llm_arch_supports_rs_rollback``)."""
    needs = [
        demand(architecture("Qwen3-Next-80B-A3B"), weights("Qwen3-Next-80B-A3B"), settings)
        for settings in (Settings(n_ctx=8192), Settings(n_ctx=8192, drafts=3))
    ]
    assert needs[0].block_state == needs[1].block_state


def test_vllm_loads_what_drafts_and_keeps_states_for_it() -> None:
    plain = judged("H100 SXM", engine="vllm", context_tokens=8192)
    drafting = judged("H100 SXM", engine="vllm", context_tokens=8192, mtp=True)
    grown = (drafting.memory.weights - plain.memory.weights) / GIB
    assert grown == pytest.approx(MTP_GIB, abs=0.005)
    assert grown == pytest.approx(
        rows()[196]["measured_GiB"]["weights"] - rows()[195]["measured_GiB"]["weights"], abs=0.005
    )
    assert drafting.memory.recurrent_state > 1.5 * plain.memory.recurrent_state
    assert drafting.memory.kv_cache > plain.memory.kv_cache


@pytest.mark.parametrize("engine", ["transformers", "mlx"])
def test_engines_that_draft_nothing_say_so(engine: Any) -> None:
    where = parse_machine("M4 Max 128GB" if engine == "mlx" else "H200")
    asked = Scenario(engine=engine, mtp=True, kv_unified=True, swa_full=True)
    found = judge(QWEN, WEIGHTS, where, asked)
    assert (found.scenario.mtp, found.scenario.kv_unified) == (False, None)
    assert any("multi-token prediction: not used" in said for said in found.assumptions)
