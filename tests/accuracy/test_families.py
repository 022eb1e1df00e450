"""Every family llama.cpp can be asked about: cache and recurrent state to the byte.

The models are a few blocks deep, with the widths of published ones; the tensors are those llama.cpp
asks for. They are judged from their key-values alone, as a file on a hub is.
"""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from explorer.engine.library import Library
from explorer.engine.pinned import why_not
from explorer.fit.llama_cpp.demand import demand
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.weight_map import from_tensors
from tests.accuracy.oracle import write_sparse
from tests.accuracy.plans import DATA, described

pytestmark = [pytest.mark.engine, pytest.mark.skipif(bool(why_not()), reason=why_not())]

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


@cache
def families() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = json.loads(
        gzip.decompress((DATA / "families.json.gz").read_bytes())
    )
    return loaded


@pytest.fixture(scope="module")
def engine() -> Library:
    return Library()


@pytest.mark.parametrize("family", families())
def test_cache_and_state_are_the_engines(family: str, engine: Library, tmp_path: Path) -> None:
    description = families()[family]
    path = tmp_path / "model.gguf"
    write_sparse(description, path)
    found = described(description["metadata"])
    nothing = from_tensors((), "F16", len(found.layers))
    for settings in ASKED:
        needs = demand(found, nothing, settings)
        told = engine.plan(path, settings)
        assert sum(needs.block_kv) + sum(needs.block_state) == told.context, settings
