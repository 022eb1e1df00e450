"""The script that takes README's pictures still finds its way through the app."""

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "screenshots" / "take.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("take", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(svg: str) -> str:
    texts = [text.text or "" for text in ET.fromstring(svg).iter() if text.tag.endswith("}text")]
    return " ".join(texts).replace("\u00a0", " ")


def test_every_picture_is_taken_and_shows_its_screen(script: ModuleType, tmp_path: Path) -> None:
    script.main(tmp_path)
    pictures = {path.stem: words(path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()}
    assert pictures.keys() == {picture.name for picture in script.PICTURES}
    for text in pictures.values():
        assert "a fault in weights" not in text
        assert "RTX 4090" in text
    assert "Best here" in pictures["models"]
    assert "GiB" in pictures["models"]
    assert "Q4_K_M" in pictures["model-fit"]
    assert "free" in pictures["model-fit"]
    assert "NVFP4" in pictures["fit-vllm"]
    assert "If you upgraded" in pictures["enough"]
    assert "most context" in pictures["compare"]
    assert "18,867 tensors" in pictures["weights"]
    assert "× 48" in pictures["weights"]
    assert "RTX 5090" in pictures["machine"]
    assert "Best here" in pictures["variants"]
    assert "Finetunes" in pictures["lineage"]
    assert "because of Llama 3.1" in pictures["license"]


def test_texts_begin_where_they_are_seen(script: ModuleType) -> None:
    raw = (
        '<text class="a" x="24.4" y="20" textLength="97.6" clip-path="b">&#160;&#160;a&#160;b&#160;&#160;'
        "&#160;</text>"
    )
    assert script.tidy(raw) == (
        '<text class="a" x="48.8" y="20" textLength="36.6" clip-path="b">a&#160;b</text>'
    )
