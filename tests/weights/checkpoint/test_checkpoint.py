"""A checkpoint grows file by file, keeps what it has, and says what is missing."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.errors import HeaderError
from explorer.weights.checkpoint import Checkpoint, Shard, active_parameters
from explorer.weights.components import Component, Part, component_of, layer_of, part_of
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tensors import Header, Tensor
from tests.weights.checkpoint.published import checkpoint, models, small, tensor, unfold

_SPLIT = unfold(models()["Qwen/Qwen1.5-MoE-A2.7B"].headers[""])
_CONFIG = models()["Qwen/Qwen1.5-MoE-A2.7B"].config


def _shard(path: str, *tensors: Tensor) -> Shard:
    return Shard(path, 0, Header("safetensors", tensors))


@settings(max_examples=25)
@given(st.lists(st.integers(0, len(_SPLIT)), max_size=4))
def test_counts_do_not_depend_on_files_or_their_order(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(_SPLIT)]
    shards = [_shard(f"{n}", *_SPLIT[a:b]) for n, (a, b) in enumerate(pairwise(ends))]
    grown = Checkpoint.expecting([shard.path for shard in shards], "safetensors", _CONFIG)
    for shard in reversed(shards):
        assert not grown.complete
        grown = grown.with_shard(shard)
    assert grown.complete
    assert grown.counts == _WHOLE.counts


_WHOLE = Checkpoint.expecting(["one"], "safetensors", _CONFIG).with_shard(_shard("one", *_SPLIT))


def test_a_failed_file_is_named_and_can_be_retried() -> None:
    first, second = _shard("a", tensor("x", "BF16", (2, 2))), _shard("b", tensor("y", "BF16", (3,)))
    failed = Shard("b", 10, None, HeaderError("the header is cut off"))
    partial = Checkpoint.expecting(["a", "b"], "safetensors").with_shard(first).with_shard(failed)
    assert partial.missing == ("b",)
    assert not partial.complete
    assert partial.warnings == ("b could not be read: the header is cut off",)
    assert partial.counts.parameters == 4
    whole = partial.with_shard(second)
    assert whole.complete
    assert whole.warnings == ()
    assert whole.counts.parameters == 7
    # The value it grew from is what it was.
    assert partial.missing == ("b",)


def test_a_file_is_counted_once() -> None:
    shard = _shard("a", tensor("x", "BF16", (2, 2)))
    once = Checkpoint.expecting(["a"], "safetensors").with_shard(shard)
    assert once.with_shard(shard) is once
    assert once.with_shard(Shard("a", 0, None, HeaderError("later"))) is once


def test_a_name_in_two_files_is_pointed_out() -> None:
    twice = (
        Checkpoint.expecting(["a", "b"], "safetensors")
        .with_shard(_shard("a", tensor("lm_head.weight", "BF16", (2, 2))))
        .with_shard(_shard("b", tensor("lm_head.weight", "BF16", (2, 2))))
    )
    assert twice.duplicates() == ("lm_head.weight",)
    assert twice.warnings == ("lm_head.weight in two files: each copy is counted",)


def test_components_of_different_folders_may_share_names() -> None:
    both = (
        Checkpoint.expecting(
            ["vae/a", "unet/a"], "safetensors", components={"vae/a": "vae", "unet/a": "unet"}
        )
        .with_shard(_shard("vae/a", tensor("conv_in.weight", "F32", (2,))))
        .with_shard(_shard("unet/a", tensor("conv_in.weight", "F32", (3,))))
    )
    assert both.duplicates() == ()
    assert both.counts.by_component == {"vae": 2, "unet": 3}


def test_a_stored_copy_of_a_tied_head_is_its_own_component() -> None:
    shapes = {"model.embed_tokens.weight": ("BF16", (9, 2)), "lm_head.weight": ("BF16", (9, 2))}
    copied = small(shapes, {"tie_word_embeddings": True})
    assert copied.counts.by_component == {Component.EMBEDDING: 18, Component.TIED_HEAD: 18}
    assert "stored copy" in copied.warnings[0]


def test_bytes_that_torch_stores_once_count_once() -> None:
    """Tied by ``head.weight = embed.weight``, and a row of it kept as a view."""
    embed = Tensor("embed_tokens.weight", "F32", (4, 3), 64, 48)
    twins = (embed._replace(name="lm_head.weight"), Tensor("row", "F32", (3,), 76, 12))
    own = Tensor("norm.weight", "F32", (3,), 128, 12)
    model = Checkpoint.expecting(["pytorch_model.bin"], "torch")
    model = model.with_shard(Shard("pytorch_model.bin", 0, Header("torch", (embed, *twins, own))))
    assert model.counts.parameters == 12 + 3
    assert model.counts.stored_bytes == 48 + 12
    assert model.counts.tensors == 4
    assert model.warnings == (
        "embed_tokens.weight = lm_head.weight = row: the same bytes under several names, counted once",
    )
    table = TensorTable.of(model)
    assert sum(row.size_bytes for row in table.rows) == 60
    assert [row.role for row in table.rows] == ["weight", "shared", "shared", "weight"]
    assert list(model.stored()) == [embed, own]


def test_of_an_embedding_and_a_head_at_one_place_the_embedding_is_kept() -> None:
    head = Tensor("lm_head.weight", "F32", (4, 3), 64, 48)
    embed = head._replace(name="model.embed_tokens.weight")
    model = Checkpoint.expecting(["pytorch_model.bin"], "torch")
    model = model.with_shard(Shard("pytorch_model.bin", 0, Header("torch", (head, embed))))
    assert list(model.stored()) == [embed]
    assert model.counts.by_component == {Component.EMBEDDING: 12}


def test_tensors_without_a_place_are_never_taken_for_one() -> None:
    lost = [Tensor(name, "F32", (3,), 0, 12) for name in "ab"]
    model = Checkpoint.expecting(["m.bin"], "torch").with_shard(
        Shard("m.bin", 0, Header("torch", tuple(lost)))
    )
    assert model.counts.parameters == 6


def test_no_experts_without_their_number() -> None:
    shapes = {"model.layers.0.mlp.experts.0.up_proj.weight": ("BF16", (2, 2))}
    assert active_parameters(small(shapes, {}), {}) is None
    assert (
        active_parameters(small(shapes, {}), {"num_experts": 2, "num_experts_per_tok": 9}) is None
    )


def test_a_tied_embedding_is_active_as_the_head() -> None:
    shapes = {
        "model.embed_tokens.weight": ("BF16", (10, 4)),
        "model.layers.0.mlp.experts.0.up_proj.weight": ("BF16", (4, 4)),
        "model.layers.0.mlp.experts.1.up_proj.weight": ("BF16", (4, 4)),
        "model.layers.0.mlp.shared_expert.up_proj.weight": ("BF16", (4, 4)),
        "model.layers.0.mlp.gate.weight": ("BF16", (2, 4)),
    }
    config = {"num_experts": 2, "num_experts_per_tok": 1}
    assert active_parameters(small(shapes, config), config) == 40 + 16 + 16 + 8


def test_a_dense_model_is_active_as_a_whole() -> None:
    shapes = {"model.embed_tokens.weight": ("BF16", (10, 4)), "lm_head.weight": ("BF16", (10, 4))}
    assert active_parameters(small(shapes, {}), {}) == 80


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("model.layers.3.self_attn.q_proj.weight", Component.BACKBONE),
        ("model.embed_tokens.weight", Component.EMBEDDING),
        ("token_embd.weight", Component.EMBEDDING),
        ("transformer.wte.weight", Component.EMBEDDING),
        ("lm_head.weight", Component.OUTPUT_HEAD),
        ("output.weight", Component.OUTPUT_HEAD),
        ("model.layers.3.output.weight", Component.BACKBONE),
        ("model.visual.blocks.3.attn.qkv.weight", Component.VISION),
        ("v.blk.0.attn_q.weight", Component.VISION),
        ("model.visual.merger.linear_fc1.weight", Component.PROJECTOR),
        ("mm.0.weight", Component.PROJECTOR),
        ("model.audio_tower.layers.0.fc1.weight", Component.AUDIO),
        ("mtp.layers.0.mlp.up_proj.weight", Component.MTP),
        ("model.layers.61.eh_proj.weight", Component.MTP),
        ("blk.46.nextn.eh_proj.weight", Component.MTP),
        ("model.layers.1.engram.embedding.weight", Component.EMBEDDING),
        ("medusa_head.0.0.linear.weight", Component.DRAFT),
        ("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", Component.ADAPTER),
    ],
)
def test_component_names(name: str, component: Component) -> None:
    assert component_of(name) is component


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.layers.3.mlp.experts.7.up_proj.weight", Part.ROUTED_EXPERT),
        ("model.layers.3.mlp.experts.gate_up_proj_blocks", Part.ROUTED_EXPERT),
        ("blk.3.ffn_up_exps.weight", Part.ROUTED_EXPERT),
        ("blk.3.ffn_up_shexp.weight", Part.SHARED_EXPERT),
        ("blk.3.ffn_gate_inp.weight", Part.ROUTER),
        ("model.layers.3.mlp.shared_experts.up_proj.weight", Part.SHARED_EXPERT),
        ("model.layers.3.mlp.shared_expert_gate.weight", Part.SHARED_EXPERT),
        ("model.layers.3.mlp.gate.weight", Part.ROUTER),
        ("model.layers.3.block_sparse_moe.gate.weight", Part.ROUTER),
        ("model.layers.3.mlp.gate_proj.weight", Part.DENSE),
        ("model.layers.3.self_attn.q_proj.weight", Part.DENSE),
    ],
)
def test_part_names(name: str, part: Part) -> None:
    assert part_of(name) is part


def test_layer_numbers() -> None:
    assert layer_of("model.layers.12.mlp.experts.3.w1.weight") == 12
    assert layer_of("blk.7.attn_q.weight") == 7
    assert layer_of("model.norm.weight") is None


def test_the_hub_total_is_explained_only_when_all_files_are_there() -> None:
    shapes = {"l.weight": ("F8_E4M3", (4, 4)), "l.weight_scale": ("F32", (2,))}
    whole = small(shapes, {"quantization_config": {"quant_method": "fp8"}})
    assert whole.hub_difference(16) is None
    assert whole.hub_difference(None) is None
    told = "the hub's total is 18: it counts scales and zero points as parameters"
    assert whole.hub_difference(18) == told
    assert whole.hub_difference(5) == "the hub's total is 5, for a reason the headers do not show"
    assert Checkpoint.expecting(["a"], "safetensors").hub_difference(5) is None


def test_a_hub_total_of_before_its_rules_changed() -> None:
    """gpt-oss-20b was 21,511,953,984 with its scales; Kimi-K2.5 was 1,058,589,420,528."""
    gpt_oss = checkpoint(models()["openai/gpt-oss-20b"]).hub_difference(21_511_953_984)
    assert gpt_oss is not None
    assert gpt_oss.endswith("it counts scales and zero points as parameters")
    kimi = checkpoint(models()["moonshotai/Kimi-K2.5"]).hub_difference(1_058_589_420_528)
    assert kimi is not None
    assert kimi.endswith("it seems to count scales and the like, by the hub's earlier rules")


def test_a_gguf_tells_its_experts_and_mtp_layers_itself() -> None:
    shapes = {
        "token_embd.weight": (10, 4),
        "output.weight": (10, 4),
        "blk.0.attn_q.weight": (4, 4),
        "blk.0.ffn_up_exps.weight": (8, 4, 4),
        "blk.0.ffn_up_shexp.weight": (4, 4),
        "blk.0.ffn_gate_inp.weight": (8, 4),
        "blk.1.attn_q.weight": (4, 4),
    }
    metadata = {
        "glm4moe.block_count": 2,
        "glm4moe.nextn_predict_layers": 1,
        "glm4moe.expert_count": 8,
        "glm4moe.expert_used_count": 2,
    }
    tensors = tuple(tensor(name, "F16", shape) for name, shape in shapes.items())
    header = Header("gguf", tensors, metadata)
    model = Checkpoint.expecting(["a.gguf"], "gguf").with_shard(Shard("a.gguf", 0, header))
    assert model.counts.by_component[Component.MTP] == 16
    # The first part of a split may arrive last: what came before is counted again.
    late = Checkpoint("gguf").with_shard(Shard("2.gguf", 0, Header("gguf", tensors[3:])))
    late = late.with_shard(Shard("1.gguf", 0, Header("gguf", tensors[:3], metadata)))
    assert late.counts == model.counts
    # Head, attention, a quarter of the experts, the shared one and the router.
    assert active_parameters(model, {}) == 40 + 16 + 128 // 4 + 16 + 32


def test_a_checkpoint_is_shown_without_its_tensors() -> None:
    # Textual asks for the repr of whatever a worker is given, in the thread that paints.
    tensors = [tensor(f"layers.{n}.weight", "BF16", (2, 2)) for n in range(5000)]
    found = Checkpoint.expecting(["a"], "safetensors").with_shard(_shard("a", *tensors))
    assert "layers.4999" not in repr(found)
    assert "layers.4999" not in repr(TensorTable.of(found))
    assert len(repr(found)) < 5000


def test_equal_kinds_of_a_file_are_one_object() -> None:
    tensors = [tensor(f"layers.{n}.weight", "BF16", (2, 2)) for n in range(9)]
    found = Checkpoint.expecting(["a"], "safetensors").with_shard(_shard("a", *tensors))
    assert len({id(kind) for _, _, kind in found.described()}) == 1
    assert [name.name for _, name, _ in found.described()] == [each.name for each in tensors]
