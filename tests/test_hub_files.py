"""The files that the loopback hub makes up are ones that the formats' own libraries read."""

from math import prod
from pathlib import Path

import safetensors
from gguf import GGUFReader

from tests.hub.contents import Content
from tests.hub.gguf_files import llama_gguf
from tests.hub.layouts import llama
from tests.hub.layouts import safetensors as safetensors_file


def written(content: Content, path: Path) -> Path:
    path.write_bytes(content.read(0, content.size))
    return path


def test_gguf_by_its_own_library(tmp_path: Path) -> None:
    reader = GGUFReader(written(llama_gguf(layers=3), tmp_path / "m.gguf"))
    assert reader.fields["llama.context_length"].contents() == 8192
    assert reader.fields["general.architecture"].contents() == "llama"
    assert len(reader.fields["tokenizer.ggml.tokens"].data) == 512
    assert len(reader.tensors) == 3 * 9 + 3
    last = reader.tensors[-1]
    assert (last.name, last.tensor_type.name, list(last.shape)) == (
        "output.weight",
        "Q6_K",
        [256, 512],
    )


def test_safetensors_by_its_own_library(tmp_path: Path) -> None:
    weights = list(
        llama(
            layers=2, hidden=64, intermediate=128, vocabulary=256, heads=4, kv_heads=2, dtype="F16"
        )
    )
    path = written(safetensors_file(weights), tmp_path / "m.safetensors")
    with safetensors.safe_open(path, "np") as opened:
        names = opened.keys()
        shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in names}
    assert shapes == {weight.name: weight.shape for weight in weights}
    assert path.stat().st_size > sum(2 * prod(weight.shape) for weight in weights)
