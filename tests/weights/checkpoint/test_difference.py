"""Checkpoints held against each other: prefixes that moved, pipelines, and what cannot be compared."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from explorer.weights.checkpoint import Checkpoint, Shard
from explorer.weights.difference import Change, compare
from explorer.weights.renaming import Renamed
from explorer.weights.tensors import Header
from tests.weights.checkpoint.published import small, tensor

Shapes = dict[str, tuple[str, tuple[int, ...]]]


def text_model(prefix: str = "model.", layers: int = 4) -> Shapes:
    found: Shapes = {f"{prefix}embed_tokens.weight": ("BF16", (32, 8))}
    for layer in range(layers):
        found[f"{prefix}layers.{layer}.mlp.up_proj.weight"] = ("BF16", (16, 8))
        found[f"{prefix}layers.{layer}.norm.weight"] = ("BF16", (8,))
    return found | {f"{prefix}norm.weight": ("BF16", (8,))}


def test_a_prefix_that_moved_is_matched_and_said() -> None:
    tower: Shapes = {"visual.blocks.0.attn.qkv.weight": ("BF16", (24, 8))}
    moved: Shapes = {"model.visual.blocks.0.attn.qkv.weight": ("BF16", (24, 8))}
    found = compare(
        small(text_model() | tower, {}), small(text_model("model.language_model.") | moved, {})
    )
    assert found.same
    assert found.unchanged == 11
    assert found.renamed == (
        Renamed("model.", "model.language_model.", 10),
        Renamed("visual.", "model.visual.", 1),
    )


def test_a_missing_prefix_is_one_too() -> None:
    found = compare(small(text_model(""), {}), small(text_model("transformer."), {}))
    assert found.same
    assert found.renamed == (Renamed("", "transformer.", 10),)


def test_what_differs_behind_a_moved_prefix_is_told_under_the_first_name() -> None:
    longer = text_model("model.text.", layers=5)
    longer["model.text.layers.0.norm.weight"] = ("F32", (8,))
    found = compare(small(text_model(), {}), small(longer, {}))
    assert found.retyped == (Change("model.layers.0.norm.weight", 1, "BF16 8", "F32 8", 8),)
    assert [change.pattern for change in found.added] == [
        "model.text.layers.4.mlp.up_proj.weight",
        "model.text.layers.4.norm.weight",
    ]
    assert found.removed == ()
    assert not found.same


def test_two_possible_prefixes_are_left_apart() -> None:
    both = text_model("encoder.") | text_model("decoder.")
    found = compare(small(text_model(), {}), small(both, {}))
    assert found.renamed == ()
    assert found.ambiguous == ("model.",)
    assert sum(change.tensors for change in found.removed) == 10
    assert sum(change.tensors for change in found.added) == 20


def test_another_shape_is_not_taken_for_a_move() -> None:
    wider: Shapes = {
        name.replace("model.", "net."): (dtype, (*shape, 2))
        for name, (dtype, shape) in text_model().items()
    }
    found = compare(small(text_model(), {}), small(wider, {}))
    assert found.renamed == ()
    assert found.unchanged == 0


def pipeline(**folders: Shapes) -> Checkpoint:
    paths = {f"{folder}/model.safetensors": folder for folder in folders}
    grown = Checkpoint.expecting(paths, "safetensors", components=paths)
    for path, folder in paths.items():
        tensors = tuple(tensor(n, d, s) for n, (d, s) in folders[folder].items())
        grown = grown.with_shard(Shard(path, 0, Header("safetensors", tensors)))
    return grown


def test_equal_names_in_two_components_are_two_tensors() -> None:
    one: Shapes = {"conv_in.weight": ("F16", (4, 4))}
    other: Shapes = {"conv_in.weight": ("F16", (8, 4))}
    found = compare(pipeline(unet=one, vae=one), pipeline(unet=one, vae=other))
    assert found.unchanged == 1
    assert found.reshaped == (Change("vae/conv_in.weight", 1, "F16 4×4", "F16 8×4", 16),)


def test_a_gguf_is_not_compared_by_name_with_another_format() -> None:
    gguf = Checkpoint.expecting(["m.gguf"], "gguf")
    gguf = gguf.with_shard(
        Shard("m.gguf", 0, Header("gguf", (tensor("output.weight", "F16", (2,)),)))
    )
    found = compare(small(text_model(), {}), gguf)
    assert not found.comparable
    assert not found.same
    assert (found.before.tensors, found.after.tensors) == (10, 1)
    assert compare(gguf, gguf).same


names = st.lists(st.sampled_from(["a", "b", "0", "1", "weight"]), min_size=1, max_size=4).map(
    ".".join
)
checkpoints = st.dictionaries(
    names, st.tuples(st.sampled_from(["BF16", "F32"]), st.sampled_from([(2,), (2, 3)])), max_size=12
)


@given(checkpoints, checkpoints)
def test_every_tensor_is_accounted_for_on_both_sides(first: Shapes, second: Shapes) -> None:
    config: dict[str, Any] = {}
    found = compare(small(first, config), small(second, config))

    def tensors(changes: tuple[Change, ...]) -> int:
        return sum(change.tensors for change in changes)

    common = found.unchanged + tensors(found.reshaped) + tensors(found.retyped)
    assert common + tensors(found.removed) == len(first)
    assert common + tensors(found.added) == len(second)


@given(checkpoints)
def test_whatever_there_is_equals_itself(shapes: Shapes) -> None:
    found = compare(small(shapes, {}), small(shapes, {}))
    assert found.same
    assert found.renamed == ()
