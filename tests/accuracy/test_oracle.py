"""Our figures against llama.cpp's own, asked here and now for every model at full size."""

from pathlib import Path

import pytest

from explorer.engine.library import Library
from explorer.engine.pinned import why_not
from explorer.fit.llama_cpp.cache import kv_bytes, state_bytes
from explorer.fit.llama_cpp.compute import compute
from explorer.fit.llama_cpp.demand import demand
from explorer.fit.llama_cpp.settings import Settings
from tests.accuracy.drafting import qwen_27b
from tests.accuracy.oracle import write_sparse
from tests.accuracy.plans import architecture, as_stored, described, description, models

pytestmark = [pytest.mark.engine, pytest.mark.skipif(bool(why_not()), reason=why_not())]

ASKED = (
    Settings(n_ctx=8192),
    Settings(n_ctx=8192, flash_attention=False),
    Settings(n_ctx=16384, n_ubatch=1024, type_k="q8_0", type_v="q8_0"),
    Settings(n_ctx=32768, sequences=4, n_outputs=4),
    Settings(n_ctx=32768, sequences=4, unified=True, n_outputs=4),
)


@pytest.fixture(scope="module")
def engine() -> Library:
    return Library()


@pytest.mark.parametrize("model", models())
def test_parts_agree_with_the_engine(model: str, engine: Library, tmp_path: Path) -> None:
    path = tmp_path / f"{model}.gguf"
    write_sparse(description(model), path)
    groups = architecture(model).groups
    for settings in ASKED:
        found = engine.plan(path, settings)
        ours = sum(
            (kv_bytes(layer, settings) + state_bytes(layer, settings)) * count
            for layer, count in groups
        )
        assert ours == found.context, settings
        buffer = compute(architecture(model), settings).alone
        assert buffer == pytest.approx(found.compute, rel=0.35), settings


DRAFTED = (
    Settings(n_ctx=8192, drafts=3, n_outputs=4),
    Settings(n_ctx=131_072, sequences=4, unified=True, drafts=12, n_outputs=52),
    Settings(n_ctx=131_072, sequences=4, drafts=3, n_outputs=16, type_k="q8_0", type_v="q8_0"),
    Settings(n_ctx=32_768, n_ubatch=2048, drafts=2, n_outputs=3),
)


@pytest.mark.parametrize("model", ["Qwen3.6-27B", "GLM-4.5-Air"])
def test_what_drafts_takes_is_the_engines(model: str, engine: Library, tmp_path: Path) -> None:
    """Its blocks are loaded, a second context has a cache for them alone; states multiply by drafts."""
    found = qwen_27b() if model == "Qwen3.6-27B" else description(model)
    write_sparse(found, tmp_path / "model.gguf")
    shape, weights = described(found["metadata"]), as_stored(found)
    for settings in DRAFTED:
        told = engine.plan(tmp_path / "model.gguf", settings)
        needs = demand(shape, weights, settings)
        draft = needs.draft
        assert draft is not None
        blocks = sum(needs.block_weights) + sum(needs.block_experts)
        ends = needs.input_weights + needs.host_output_weights
        assert blocks + ends + draft.weights == told.model, settings
        assert sum(needs.block_kv) + sum(needs.block_state) + draft.kv == told.context, settings
        buffers = needs.compute.alone + draft.compute.alone
        assert buffers == pytest.approx(told.compute, rel=0.2), settings
