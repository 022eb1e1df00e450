"""Weight maps from a shape alone against the same model's header."""

from dataclasses import replace

import pytest

from explorer.fit.config import from_config
from explorer.fit.conversion import convertible
from explorer.fit.quantize import plan
from explorer.fit.synthesis import (
    needed_of,
    parameters_of,
    plan_from_architecture,
    plans_from_architecture,
)
from tests.fit_quantize.checkpoints import checkpoint, names

PLAIN = [name for name in names() if convertible(checkpoint(name)[0])]


@pytest.mark.parametrize("model", PLAIN)
@pytest.mark.parametrize("file_type", ["BF16", "Q8_0", "Q4_K_M", "IQ3_XXS"])
def test_the_shape_alone_comes_within_two_percent(model: str, file_type: str) -> None:
    tensors, architecture = checkpoint(model)
    if not architecture.layers:
        pytest.skip("the shape is not in this config")
    real = plan(tensors, architecture, file_type)
    language = real.total_bytes - real.vision_bytes - real.mtp_bytes
    assert plan_from_architecture(architecture, file_type).total_bytes == pytest.approx(
        language, rel=0.02
    )


def test_a_published_count_settles_what_the_shape_does_not_say() -> None:
    _, architecture = checkpoint("Qwen/Qwen3-8B")
    shaped = parameters_of(architecture)
    fewer = plan_from_architecture(architecture, "BF16", shaped - 10**9)
    assert fewer.total_bytes == pytest.approx(2 * (shaped - 10**9), rel=0.001)
    tower = plan_from_architecture(architecture, "BF16", shaped + 10**9)
    assert tower.vision_bytes == pytest.approx(2e9, rel=0.001)
    unknown = replace(architecture, known=False)
    assert plan_from_architecture(unknown, "BF16", shaped + 10**9).other_bytes > 1.99e9


def test_a_stored_copy_of_a_tied_head_needs_no_memory() -> None:
    _, architecture = checkpoint("Qwen/Qwen3-0.6B")
    published = 751_632_384  # the hub's own total, lm_head and embed_tokens both counted
    needed = published - 151_936 * 1024
    assert needed_of(architecture, published) == pytest.approx(needed, rel=1e-3)
    plan = plan_from_architecture(architecture, "BF16", published)
    assert plan.total_bytes == pytest.approx(2 * needed, rel=1e-3)


def test_several_at_once_are_the_same_as_one_by_one() -> None:
    _, architecture = checkpoint("Qwen/Qwen3-30B-A3B")
    wanted = ("BF16", "Q5_K_M", "IQ2_XXS")
    assert plans_from_architecture(architecture, wanted) == tuple(
        plan_from_architecture(architecture, name) for name in wanted
    )


def test_a_model_without_layers_has_just_its_ends() -> None:
    _, architecture = checkpoint("Qwen/Qwen3-8B")
    assert len(plan_from_architecture(architecture, "Q4_K_M").blocks) == 36
    bert = from_config({"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1,
                        "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 10})  # fmt: skip
    assert plan_from_architecture(bert, "F16").output_bytes == 0
