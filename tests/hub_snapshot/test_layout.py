"""Headers and shards as the libraries write them."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from explorer.errors import HeaderError
from explorer.hub.folding import fold
from explorer.hub.layout import component_shards, index_json, shards, size_bytes

_NUMPY_NAMES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?", "C64": "c8",
}  # fmt: skip


def test_a_header_is_the_librarys_own_to_the_byte() -> None:
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {
        f"model.layers.{i}.{dtype.lower()}": (dtype, (i, 2))
        for i in range(1, 12)
        for dtype in _NUMPY_NAMES
    }
    tensors |= {"scalar": ("F32", ()), "ünïcode": ("F16", (3,)), "empty": ("U8", (0, 4))}
    arrays = {
        name: np.zeros(shape, _NUMPY_NAMES[dtype]) for name, (dtype, shape) in tensors.items()
    }
    written = safetensors.numpy.save(arrays, {"format": "pt"})
    (shard,) = shards(fold(tensors), "model", 10**9)
    header = shard.header()
    assert header == written[: len(header)]
    assert len(header) + shard.data_bytes == len(written)


def test_the_library_opens_a_file_that_begins_with_such_a_header(tmp_path: Path) -> None:
    tensors = {f"h.{i}.w": ("BF16", (512, 512)) for i in range(24)}
    (shard,) = shards(fold(tensors), "model", 10**9)
    path = tmp_path / shard.path
    with path.open("wb") as file:
        file.write(shard.header())
        file.truncate(len(shard.header()) + shard.data_bytes)
    with safetensors.safe_open(path, "np") as opened:
        assert sorted(opened.keys()) == sorted(tensors)
        assert opened.get_slice("h.23.w").get_shape() == [512, 512]


def test_shards_keep_layers_in_order_and_stay_below_the_limit() -> None:
    tensors = {f"layers.{i}.{kind}": ("BF16", (100,)) for i in range(12) for kind in "ab"}
    parts = shards(fold(tensors), "model", 1000)
    assert [part.path for part in parts] == [
        f"model-0000{i}-of-00005.safetensors" for i in range(1, 6)
    ]
    assert [part.data_bytes for part in parts] == [1000, 1000, 1000, 1000, 800]
    first = [entry.name for entry in parts[0].entries]
    assert first == ["layers.0.a", "layers.0.b", "layers.1.a", "layers.1.b", "layers.2.a"]
    assert parts[4].entries[-1].name == "layers.11.b"


def test_a_tensor_beyond_the_limit_has_a_file_of_its_own() -> None:
    parts = shards(
        fold({"a": ("F32", (10,)), "b": ("F32", (9000,)), "c": ("F32", (10,))}), "m", 1000
    )
    assert [part.data_bytes for part in parts] == [40, 36000, 40]


def test_the_index_places_every_tensor() -> None:
    parts = shards(fold({"a": ("F32", (10,)), "b": ("F32", (10,))}), "model", 40)
    index = json.loads(index_json(parts))
    assert index == {
        "metadata": {"total_size": 80},
        "weight_map": {
            "a": "model-00001-of-00002.safetensors",
            "b": "model-00002-of-00002.safetensors",
        },
    }


def test_components_of_a_diffusion_model_are_named_as_diffusers_names_them() -> None:
    groups = fold({"w": ("F16", (2,))})
    named = [component_shards(part, groups)[0].path for part in ("", "unet", "text_encoder_2")]
    assert named == [
        "model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder_2/model.safetensors",
    ]


@pytest.mark.parametrize(("dtype", "shape"), [("F4", (3,)), ("Q4_K", (256,))])
def test_a_type_that_cannot_be_laid_out_is_refused(dtype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(HeaderError):
        size_bytes(dtype, shape)
