"""Our figures against llama.cpp's own, asked here and now for every model at full size."""

from pathlib import Path

import pytest

from explorer.engine.library import Library
from explorer.engine.pinned import why_not
from explorer.fit.llama_cpp.cache import kv_bytes, state_bytes
from explorer.fit.llama_cpp.compute import compute
from explorer.fit.llama_cpp.settings import Settings
from tests.accuracy.oracle import write_sparse
from tests.accuracy.plans import architecture, description, models

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
