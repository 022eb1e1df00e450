"""Logical parameters by stored dtype, against what the hub's own client is tested with.

Two tensor lists are among the published models, and those of the four newest checkpoints are listed on
their own; the others are written out here from the published architecture, in the layout that the
quantizer writes.
"""

import json
from collections.abc import Callable, Iterator

import pytest

from explorer.weights.checkpoint import Checkpoint, active_parameters
from explorer.weights.components import Component
from tests.weights.checkpoint.listed import listed
from tests.weights.checkpoint.published import FOLDER, checkpoint, models, small

Shapes = dict[str, tuple[str, tuple[int, ...]]]


def _official() -> Iterator[tuple[str, str, dict[str, int]]]:
    for name, _, path, by_dtype, total in json.loads((FOLDER / "official_counts.json").read_text()):
        assert sum(by_dtype.values()) == total
        yield name, path, by_dtype


OFFICIAL = {(name, path): by_dtype for name, path, by_dtype in _official()}


def _norm(name: str, width: int, dtype: str) -> Shapes:
    return {f"{name}.weight": (dtype, (width,)), f"{name}.bias": (dtype, (width,))}


def _linear(name: str, rows: int, columns: int, dtype: str, *, bias: bool = True) -> Shapes:
    found: Shapes = {f"{name}.weight": (dtype, (rows, columns))}
    return found | ({f"{name}.bias": (dtype, (rows,))} if bias else {})


def _encoder(prefix: str, vocabulary: int, positions: int, types: int) -> Shapes:
    """The encoder of BERT base and RoBERTa base."""
    found: Shapes = {
        f"{prefix}.embeddings.word_embeddings.weight": ("F32", (vocabulary, 768)),
        f"{prefix}.embeddings.position_embeddings.weight": ("F32", (positions, 768)),
        f"{prefix}.embeddings.token_type_embeddings.weight": ("F32", (types, 768)),
        **_norm(f"{prefix}.embeddings.LayerNorm", 768, "F32"),
    }
    for n in range(12):
        block = f"{prefix}.encoder.layer.{n}"
        for part in ("query", "key", "value"):
            found |= _linear(f"{block}.attention.self.{part}", 768, 768, "F32")
        found |= _linear(f"{block}.attention.output.dense", 768, 768, "F32")
        found |= _norm(f"{block}.attention.output.LayerNorm", 768, "F32")
        found |= _linear(f"{block}.intermediate.dense", 3072, 768, "F32")
        found |= _linear(f"{block}.output.dense", 768, 3072, "F32")
        found |= _norm(f"{block}.output.LayerNorm", 768, "F32")
    return found


def bert() -> Checkpoint:
    """Both pre-training heads are stored; the decoder's matrix is the embedding and is not."""
    found = _encoder("bert", 30522, 512, 2) | _linear("bert.pooler.dense", 768, 768, "F32")
    found |= {"cls.predictions.bias": ("F32", (30522,))}
    found |= _linear("cls.predictions.transform.dense", 768, 768, "F32")
    found |= _norm("cls.predictions.transform.LayerNorm", 768, "F32")
    return small(found | _linear("cls.seq_relationship", 2, 768, "F32"), {})


def roberta() -> Checkpoint:
    """With position ids stored as a buffer of 514 integers."""
    found = _encoder("roberta", 50265, 514, 1)
    found |= {
        "roberta.embeddings.position_ids": ("I64", (1, 514)),
        "lm_head.bias": ("F32", (50265,)),
    }
    found |= _linear("lm_head.dense", 768, 768, "F32") | _norm("lm_head.layer_norm", 768, "F32")
    return small(found, {})


def bloom() -> Checkpoint:
    """70 blocks of 14,336, a head tied to the embedding."""
    width = 14336
    found: Shapes = {"word_embeddings.weight": ("BF16", (250880, width))}
    found |= _norm("word_embeddings_layernorm", width, "BF16") | _norm("ln_f", width, "BF16")
    for n in range(70):
        found |= _norm(f"h.{n}.input_layernorm", width, "BF16")
        found |= _norm(f"h.{n}.post_attention_layernorm", width, "BF16")
        found |= _linear(f"h.{n}.self_attention.query_key_value", 3 * width, width, "BF16")
        found |= _linear(f"h.{n}.self_attention.dense", width, width, "BF16")
        found |= _linear(f"h.{n}.mlp.dense_h_to_4h", 4 * width, width, "BF16")
        found |= _linear(f"h.{n}.mlp.dense_4h_to_h", width, 4 * width, "BF16")
    return small(found, {})


