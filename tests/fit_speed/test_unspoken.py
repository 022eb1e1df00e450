"""Where no speed is given: encoders do not decode, and a supposed shape may hide experts."""

import pytest

from explorer.fit.architecture import Architecture
from explorer.fit.config import from_config
from explorer.fit.estimate import from_parameters
from explorer.fit.planner import judge
from explorer.fit.synthesis import plan_from_architecture
from explorer.fit.values import Answer, Engine, Scenario, Verdict
from explorer.hardware.spec import parse_machine

BERT = {
    "model_type": "bert", "architectures": ["BertModel"], "num_hidden_layers": 12, "hidden_size": 768,
    "num_attention_heads": 12, "intermediate_size": 3072, "vocab_size": 30522,
    "max_position_embeddings": 512,
}  # fmt: skip


def judged(shape: Architecture, engine: Engine = "llama.cpp", spec: str = "RTX 4090") -> Answer:
    weights = plan_from_architecture(shape, "Q4_K_M", 7_000_000_000)
    answer = judge(shape, weights, parse_machine(spec), Scenario(engine=engine))
    assert answer.verdict is Verdict.FITS
    return answer


@pytest.mark.parametrize("shape", [from_config(BERT), from_parameters(110_000_000, "bert")])
def test_an_encoder_does_not_decode(shape: Architecture) -> None:
    answer = judged(shape)
    assert answer.speed.decode is None
    assert "does not decode" in answer.speed.basis
    assert answer.memory.kv_cache == 0


@pytest.mark.parametrize("model_type", ["", "deepseek_v3", "qwen3_5", "something_new"])
def test_a_supposed_shape_that_may_hide_experts_has_no_speed(model_type: str) -> None:
    speed = judged(from_parameters(7_000_000_000, model_type)).speed
    assert speed.decode is None
    assert speed.prefill is None
    assert "experts" in speed.basis


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "gemma3"])
def test_a_supposed_shape_of_a_type_without_experts_has_one(model_type: str) -> None:
    assert judged(from_parameters(7_000_000_000, model_type)).speed.decode is not None


@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_an_engine_without_measured_runs_does_not_borrow_anothers(engine: Engine) -> None:
    speed = judged(from_parameters(7_000_000_000, "llama"), engine).speed
    assert speed.decode is None
    assert "No measured runs" in speed.basis
