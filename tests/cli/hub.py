"""The commands over a loopback hub: fixtures and what a command printed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.cli import main
from tests.hub import HubServer
from tests.hub.builder import generate_listing, gguf_repo, llama_like, mixture_like

REPOS = [
    llama_like(
        "acme/Llama-8B", layers=32, hidden=4096, intermediate=14336, vocabulary=128256, heads=32,
        kv_heads=8, context=131072, shards=4, downloads=900, card={"language": ["en", "de"]},
    ),
    llama_like(
        "acme/Llama-8B-Short", layers=32, hidden=4096, intermediate=14336, vocabulary=128256,
        heads=32, kv_heads=8, context=4096, downloads=800, license_id="cc-by-nc-4.0",
    ),
    llama_like("acme/Gated-Tiny", gated="manual", downloads=700),
    mixture_like(
        "acme/Mixture-30B-A3B", layers=48, hidden=2048, expert_intermediate=768, experts=128,
        experts_per_token=8, vocabulary=151936, heads=32, kv_heads=4, head_size=128,
        context=262144, downloads=600,
    ),
    gguf_repo(
        "acme/Llama-8B-GGUF", downloads=500, sizes={"Llama-8B-Q4_K_M.gguf": 4_920_734_272},
        gguf={"total": 8_030_261_248, "architecture": "llama", "context_length": 131072},
    ),
]  # fmt: skip


@pytest.fixture(name="hub")
def hub_of_this_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A hub that the environment names, with a store of its own and nobody's token."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WEIGHTS_CONFIG", str(tmp_path / "config"))
    with HubServer([*REPOS, *generate_listing(300)]) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """The JSON that a command printed."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)