def gemma() -> Checkpoint:
    """Gemma 7B: 28 blocks, 16 heads of 256 for a width of 3,072, head tied."""
    found: Shapes = {
        "model.embed_tokens.weight": ("BF16", (256000, 3072)),
        "model.norm.weight": ("BF16", (3072,)),
    }
    for n in range(28):
        block = f"model.layers.{n}"
        for part in ("q", "k", "v"):
            found[f"{block}.self_attn.{part}_proj.weight"] = ("BF16", (4096, 3072))
        found[f"{block}.self_attn.o_proj.weight"] = ("BF16", (3072, 4096))
        found[f"{block}.mlp.gate_proj.weight"] = ("BF16", (24576, 3072))
        found[f"{block}.mlp.up_proj.weight"] = ("BF16", (24576, 3072))
        found[f"{block}.mlp.down_proj.weight"] = ("BF16", (3072, 24576))
        found[f"{block}.input_layernorm.weight"] = ("BF16", (3072,))
        found[f"{block}.post_attention_layernorm.weight"] = ("BF16", (3072,))
    return small(found, {"tie_word_embeddings": True})


def gpt_oss_120b() -> Checkpoint:
    """gpt-oss-20b with 36 blocks of 128 experts."""
    model = models()["openai/gpt-oss-20b"]
    found: Shapes = {}
    for _, tensor in checkpoint(model).tensors():
        name, shape = tensor.name, tensor.shape
        if ".experts." in name or ".router." in name:
            shape = (128, *shape[1:])
        if not name.startswith("model.layers."):
            found[name] = (tensor.dtype, shape)
        elif name.startswith("model.layers.0."):
            for n in range(36):
                found[name.replace(".0.", f".{n}.", 1)] = (tensor.dtype, shape)
    return small(found, model.config)


def _llama(blocks: int, hidden: int, feed_forward: int, kv: int) -> Iterator[tuple[str, int, int]]:
    """Linear layers of a Llama 3 as (name, out, in)."""
    for n in range(blocks):
        block = f"model.layers.{n}"
        yield f"{block}.self_attn.q_proj", hidden, hidden
        yield f"{block}.self_attn.k_proj", kv, hidden
        yield f"{block}.self_attn.v_proj", kv, hidden
        yield f"{block}.self_attn.o_proj", hidden, hidden
        yield f"{block}.mlp.gate_proj", feed_forward, hidden
        yield f"{block}.mlp.up_proj", feed_forward, hidden
        yield f"{block}.mlp.down_proj", hidden, feed_forward


def _llama_rest(blocks: int, hidden: int) -> Shapes:
    found: Shapes = {
        "model.embed_tokens.weight": ("BF16", (128256, hidden)),
        "lm_head.weight": ("BF16", (128256, hidden)),
        "model.norm.weight": ("BF16", (hidden,)),
    }
    for n in range(blocks):
        found[f"model.layers.{n}.input_layernorm.weight"] = ("BF16", (hidden,))
        found[f"model.layers.{n}.post_attention_layernorm.weight"] = ("BF16", (hidden,))
    return found


