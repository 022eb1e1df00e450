"""Every family llama.cpp can be asked about: cache and recurrent state to the byte.

The models are a few blocks deep, with the widths of published ones; the tensors are those llama.cpp
asks for. They are judged from their key-values alone, as a file on a hub is.
"""

from pathlib import Path

import pytest

from explorer.engine.library import Library
from explorer.engine.pinned import why_not
from explorer.fit.llama_cpp.builds import OFF
from explorer.fit.llama_cpp.settings import Settings
from tests.accuracy.families import architecture_of, families, needs
from tests.accuracy.oracle import write_sparse

pytestmark = [pytest.mark.engine, pytest.mark.skipif(bool(why_not()), reason=why_not())]

NEWER = 0.35
"""The build that is asked is newer than the one followed."""
OTHERWISE = {"grok": "its graph is another one in the newer build"}

ASKED = (
    Settings(n_ctx=8192),
    Settings(n_ctx=8192, flash_attention=False),
    Settings(n_ctx=5000, n_outputs=512),
    Settings(n_ctx=40_000, sequences=4, n_outputs=4, n_ubatch=256),
    Settings(n_ctx=40_000, sequences=4, n_outputs=4, unified=True),
    Settings(n_ctx=32_768, sequences=16, n_outputs=16),
    Settings(n_ctx=8192, swa_full=True),
    Settings(n_ctx=200_000),
)


@pytest.fixture(scope="module")
def engine() -> Library:
    return Library()


@pytest.mark.parametrize("family", families())
def test_cache_and_state_are_the_engines(family: str, engine: Library, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_sparse(families()[family], path)
    for settings in ASKED:
        needed = needs(family, settings)
        told = engine.plan(path, settings)
        assert sum(needed.block_kv) + sum(needed.block_state) == told.context, settings
        if architecture_of(family).model_type not in OFF | OTHERWISE:
            assert needed.compute.alone == pytest.approx(told.compute, rel=NEWER), settings
