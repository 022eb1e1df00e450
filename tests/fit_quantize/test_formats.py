"""Planned sizes of packed formats against checkpoints that were published in them."""

import pytest

from explorer.fit.formats import FORMATS, format_from_architecture, plan_format
from explorer.fit.ladder import LADDER, offered, rank
from explorer.fit.quantize_rules import DEFAULTS
from tests.fit_quantize.checkpoints import checkpoint


@pytest.mark.parametrize(
    ("base", "packed", "name", "tolerance"),
    [
        ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B-Instruct-AWQ", "AWQ", 0),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-AWQ", "AWQ", 0),
        (
            "meta-llama/Meta-Llama-3.1-8B",
            "hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4",
            "AWQ",
            0,
        ),
        ("Qwen/Qwen2.5-1.5B", "Qwen/Qwen2.5-1.5B-Instruct-GPTQ-Int4", "GPTQ-Int4", 0),
        # its scales are kept at 16 bits rather than 32
        ("Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B-FP8", "FP8", 0.0002),
    ],
)
def test_a_packed_checkpoint_has_the_planned_size(
    base: str, packed: str, name: str, tolerance: float
) -> None:
    tensors, architecture = checkpoint(base)
    published, _ = checkpoint(packed)
    stored = sum(tensor.size_bytes for tensor in published)
    assert plan_format(tensors, architecture, name).total_bytes == pytest.approx(
        stored, rel=tolerance
    )
    assert format_from_architecture(architecture, name).total_bytes == pytest.approx(
        stored, rel=0.001
    )


def test_mlx_packs_embeddings_too() -> None:
    tensors, architecture = checkpoint("Qwen/Qwen3-8B")
    planned = plan_format(tensors, architecture, "MLX-4bit")
    # 4 bits, and two 16-bit numbers for each 64 weights: 4.5 bits
    assert planned.input_bytes == 151936 * 4096 * 4.5 / 8


def test_every_rung_can_be_planned_and_better_rungs_come_first() -> None:
    assert all(rung.name in FORMATS or rung.name in DEFAULTS for rung in LADDER)
    known = [rung.added_perplexity for rung in LADDER if rung.added_perplexity is not None]
    assert known == sorted(known)
    assert [rung.name for rung in offered("mlx")] == ["BF16", "MLX-8bit", "MLX-6bit", "MLX-4bit"]
    assert rank("Q8_0") == 1
    assert rank("UD-Q4_K_XL") is None
