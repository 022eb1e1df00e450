"""Figures other tools are known to get wrong, with the right ones; more stand beside what they concern.

KV caches: ``test_llama_cpp_cache``; context: ``test_config``; speed: ``fit_speed/test_speed``; experts:
``accuracy/test_llama_cpp_plans``; packed and total parameters: ``weights/checkpoint``.
"""

import math

import pytest

from explorer.fit.llama_cpp.cache import kv_bytes
from explorer.fit.llama_cpp.settings import Settings
from explorer.units import GIB
from tests.accuracy.plans import architecture, description, weights


def parameters(model: str) -> int:
    return sum(math.prod(shape) for _, _, shape in description(model)["tensors"])


def test_q4_k_m_is_not_four_and_a_half_bits() -> None:
    """Its mix has Q6_K: published Llama-3.1-8B files have 4.92 GB for 8.03 B parameters."""
    size = weights("Llama-3.1-8B").total_bytes
    assert size == pytest.approx(4.92e9, rel=0.005)
    assert 4.8 < 8 * size / parameters("Llama-3.1-8B") < 4.95


def test_gpt_oss_20b_in_gguf_has_20_9_billion_parameters() -> None:
    """Not 1.8 billion in 0.9 GB: every expert counts and is resident."""
    assert round(parameters("gpt-oss-20b") / 1e9, 1) == 20.9
    assert weights("gpt-oss-20b").total_bytes > 11 * GIB


def test_llama_3_1_8b_caches_a_gibibyte_at_8k() -> None:
    """Not 0.22 of it, which leaves out layers or heads."""
    (layer, count), *others = architecture("Llama-3.1-8B").groups
    assert not others
    assert kv_bytes(layer, Settings(n_ctx=8192)) * count == GIB
