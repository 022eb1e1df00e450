"""Which files are the model, by the file lists of the kinds of repository there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.weights.gguf_names import parse_gguf_name, quantization_label
from explorer.weights.json_values import JsonObject
from explorer.weights.layout import Layout, lay_out


def _lay_out(*paths: str, documents: dict[str, JsonObject] | None = None) -> Layout:
    return lay_out([(path, 100) for path in paths], documents)


def test_shards_beside_everything_else() -> None:
    layout = _lay_out(
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "model.fp16.safetensors",
        "consolidated-00001-of-00002.safetensors",
        "consolidated-00002-of-00002.safetensors",
        "original/consolidated.00.pth",
        "original/consolidated.01.pth",
        "pytorch_model.bin",
        "onnx/model.onnx",
        "openvino_model.bin",
        "training_args.bin",
        "rng_state_0.pth",
    )
    assert layout.kind == "transformers"
    assert layout.format == "safetensors"
    assert layout.files == ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    assert layout.default[0].size_bytes == 200
    assert {group.name: len(group.files) for group in layout.variants} == {
        "model.fp16": 1,
        "consolidated": 2,
        "original/consolidated": 2,
        "pytorch_model": 1,
    }


def test_an_index_tells_shards_of_any_name() -> None:
    shards = [f"model_pp0_ep{n}_shard0.safetensors" for n in range(3)]
    weight_map = {f"t{n}": shard for n, shard in enumerate(shards)} | {"x": "../../etc/passwd"}
    index = "model.safetensors.index.json"
    layout = _lay_out("config.json", index, *shards, documents={index: {"weight_map": weight_map}})
    assert layout.files == tuple(shards)
    # The fourth file that the index promises is not in the repository.
    assert not layout.default[0].complete


def test_a_missing_shard_is_noticed() -> None:
    (group,) = _lay_out("config.json", "model-00001-of-00003.safetensors").default
    assert not group.complete


def test_only_consolidated_files() -> None:
    assert _lay_out("params.json", "consolidated.safetensors").files == (
        "consolidated.safetensors",
    )


def test_only_torch_files() -> None:
    sharded = ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin")
    layout = _lay_out("config.json", "pytorch_model.bin.index.json", *sharded)
    assert (layout.kind, layout.format, layout.files) == ("transformers", "torch", sharded)
    assert _lay_out("weights.pth").kind == "torch"


def test_a_pipeline_by_component() -> None:
    index = {
        "_class_name": "StableDiffusionXLPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "image_encoder": [None, None],
    }
    layout = _lay_out(
        "model_index.json",
        "sd_xl_base_1.0.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.safetensors",
        "vae_1_0/diffusion_pytorch_model.safetensors",
        "text_encoder/model.fp16.safetensors",
        "text_encoder/model.safetensors",
        "image_encoder/model.safetensors",
        documents={"model_index.json": index},
    )
    assert layout.kind == "diffusers"
    assert layout.components == {
        "text_encoder/model.safetensors": "text_encoder",
        "unet/diffusion_pytorch_model.safetensors": "unet",
        "vae/diffusion_pytorch_model.safetensors": "vae",
    }
    assert len(layout.variants) == 6


def test_a_pipeline_without_its_index_at_hand() -> None:
    layout = _lay_out("model_index.json", "transformer/a.safetensors", "vae/a.safetensors")
    assert [group.component for group in layout.default] == ["transformer", "vae"]


def test_sentence_transformers_modules() -> None:
    layout = _lay_out(
        "config.json",
        "modules.json",
        "model.safetensors",
        "1_Pooling/config.json",
        "2_Dense/model.safetensors",
        "2_Dense/pytorch_model.bin",
    )
    assert layout.kind == "sentence-transformers"
    assert layout.files == ("model.safetensors", "2_Dense/model.safetensors")
    assert layout.components == {"2_Dense/model.safetensors": "2_Dense"}
    assert [group.files for group in layout.variants] == [("2_Dense/pytorch_model.bin",)]


def test_an_adapter_names_its_base() -> None:
    config = {"base_model_name_or_path": "Qwen/Qwen3-8B", "peft_type": "LORA"}
    layout = _lay_out(
        "adapter_config.json",
        "adapter_model.safetensors",
        "checkpoint-500/adapter_model.safetensors",
        documents={"adapter_config.json": config},
    )
    assert (layout.kind, layout.base_model) == ("adapter", "Qwen/Qwen3-8B")
    assert layout.files == ("adapter_model.safetensors",)


def test_an_adapter_of_diffusers() -> None:
    assert _lay_out("README.md", "pytorch_lora_weights.safetensors").kind == "adapter"


def test_all_quantizations_of_a_gguf_repository() -> None:
    layout = _lay_out(
        "Qwen3-8B-Q4_K_M.gguf",
        "Qwen3-8B-UD-Q4_K_XL.gguf",
        "BF16/Qwen3-8B-BF16-00001-of-00002.gguf",
        "BF16/Qwen3-8B-BF16-00002-of-00002.gguf",
        "Q8_0/Qwen3-8B-Q8_0-00001-of-00002.gguf",
        "mmproj-F16.gguf",
        "imatrix_unsloth.gguf",
        "config.json",
    )
    assert layout.kind == "gguf"
    assert layout.files == ("Qwen3-8B-Q4_K_M.gguf",)
    found = {group.name: (group.label, group.purpose, group.complete) for group in layout.groups}
    assert found == {
        "Q4_K_M": ("Q4_K_M", "weights", True),
        "UD-Q4_K_XL": ("UD-Q4_K_XL", "weights", True),
        "BF16": ("BF16", "weights", True),
        "Q8_0": ("Q8_0", "weights", False),
        "mmproj-F16": ("F16", "projector", True),
        "imatrix_unsloth": (None, "imatrix", True),
    }


def test_two_models_in_one_gguf_repository_keep_their_names() -> None:
    layout = _lay_out("a-Q8_0.gguf", "b-Q8_0.gguf")
    assert [group.name for group in layout.groups] == ["a-Q8_0", "b-Q8_0"]


def test_nothing_to_read() -> None:
    layout = _lay_out("README.md", "onnx/model.onnx")
    assert (layout.kind, layout.default, layout.format) == ("none", (), None)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Llama-3.2-1B-Instruct-Q4_K_M", "Q4_K_M"),
        ("Qwen3-30B-A3B-UD-Q4_K_XL", "UD-Q4_K_XL"),
        ("DeepSeek-R1-UD-IQ1_S", "UD-IQ1_S"),
        ("model-IQ2_XXS", "IQ2_XXS"),
        ("model.i1-IQ4_XS", "IQ4_XS"),
        ("gpt-oss-20b-MXFP4_MOE", "MXFP4_MOE"),
        ("gpt-oss-20b-mxfp4", "MXFP4"),
        ("gemma-3-27b-it-q4_0", "Q4_0"),
        ("phi-2.Q5_K_S", "Q5_K_S"),
        ("model-Q4_0_4_8", "Q4_0_4_8"),
        ("model-Q6_K_L", "Q6_K_L"),
        ("model-TQ1_0", "TQ1_0"),
        ("model-fp16", "F16"),
        ("model-BF16", "BF16"),
        ("Qwen3-8B", None),
        ("gemma-4-e2b", None),
    ],
)
def test_labels(name: str, label: str | None) -> None:
    assert quantization_label(name) == label


def test_a_split_file_is_taken_apart() -> None:
    found = parse_gguf_name("Q8_0/Kimi-K2-00002-of-00013.gguf")
    assert found == ("Kimi-K2", "Q8_0", 2, 13, "weights")


_PATH = st.lists(
    st.sampled_from(
        [
            "model",
            "a",
            "unet",
            "1_Dense",
            "-00001-of-00002",
            ".safetensors",
            ".bin",
            ".gguf",
            "/",
            "Q4_0",
        ]
    ),
    min_size=1,
    max_size=5,
).map("".join)


@given(
    st.lists(st.tuples(_PATH, st.integers(0, 9))),
    st.sets(
        st.sampled_from(["config.json", "model_index.json", "modules.json", "adapter_config.json"])
    ),
)
def test_any_file_list_is_laid_out_once(files: list[tuple[str, int]], extra: set[str]) -> None:
    layout = lay_out([*files, *((name, 1) for name in extra)])
    listed = [path for group in layout.groups for path in group.files]
    assert len(listed) == len(set(listed))
    assert set(layout.default) <= set(layout.groups)
    assert set(listed) <= {path for path, _ in files}
