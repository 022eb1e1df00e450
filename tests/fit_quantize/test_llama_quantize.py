"""Planned GGUF sizes against llama-quantize's own rules: the same bytes and the same types."""

from collections import Counter

import pytest

from explorer.fit.conversion import convertible, published_bits, rows_of
from explorer.fit.gguf_metadata import from_gguf
from explorer.fit.quantize import plan, plan_rows, quantized_rows, row_bytes, size_bytes
from explorer.weights.tensors import Tensor
from tests.fit_quantize.checkpoints import (
    checkpoint,
    dry_run_sizes,
    gguf,
    quantized_sizes,
)

CHECKPOINTS = {
    "Llama-3.2-1B": "meta-llama/Llama-3.2-1B",
    "Llama-3.1-8B": "meta-llama/Meta-Llama-3.1-8B",
    "Llama-3.3-70B": "meta-llama/Llama-3.3-70B-Instruct",
    "Llama-2-7B": "meta-llama/Llama-2-7b-chat-hf",
    "Mixtral-8x7B": "mistralai/Mixtral-8x7B-v0.1",
    "Qwen2.5-7B": "Qwen/Qwen2.5-7B",
    "Qwen3-0.6B": "Qwen/Qwen3-0.6B",
    "Qwen3-8B": "Qwen/Qwen3-8B",
    "Qwen3-30B-A3B": "Qwen/Qwen3-30B-A3B",
    "Gemma-2-9B": "google/gemma-2-9b-it",
    "Phi-3-mini-4k": "microsoft/Phi-3-mini-4k-instruct",
    "DeepSeek-V3": "deepseek-ai/DeepSeek-R1",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "Qwen3-Next-80B-A3B": "Qwen/Qwen3-Coder-Next",
}
# Rotary factors that the converter writes beside the checkpoint's tensors: 64 or 32 floats.
ADDED_BYTES = {"Llama-3.1-8B": 256, "Llama-3.3-70B": 256, "Llama-3.2-1B": 128}


@pytest.mark.parametrize("model", quantized_sizes())
def test_a_gguf_gets_the_bytes_and_types_that_llama_quantize_gives_it(model: str) -> None:
    tensors, metadata = gguf(model)
    architecture = from_gguf(metadata)
    rows = rows_of(tensors, architecture)
    for file_type, expected in quantized_sizes()[model].items():
        typed = quantized_rows(rows, architecture, file_type)
        assert Counter(dtype for _, dtype in typed) == expected["types"], file_type
        assert sum(row_bytes(row, dtype) for row, dtype in typed) == expected["bytes"], file_type


@pytest.mark.parametrize("model", dry_run_sizes())
def test_the_rarer_file_types_come_to_what_a_dry_run_prints(model: str) -> None:
    tensors, metadata = gguf(model)
    architecture = from_gguf(metadata)
    rows = rows_of(tensors, architecture)
    for file_type, printed in dry_run_sizes()[model].items():
        typed = quantized_rows(rows, architecture, file_type)
        planned = sum(row_bytes(row, dtype) for row, dtype in typed)
        assert planned / 2**20 == pytest.approx(printed, abs=0.006), file_type


@pytest.mark.parametrize("model", CHECKPOINTS)
def test_the_published_checkpoint_comes_to_the_same_size(model: str) -> None:
    tensors, architecture = checkpoint(CHECKPOINTS[model])
    rows = rows_of(tensors, architecture)
    for file_type, expected in quantized_sizes()[model].items():
        planned = plan_rows(rows, architecture, file_type)
        text = planned.total_bytes - planned.mtp_bytes - planned.vision_bytes
        assert text + ADDED_BYTES.get(model, 0) == expected["bytes"], file_type


def test_the_plan_says_where_the_bytes_lie() -> None:
    tensors, architecture = checkpoint("Qwen/Qwen3-30B-A3B")
    planned = plan(tensors, architecture, "Q8_0")
    # by hand, at 34 bytes for 32 weights: three matrices of 2048 x 768 for each of 128 experts
    assert planned.blocks[0].expert_bytes == 128 * 3 * 2048 * 768 * 34 // 32
    assert planned.input_bytes == planned.output_bytes == 151936 * 2048 * 34 // 32
    assert len(planned.blocks) == 48
    assert not planned.exact


def test_experts_published_in_mxfp4_stay_so_in_every_file_type() -> None:
    tensors, architecture = checkpoint("openai/gpt-oss-20b")
    plans = [plan(tensors, architecture, name) for name in ("BF16", "Q8_0", "Q4_K_M", "Q2_K")]
    assert len({one.blocks[3].expert_bytes for one in plans}) == 1
    assert plans[0].total_bytes < 14.5e9


def test_an_importance_matrix_changes_the_small_types_only() -> None:
    tensors, architecture = checkpoint("Qwen/Qwen3-8B")

    def sizes(file_type: str) -> tuple[int, int]:
        return (
            size_bytes(tensors, architecture, file_type),
            size_bytes(tensors, architecture, file_type, imatrix=True),
        )

    without, with_matrix = sizes("IQ4_XS")
    assert with_matrix < without
    assert sizes("Q4_K_M")[0] == sizes("Q4_K_M")[1]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("Qwen/Qwen3-8B", True),
        ("deepseek-ai/DeepSeek-R1", True),
        ("openai/gpt-oss-20b", False),
        ("Qwen/Qwen3-8B-AWQ", False),
        ("Qwen/Qwen2.5-1.5B-Instruct-GPTQ-Int4", False),
    ],
)
def test_packed_checkpoints_are_not_quantized_again(model: str, *, expected: bool) -> None:
    tensors, _ = checkpoint(model)
    packed_experts = any(tensor.name.endswith("_blocks") for tensor in tensors)
    assert convertible(tensors) is (expected or packed_experts)


def test_a_gate_of_one_row_counts_as_a_vector_and_stays_whole() -> None:
    _, architecture = checkpoint("Qwen/Qwen3-30B-A3B")
    gate = Tensor("model.layers.0.mlp.shared_expert_gate.weight", "BF16", (1, 2048), 0, 4096)
    (typed,) = quantized_rows(rows_of([gate], architecture), architecture, "Q4_K_M")
    assert typed[1] == "F32"


def test_what_was_published_at_eight_bits_is_known_to_be() -> None:
    assert published_bits(checkpoint("deepseek-ai/DeepSeek-R1")[0]) == 8
    assert published_bits(checkpoint("Qwen/Qwen3-30B-A3B-FP8")[0]) == 8
    assert published_bits(checkpoint("Qwen/Qwen3-8B")[0]) == 16


def test_a_file_type_nobody_makes_is_refused() -> None:
    tensors, architecture = checkpoint("Qwen/Qwen3-0.6B")
    with pytest.raises(KeyError):
        plan(tensors, architecture, "Q9_K")
