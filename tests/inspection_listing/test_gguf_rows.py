"""Rows of repositories with GGUF files alone: what their architecture's name tells, and what it does not."""

import gguf
import pytest

from explorer.fit.families import DENSE, GGUF_TYPES
from explorer.fit.values import Scenario, Verdict
from explorer.hardware.spec import parse_machine
from explorer.hub.source import GgufSummary, Listing
from explorer.inspection.rows import Row, judge_row

MACHINE = parse_machine("RTX 4090")
ARCHITECTURES = set(gguf.MODEL_ARCH_NAMES.values())


def row_of(architecture: str | None, name: str = "acme/Model-GGUF", base: str = "") -> Row:
    summary = GgufSummary(7_000_000_000, architecture, 32768)
    bases = (base,) if base else ()
    return judge_row(Listing(name, gguf=summary, base_models=bases), MACHINE, Scenario())


def has_speed(row: Row) -> bool:
    assert row.answer is not None
    assert row.answer.verdict is Verdict.FITS
    assert row.estimated
    return row.answer.speed.decode is not None


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma3", "phi2", "command-r"])
def test_a_dense_family_has_a_speed(architecture: str) -> None:
    assert has_speed(row_of(architecture))


@pytest.mark.parametrize(
    "architecture", ["qwen3moe", "deepseek2", "gpt-oss", "gemma4", "new", None]
)
def test_a_family_with_experts_or_unknown_has_none(architecture: str | None) -> None:
    assert not has_speed(row_of(architecture))


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("acme/Mixtral-8x7B-Instruct-GGUF", ""),
        ("acme/Beyonder-4x7B-GGUF", ""),
        ("acme/Tiny-MoE-GGUF", ""),
        ("acme/Quantized", "other/Model-30B-A3B"),
    ],
)
def test_experts_under_the_name_of_llama_are_told_by_the_models_name(name: str, base: str) -> None:
    assert not has_speed(row_of("llama", name, base))


def test_names_that_only_look_like_experts_are_dense() -> None:
    assert has_speed(row_of("llama", "moebius/Llama-3.1-8B-GGUF"))


@pytest.mark.parametrize("architecture", ["bert", "nomic-bert", "modern-bert"])
def test_an_encoder_is_judged_as_one(architecture: str) -> None:
    row = row_of(architecture)
    assert row.architecture is not None
    assert row.architecture.kind == "encoder"
    assert not has_speed(row)


def test_every_name_is_one_of_llama_cpps_and_stands_for_a_dense_type() -> None:
    assert set(GGUF_TYPES) <= ARCHITECTURES
    assert set(GGUF_TYPES.values()) <= DENSE
    with_experts = {name for name in ARCHITECTURES if "moe" in name}
    assert not {name.replace("-", "_") for name in with_experts} & DENSE
