"""Errors that other tools are known to make, each with the right answer, here or beside what it concerns.

- DeepSeek-V3's cache at 8K, Gemma 3's at 32K, gpt-oss's: ``fit/test_llama_cpp_cache``.
- Q8_0 of a mixture counted by its active experts: ``accuracy/test_llama_cpp_plans``.
- Packed containers counted as parameters: here, and ``weights/checkpoint/test_published_totals``.
- 671 B shown as 29.6 B: here, and ``weights/checkpoint/test_published_totals``.
- Llama 3.1's context times eight: ``fit/test_config``. Speeds out of all reach: ``fit_speed/test_speed``.
- gpt-oss in GGUF as 1.8 B, Q4_K_M as 4.5 bits, Llama 3.1's cache without layers or heads: here.
- GB and GiB mixed: ``test_units``. A dependency that moved: ``test_dependencies``.
- What is left running when the UI is killed: ``ui/test_killed``.
- No network taken for no models: ``hub_sources/test_fallback`` and ``hub_sources/test_offline``.
"""

import math

import pytest

from explorer.fit.config import from_config
from explorer.fit.llama_cpp.cache import kv_bytes
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.weight_map import from_tensors
from explorer.units import GIB
from tests.accuracy.plans import architecture, description, weights
from tests.weights.checkpoint.published import checkpoint, models, unfold


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


def test_packed_containers_are_no_parameters() -> None:
    """Qwen2.5-7B in AWQ has 7.6 B and takes 5.2 GiB: int32 containers counted one by one are 2 B."""
    model = models()["Qwen/Qwen2.5-7B-Instruct-AWQ"]
    counts = checkpoint(model).counts
    assert counts.parameters == 7_615_616_512
    assert counts.elements < counts.parameters / 3
    found = from_config(model.config)
    mapped = from_tensors(unfold(model.headers[""]), "AWQ", len(found.layers))
    assert mapped.total_bytes / GIB == pytest.approx(5.2, abs=0.05)


def test_deepseek_r1_has_671_billion_parameters_beside_its_prediction() -> None:
    """Not 29.6: 684 B are in the files, 13.8 B of them predict further tokens."""
    counts = checkpoint(models()["deepseek-ai/DeepSeek-R1"]).counts
    assert round(counts.parameters / 1e9) == 684
    assert round((counts.parameters - counts.by_component["mtp"]) / 1e9) == 671
