"""Roles of tensor names against llama.cpp's own table of names (``gguf.TensorNameMap``)."""

import re

import gguf
import pytest

from explorer.fit.roles import Section, place
from tests.fit_quantize.checkpoints import checkpoint, names

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "phi3": gguf.MODEL_ARCH.PHI3,
    "gpt_neox": gguf.MODEL_ARCH.GPTNEOX,
    "gpt2": gguf.MODEL_ARCH.GPT2,
    "falcon": gguf.MODEL_ARCH.FALCON,
    "gptj": gguf.MODEL_ARCH.GPTJ,
    "cohere": gguf.MODEL_ARCH.COMMAND_R,
    "qwen3_moe": gguf.MODEL_ARCH.QWEN3MOE,
    "deepseek_v3": gguf.MODEL_ARCH.DEEPSEEK2,
    "bert": gguf.MODEL_ARCH.BERT,
    "mixtral": gguf.MODEL_ARCH.LLAMA,
    "gpt_oss": gguf.MODEL_ARCH.GPT_OSS,
}
# Which norm it is makes no difference to sizes, and rotary factors are not weights.
NOT_COMPARED = ("norm", "_rot_embd")


SUFFIXES = re.compile(r"\.(weight|bias|qweight|qzeros|scales|g_idx)$")
COMPARED = [
    name
    for name in names()
    if checkpoint(name)[1].model_type in ARCHITECTURES and not name.startswith("llava")
]


@pytest.mark.parametrize("model", COMPARED)
def test_roles_are_those_of_llama_cpp(model: str) -> None:
    tensors, architecture = checkpoint(model)
    kind = ARCHITECTURES[architecture.model_type]
    table = gguf.get_tensor_name_map(kind, len(architecture.layers))
    compared = 0
    for tensor in tensors:
        expected = table.get_name(SUFFIXES.sub("", tensor.name))
        if expected is None or expected.endswith(NOT_COMPARED):
            continue
        part, layer = place(tensor.name)
        role = f"blk.{layer}.{part.role}" if layer is not None else part.role
        assert role == expected, tensor.name
        compared += 1
    assert compared > 3 * len(architecture.layers)


def test_gguf_names_are_their_own_roles() -> None:
    for name, role in (
        ("blk.11.ffn_down_exps.weight", "ffn_down_exps"),
        ("blk.0.attn_k_b.weight", "attn_k_b"),
        ("blk.3.shortconv.in_proj.weight", "shortconv.in_proj"),
        ("token_embd.weight", "token_embd"),
        ("output.weight", "output"),
    ):
        assert place(name).part.role == role
    assert place("blk.46.nextn.eh_proj.weight").part.section is Section.MTP
    assert place("v.blk.0.attn_q.weight").part.section is Section.VISION


def test_what_a_tensor_is_to_its_module() -> None:
    packed = place("model.layers.2.mlp.down_proj.qweight").part
    assert (packed.role, packed.kind) == ("ffn_down", "qweight")
    fused = place("model.layers.2.mlp.experts.gate_up_proj_scales").part
    assert (fused.role, fused.kind, fused.routed) == ("ffn_up_exps", "scales", True)
    assert place("model.layers.2.mlp.experts.17.up_proj.weight").part.expert == 17
    assert place("transformer.h.0.attn.masked_bias").part.role == "buffer"
    assert place("something.nobody.knows").part.role == ""