def llama_bitsandbytes() -> Checkpoint:
    """nf4 with double quantization: absmax a block of 64, itself quantized in blocks of 256."""
    found = _llama_rest(32, 4096)
    for name, rows, columns in _llama(32, 4096, 14336, 1024):
        weights = rows * columns
        found |= {
            f"{name}.weight": ("U8", (weights // 2, 1)),
            f"{name}.weight.absmax": ("U8", (weights // 64,)),
            f"{name}.weight.quant_map": ("F32", (16,)),
            f"{name}.weight.nested_absmax": ("F32", (weights // 64 // 256,)),
            f"{name}.weight.nested_quant_map": ("F32", (256,)),
            f"{name}.weight.quant_state.bitsandbytes__nf4": ("U8", (141,)),
        }
    quantization = {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
    }
    return small(found, {"quantization_config": quantization})


def llama_compressed() -> Checkpoint:
    """compressed-tensors w4a16 with activation order: a permutation beside every weight."""
    found = _llama_rest(80, 8192)
    for name, rows, columns in _llama(80, 8192, 28672, 1024):
        found |= {
            f"{name}.weight_packed": ("I32", (rows, columns // 8)),
            f"{name}.weight_scale": ("BF16", (rows, columns // 128)),
            f"{name}.weight_shape": ("I64", (2,)),
            f"{name}.weight_g_idx": ("I32", (columns,)),
        }
    group = {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 128}}
    quantization = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": group},
        "ignore": ["lm_head"],
    }
    return small(found, {"quantization_config": quantization})


def stable_diffusion() -> Checkpoint:
    """The denoiser of 1.4 is that of 1.5."""
    model = models()["runwayml/stable-diffusion-v1-5"]
    return checkpoint(
        type(model)(model.id, None, {}, None, {"unet": model.headers["unet"]}, ("", ""))
    )


def qwen_image() -> Checkpoint:
    """The denoiser of Qwen-Image: 60 double-stream blocks of 24 heads of 128."""
    width = 3072
    found: Shapes = {"txt_norm.weight": ("BF16", (3584,))}
    found |= _linear("img_in", width, 64, "BF16") | _linear("txt_in", width, 3584, "BF16")
    found |= _linear("time_text_embed.timestep_embedder.linear_1", width, 256, "BF16")
    found |= _linear("time_text_embed.timestep_embedder.linear_2", width, width, "BF16")
    found |= _linear("norm_out.linear", 2 * width, width, "BF16")
    found |= _linear("proj_out", 64, width, "BF16")
    for n in range(60):
        block = f"transformer_blocks.{n}"
        for part in ("img", "txt"):
            found |= _linear(f"{block}.{part}_mod.1", 6 * width, width, "BF16")
            found |= _linear(f"{block}.{part}_mlp.net.0.proj", 4 * width, width, "BF16")
            found |= _linear(f"{block}.{part}_mlp.net.2", width, 4 * width, "BF16")
        for part in (
            "to_q",
            "to_k",
            "to_v",
            "add_q_proj",
            "add_k_proj",
            "add_v_proj",
            "to_out.0",
            "to_add_out",
        ):
            found |= _linear(f"{block}.attn.{part}", width, width, "BF16")
        for part in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
            found[f"{block}.attn.{part}.weight"] = ("BF16", (128,))
    return small(found, {})


WHOLE: dict[tuple[str, str], Callable[[], Checkpoint]] = {
    ("google-bert/bert-base-uncased", ""): bert,
    ("bigscience/bloom", ""): bloom,
    ("roberta-base", ""): roberta,
    ("CompVis/stable-diffusion-v1-4", "unet/diffusion_pytorch_model.safetensors"): stable_diffusion,
    ("CompVis/stable-diffusion-v1-4", ""): stable_diffusion,
    ("Qwen/Qwen-Image", ""): qwen_image,
    ("Alignment-Lab-AI/ALAI-gemma-7b", "7b/1/model.safetensors.index.json"): gemma,
    ("openai/gpt-oss-20b", ""): lambda: checkpoint(models()["openai/gpt-oss-20b"]),
    ("openai/gpt-oss-120b", ""): gpt_oss_120b,
    ("unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", ""): llama_bitsandbytes,
    ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w4a16", ""): llama_compressed,
    ("moonshotai/Kimi-K2.5", ""): lambda: checkpoint(models()["moonshotai/Kimi-K2.5"]),
}
# Parameters a token passes through, in billions, as the publishers state them: of DeepSeek-V4.1-Flash
# those of a token that is written; one that is read passes through half the layers.
ACTIVE = {
    "moonshotai/Kimi-K3": 104,
    "deepseek-ai/DeepSeek-V4-Pro": 49,
    "deepseek-ai/DeepSeek-V4.1-Flash": 16,
    "XiaomiMiMo/MiMo-V2.6-Flash-RL": 15,
}


def test_every_official_count_is_held() -> None:
    assert {*WHOLE, *((name, "") for name in ACTIVE)} == set(OFFICIAL)


@pytest.mark.parametrize(("name", "path"), WHOLE)
def test_by_dtype_exactly(name: str, path: str) -> None:
    assert WHOLE[name, path]().counts.by_dtype == OFFICIAL[name, path]


@pytest.mark.parametrize("name", ACTIVE)
def test_a_listed_checkpoint_exactly(name: str) -> None:
    model = listed()[name]
    found = model.checkpoint()
    assert found.counts.by_dtype == OFFICIAL[name, ""]
    assert found.counts.tensors == int(model.facts.get("count", found.counts.tensors))
    active = active_parameters(found, model.config)
    assert active is not None
    assert round(active / 1e9) == ACTIVE[name]


def test_n_gram_tables_are_an_embedding() -> None:
    # Two tables of 256 columns, as engram_num_embeddings states their rows, beside the vocabulary's.
    found = listed()["deepseek-ai/DeepSeek-V4.1-Flash"].checkpoint().counts.by_component
    tables = (384_006_168 + 384_016_682) * 256
    assert found[Component.EMBEDDING] == tables + 129_280 * 5120
