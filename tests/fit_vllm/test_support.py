"""Which engine runs which quantization."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.fit.ladder import LADDER, Rung
from explorer.fit.support import method_of, refusal
from explorer.fit.values import Engine
from explorer.hardware.machine import Device
from explorer.units import GIB

ENGINES: tuple[Engine, ...] = ("llama.cpp", "vllm", "transformers", "mlx")
RUNS = {
    "BF16": {"llama.cpp", "vllm", "transformers", "mlx"},
    "F16": {"llama.cpp", "vllm", "transformers", "mlx"},
    "Q4_K_M": {"llama.cpp"},
    "IQ2_XXS": {"llama.cpp"},
    "UD-Q8_K_XL": {"llama.cpp"},
    "TQ1_0": {"llama.cpp"},
    "FP8": {"vllm", "transformers"},
    "AWQ": {"vllm", "transformers", "mlx"},
    "AWQ 4-bit": {"vllm", "transformers", "mlx"},
    "GPTQ-Int4": {"vllm", "transformers", "mlx"},
    "GPTQ-Int8": {"vllm", "transformers"},
    "GPTQ 8-bit": {"vllm", "transformers"},
    "NVFP4": {"vllm", "transformers", "mlx"},
    "ModelOpt NVFP4": {"vllm", "transformers", "mlx"},
    "ModelOpt FP8": {"vllm"},
    "MXFP4": {"llama.cpp", "vllm", "transformers", "mlx"},
    "compressed-tensors 4-bit": {"vllm", "transformers", "mlx"},
    "NF4": {"transformers"},
    "bitsandbytes nf4": {"transformers"},
    "bitsandbytes int8": {"transformers"},
    "MLX-4bit": {"mlx"},
    "MLX 8-bit": {"mlx"},
    "HQQ 4-bit": {"transformers"},
    "EXL3 4-bit": set(),
}


@pytest.mark.parametrize(("name", "engines"), RUNS.items())
def test_each_engine_runs_what_it_reads(name: str, engines: set[str]) -> None:
    assert {engine for engine in ENGINES if refusal(engine, name) is None} == engines


def test_a_refusal_is_a_sentence_that_names_both() -> None:
    said = refusal("vllm", "Q4_K_M")
    assert said == "vllm does not run Q4_K_M: it read GGUF files up to 2025."
    assert "mlx_lm.convert" in (refusal("mlx", "Q4_K_M") or "")


@pytest.mark.parametrize(
    ("engine", "name", "capability", "runs"),
    [
        ("vllm", "FP8", (7, 5), True),
        ("vllm", "FP8", (7, 0), False),
        ("vllm", "MXFP4", (7, 5), False),
        ("vllm", "MXFP4", (8, 0), True),
        ("vllm", "AWQ", (7, 0), False),
        ("transformers", "FP8", (8, 6), False),
        ("transformers", "FP8", (8, 9), True),
    ],
)
def test_older_devices_lack_some_methods(
    engine: Engine, name: str, capability: tuple[int, int], runs: bool
) -> None:
    device = Device("GPU", "cuda", 24 * GIB, 24 * GIB, compute_capability=capability)
    assert (refusal(engine, name, (device,)) is None) is runs


def test_a_device_without_a_known_generation_is_not_refused() -> None:
    assert refusal("vllm", "MXFP4", (Device("MI300X", "rocm", 192 * GIB, 190 * GIB),)) is None


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
def test_what_the_ladder_offers_is_run(rung: Rung) -> None:
    refused = {engine for engine in rung.engines if refusal(engine, rung.name)}
    assert not refused


@given(st.sampled_from(get_args(Engine)), st.text(max_size=40))
def test_any_name_gets_an_answer(engine: Engine, name: str) -> None:
    said = refusal(engine, name)
    assert said is None or said.endswith(".")
    assert isinstance(method_of(name), str)
