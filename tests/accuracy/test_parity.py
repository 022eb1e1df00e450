"""One model, one demand: from its config.json and from its GGUF key-values."""

import pytest

from explorer.fit.config import from_config
from explorer.fit.llama_cpp.demand import demand
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.weight_map import from_tensors
from tests.accuracy.plans import architecture
from tests.weights.checkpoint.published import models

SAME = {
    "DeepSeek-V3": "deepseek-ai/DeepSeek-R1",
    "Gemma-2-9B": "google/gemma-2-9b-it",
    "Llama-2-7B": "meta-llama/Llama-2-7b-chat-hf",
    "Llama-3.1-8B": "meta-llama/Llama-3.1-8B-Instruct",
    "Mixtral-8x7B": "mistralai/Mixtral-8x7B-v0.1",
    "Phi-3-mini-4k": "microsoft/Phi-3-mini-4k-instruct",
    "Qwen2.5-7B": "Qwen/Qwen2.5-7B",
    "Qwen3-30B-A3B": "Qwen/Qwen3-30B-A3B",
    "Qwen3-8B": "Qwen/Qwen3-8B",
    "gpt-oss-20b": "openai/gpt-oss-20b",
}
ASKED = (
    Settings(n_ctx=32_768),
    Settings(n_ctx=16_384, flash_attention=False, sequences=2, n_outputs=2),
    Settings(n_ctx=8192, type_k="q8_0", type_v="q8_0"),
)


@pytest.mark.parametrize(("file", "repository"), SAME.items())
def test_both_say_the_same(file: str, repository: str) -> None:
    for settings in ASKED:
        one, other = [
            demand(found, from_tensors((), "F16", len(found.layers)), settings, cuda=True)
            for found in (architecture(file), from_config(models()[repository].config))
        ]
        assert (one.block_kv, one.block_state) == (other.block_kv, other.block_state)
        for part in ("device", "host", "alone"):
            assert getattr(one.compute, part) == getattr(other.compute, part)
