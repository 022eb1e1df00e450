"""A GGUF in 16 bits, as llama.cpp's converter leaves it: what llama-quantize would make of it."""

import gzip
import json
from pathlib import Path

import pytest

from explorer.cli import main
from explorer.units import GIB
from tests.accuracy.oracle import write_sparse
from tests.cli.hub import printed
from tests.fit_quantize.checkpoints import LLAMA_CPP, quantized_sizes

NAME = "Llama-3.1-8B"


@pytest.fixture(name="whole", scope="module")
def sixteen_bits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file llama-quantize was asked about, with a hole in place of its data."""
    path = tmp_path_factory.mktemp("gguf") / f"{NAME}-F16.gguf"
    with gzip.open(LLAMA_CPP / f"{NAME}.json.gz") as file:
        write_sparse(json.load(file), path)
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path))


@pytest.mark.parametrize("file_type", ["F16", "Q8_0", "Q4_K_M", "Q4_0", "IQ3_XXS"])
def test_its_weights_are_those_llama_quantize_gives(
    capsys: pytest.CaptureFixture[str], whole: Path, file_type: str
) -> None:
    options = ("--machine", "cpu 64GB", "--quant", file_type.lower())
    (answer,) = printed(capsys, "fit", str(whole), *options)
    assert answer["scenario"]["quantization"] == file_type
    expected = quantized_sizes()[NAME].get(file_type, {"bytes": whole.stat().st_size})["bytes"]
    assert answer["memory"]["weights"] == pytest.approx(expected, rel=0.001)


def test_the_best_is_made_of_it_where_16_bits_do_not_fit(
    capsys: pytest.CaptureFixture[str], whole: Path
) -> None:
    (answer,) = printed(capsys, "fit", str(whole), "--machine", "RTX 4070 Ti, 64 GB")
    assert answer["scenario"]["quantization"] == "Q8_0"
    assert answer["verdict"] == "fits"
    assert answer["memory"]["weights"] < 9 * GIB
    assert main(["fit", str(whole), "--machine", "RTX 4070 Ti, 64 GB", "--command"]) == 0
    lines = capsys.readouterr().out
    assert f"llama-quantize {whole} {whole.name}-Q8_0.gguf Q8_0" in lines
    assert f"llama-server -m {whole.name}-Q8_0.gguf" in lines
