"""Files are recognised by name."""

import pytest

from explorer.spans import drive
from explorer.weights.formats import format_of, reading_for
from tests.weights.formats.reading import DATA


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.safetensors", "safetensors"),
        ("transformer/diffusion_pytorch_model-00001-of-00002.safetensors", "safetensors"),
        ("MODEL.GGUF", "gguf"),
        ("C:\\models\\a.gguf", "gguf"),
        ("pytorch_model-00001-of-00003.bin", "torch"),
        ("sam.pth", "torch"),
        ("v1-5.ckpt", "torch"),
        ("model.safetensors.index.json", None),
        ("training_args.bin", None),
        ("optimizer.pt", None),
        ("rng_state_0.pth", None),
        ("openvino_model.bin", None),
        ("README.md", None),
        ("safetensors", None),
        ("", None),
    ],
)
def test_names(path: str, expected: str | None) -> None:
    assert format_of(path) == expected
    assert (reading_for(path, 1) is not None) == (expected is not None)


@pytest.mark.parametrize(
    ("file", "format_"),
    [
        (DATA / "torch" / "state_dict.bin", "torch"),
        (DATA / "headers" / "smollm2.gguf.header", "gguf"),
    ],
)
def test_the_reading_of_a_file_is_its_formats(file: object, format_: str) -> None:
    path = str(file).removesuffix(".header")
    data = (DATA / str(file)).read_bytes()
    reading = reading_for(path, 200_000_000 if format_ == "gguf" else len(data))
    assert reading
    assert drive(reading, lambda span: data[span.start : span.stop]).format == format_
