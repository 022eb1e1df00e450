"""``weights show`` and ``weights tensors``: what is in a model, and what else its repository has."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.cli import main
from tests.hub import HubFile, HubRepo, HubServer
from tests.hub.builder import gguf_repo, llama_like, mixture_like
from tests.hub.layouts import Weight, safetensors

LORA = [
    Weight(f"base_model.model.model.layers.0.self_attn.q_proj.lora_{half}.weight", "F32", shape)
    for half, shape in (("A", (8, 64)), ("B", (64, 8)))
]
PACKED = [
    Weight("model.layers.0.mlp.up_proj.qweight", "I32", (32, 96)),
    Weight("model.layers.0.mlp.up_proj.scales", "F16", (2, 96)),
]


def adapter(name: str, base: object) -> HubRepo:
    config = {"base_model_name_or_path": base, "peft_type": "LORA", "r": 8}
    weights = HubFile("adapter_model.safetensors", safetensors(LORA))
    return HubRepo(name, [HubFile.of_json("adapter_config.json", config), weights])


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Models of every sort."""
    base = llama_like("acme/base")
    twin = HubFile("model.fp16.safetensors", safetensors([Weight("a.w", "F16", (2, 2))]))
    quantized = {
        "model_type": "llama",
        "num_hidden_layers": 1,
        "hidden_size": 256,
        "vocab_size": 8,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128},
    }
    repos = [
        base,
        HubRepo("acme/twins", [*base.files, twin]),
        mixture_like("acme/mixture"),
        adapter("acme/lora", "acme/base"),
        adapter("acme/orphan", "/home/someone/models/base"),
        adapter("acme/lost", "acme/gone"),
        adapter("acme/hostile", "../../api/whoami-v2"),
        gguf_repo("acme/base-GGUF", sizes={"b-Q4_K_M.gguf": 0, "b-Q8_0.gguf": 900_000}),
        HubRepo(
            "acme/packed",
            [
                HubFile.of_json("config.json", quantized),
                HubFile("model.safetensors", safetensors(PACKED, {"format": "pt", "by": "me"})),
            ],
        ),
    ]
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with HubServer(repos) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_variants_are_listed_beside_what_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "show", "acme/twins")
    assert shown["parameters"] == output(capsys, "show", "acme/base")["parameters"]
    (twin,) = shown["variants"]
    assert (twin["name"], twin["label"], twin["format"]) == ("model.fp16", "fp16", "safetensors")
    assert twin["files"] == ["model.fp16.safetensors"]
    assert twin["size_bytes"] > 8
    quants = output(capsys, "show", "acme/base-GGUF")["variants"]
    assert [(quant["label"], quant["size_bytes"]) for quant in quants] == [("Q8_0", 900_000)]
    assert main(["show", "acme/twins"]) == 0
    assert "model.fp16" in capsys.readouterr().out


def test_an_adapter_alone_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "acme/lora", "--machine", "RTX 4090"]) == 2
    said = capsys.readouterr().err
    assert "acme/lora is an adapter: it runs on top of acme/base" in said
    assert "ask about acme/base" in said


def test_an_adapter_with_its_base_and_what_they_come_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = output(capsys, "show", "acme/base")
    shown = output(capsys, "show", "acme/lora")
    assert shown["parameters"]["total"] == 2 * 8 * 64
    assert shown["adapter"] == {
        "base_model": "acme/base",
        "rank": 8,
        "merged_parameters": base["parameters"]["total"],
        "merged_size_bytes": base["files"][0]["size_bytes"],
        "unknown": None,
    }
    assert base["adapter"] is None
    assert main(["show", "acme/lora"]) == 0
    assert "as large as the base" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "why"),
    [("acme/orphan", "No such file or folder"), ("acme/lost", "acme/gone"), ("acme/hostile", "")],
)
def test_a_base_that_cannot_be_looked_up_is_said(
    name: str, why: str, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = output(capsys, "show", name)["adapter"]
    assert shown["merged_parameters"] is None
    assert why in shown["unknown"]
    assert shown["unknown"]
    assert not any("whoami" in exchange.target for exchange in hub.traffic.exchanges)


def test_both_ways_to_count_what_is_active(capsys: pytest.CaptureFixture[str]) -> None:
    parameters = output(capsys, "show", "acme/mixture")["parameters"]
    embedding = 256 * 64
    assert (
        parameters["active_with_input_embedding"] - parameters["active_without_input_embedding"]
        == embedding
    )
    assert parameters["active"] in (
        parameters["active_with_input_embedding"],
        parameters["active_without_input_embedding"],
    )
    assert main(["show", "acme/mixture"]) == 0
    assert "the input embedding)" in capsys.readouterr().out


def test_metadata_of_a_gguf_and_of_a_safetensors(capsys: pytest.CaptureFixture[str]) -> None:
    gguf = output(capsys, "show", "acme/base-GGUF", "--metadata")["metadata"]
    assert gguf["general.architecture"] == "llama"
    assert isinstance(gguf["llama.block_count"], int)
    assert output(capsys, "show", "acme/packed", "--metadata")["metadata"] == {
        "format": "pt",
        "by": "me",
    }
    assert "metadata" not in output(capsys, "show", "acme/packed")
    assert main(["show", "acme/base-GGUF", "--metadata"]) == 0
    assert "general.architecture" in capsys.readouterr().out


def test_a_packed_tensor_with_its_place_and_logical_shape(
    capsys: pytest.CaptureFixture[str],
) -> None:
    weight, scales = output(capsys, "tensors", "acme/packed")
    assert (weight["shape"], weight["logical_shape"]) == ([32, 96], [96, 256])
    assert (weight["parameters"], weight["role"]) == (96 * 256, "weight")
    assert scales["start"] - weight["start"] == 32 * 96 * 4
    assert (scales["role"], scales["logical_shape"]) == ("scale", None)


def test_csv_says_what_json_says(capsys: pytest.CaptureFixture[str]) -> None:
    rows = output(capsys, "tensors", "acme/base")
    assert main(["tensors", "acme/base", "--csv"]) == 0
    read = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] for row in read] == [row["name"] for row in rows]
    assert [int(row["size_bytes"]) for row in read] == [row["size_bytes"] for row in rows]
    assert read[0]["shape"] == "x".join(map(str, rows[0]["shape"]))
    assert list(read[0]) == [
        *("name", "dtype", "shape", "parameters", "size_bytes", "file"),
        *("start", "logical_shape", "component", "role"),
    ]
    assert main(["tensors", "acme/base", "--group", "component", "--csv"]) == 0
    groups = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sum(int(group["parameters"]) for group in groups) == sum(
        row["parameters"] for row in rows
    )


def test_one_format_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tensors", "acme/base", "--csv", "--json"]) == 2
    assert "--csv" in capsys.readouterr().err
