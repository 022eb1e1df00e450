"""Folding, the tree, the table with its filter, and the difference of two checkpoints."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.weights import tree
from explorer.weights.difference import Change, compare
from explorer.weights.folding import Fold, fold
from explorer.weights.names import pattern_of
from explorer.weights.tensor_filter import parse_filter
from explorer.weights.tensor_table import TensorTable, natural_key
from tests.weights.checkpoint.published import checkpoint, models, small, tensor

QWEN = checkpoint(models()["Qwen/Qwen3-30B-A3B"])
TABLE = TensorTable.of(QWEN)
EXPERT = 768 * 2048


def test_folding_a_mixture_of_experts() -> None:
    folded = {run.pattern: run.count for run in fold(t for _, t in QWEN.tensors())}
    assert folded["model.layers.[0-47].mlp.experts.[0-127].up_proj.weight"] == 48 * 128
    assert folded["model.embed_tokens.weight"] == 1
    assert len(folded) == 15


@given(st.lists(st.sampled_from(["", "0", "12", "w1", "1w", "٣", "1" * 9, "1" * 10, "a\n"])))
def test_only_whole_steps_of_a_name_are_indices(steps: list[str]) -> None:
    folded = ["*" if re.fullmatch("[0-9]{1,9}", step) else step for step in steps]
    assert pattern_of(".".join(steps)) == ".".join(folded)


def test_gaps_stay_and_names_with_numbers_are_no_indices() -> None:
    names = ["h.0.w1", "h.1.w1", "h.5.w1", "h.10.w1", "linear_2.w1"]
    runs = fold(tensor(name, "BF16", (2,)) for name in names)
    assert runs == (
        Fold("h.[0-1,5,10].w1", "BF16", (2,), 4, 16),
        Fold("linear_2.w1", "BF16", (2,), 1, 4),
    )


def test_what_differs_in_shape_or_dtype_is_not_folded_together() -> None:
    runs = fold(
        [tensor("h.0.w", "BF16", (2,)), tensor("h.1.w", "F16", (2,)), tensor("h.2.w", "F16", (3,))]
    )
    assert [run.pattern for run in runs] == ["h.0.w", "h.1.w", "h.2.w"]


def test_opening_the_tree() -> None:
    model, head = sorted(tree.build(TABLE), key=lambda node: node.name, reverse=True)
    assert (model.name, head.name) == ("model", "lm_head")
    assert model.parameters + head.parameters == QWEN.counts.parameters
    layers = next(node for node in model.children() if node.name == "layers")
    (all_layers,) = layers.children()
    assert (all_layers.name, all_layers.repeats) == ("[0-47]", 48)
    mlp = next(node for node in all_layers.children() if node.name == "mlp")
    experts = next(node for node in mlp.children() if node.name == "experts")
    (all_experts,) = experts.children()
    assert (all_experts.name, all_experts.tensors) == ("[0-127]", 48 * 128 * 3)
    leaves = all_experts.children()
    assert [leaf.name for leaf in leaves] == ["down_proj", "gate_proj", "up_proj"]
    (weight,) = leaves[0].children()
    assert weight.leaf
    assert weight.children() == ()


def test_layers_can_be_opened_one_by_one() -> None:
    model = next(node for node in tree.build(TABLE) if node.name == "model")
    layers = next(node for node in model.children() if node.name == "layers")
    members = layers.children()[0].members()
    assert [node.name for node in members] == [str(n) for n in range(48)]
    assert {node.parameters for node in members} == {layers.parameters // 48}
    assert members[7].children()[0].tensors == 1
    assert members[7].members() == ()


def test_unequal_layers_are_kept_apart() -> None:
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {f"h.{n}.w": ("BF16", (2,)) for n in range(6)}
    table = TensorTable.of(small(shapes | {"h.3.w": ("BF16", (9,)), "h.norm": ("BF16", (1,))}, {}))
    (blocks,) = tree.build(table)
    assert [node.name for node in blocks.children()] == ["[0-2,4-5]", "3", "norm"]


def _hold_what_is_below(nodes: Iterable[tree.Node], depth: int = 0) -> None:
    for node in nodes:
        below = node.children()
        assert depth < 10
        assert node.leaf or sum(child.tensors for child in below) == node.tensors
        _hold_what_is_below(below, depth + 1)
        _hold_what_is_below(node.members(), depth + 1)


@given(
    st.sets(
        st.lists(st.sampled_from(["a", "0", "1", "2", ""]), min_size=1, max_size=4).map(".".join)
    ),
    st.sampled_from(tree.GROUPINGS),
)
def test_any_names_make_a_tree(names: set[str], grouping: tree.Grouping) -> None:
    table = TensorTable.of(small({name: ("F16", (len(name),)) for name in names}, {}))
    nodes = tree.build(table, grouping)
    assert sum(node.tensors for node in nodes) == len(names)
    _hold_what_is_below(nodes)


@pytest.mark.parametrize("grouping", tree.GROUPINGS)
def test_every_grouping_holds_everything(grouping: tree.Grouping) -> None:
    nodes = tree.build(TABLE, grouping)
    assert sum(node.tensors for node in nodes) == len(TABLE.rows)
    assert sum(node.parameters for node in nodes) == QWEN.counts.parameters
    assert sum(node.size_bytes for node in nodes) == QWEN.counts.stored_bytes
    for node in nodes:
        assert node.leaf or sum(child.tensors for child in node.children()) == node.tensors


def test_groupings_are_named() -> None:
    assert [node.name for node in tree.build(TABLE, "layer")][:3] == [
        "outside the layers",
        "layer 0",
        "layer 1",
    ]
    assert {node.name for node in tree.build(TABLE, "component")} == {
        "backbone",
        "embedding",
        "output_head",
    }
    assert [node.name for node in tree.build(TABLE, "dtype")] == ["BF16"]
    assert [node.name for node in tree.build(TABLE, "file")] == ["w.safetensors"]


def test_a_tree_of_what_a_filter_left() -> None:
    left = parse_filter("experts.5. layers.3.").apply(TABLE)
    (node,) = tree.build(TABLE, rows=left)
    assert (node.name, node.tensors, node.parameters) == ("model", 3, 3 * EXPERT)


@pytest.mark.parametrize(
    ("text", "passing"),
    [
        ("", 18867),
        ("EXPERTS", 48 * 128 * 3),
        ("*.experts.*", 48 * 128 * 3),
        ("*.experts.7.*_proj.weight", 48 * 3),
        ("experts layers.3.", 128 * 3),
        ("experts !up_proj", 48 * 128 * 2),
        (">100M", 2),
        (">=1.572864M experts", 48 * 128 * 3),
        (">1.572864M experts", 0),
        ("<1K !norm", 0),
        ("dtype:bf16", 18867),
        ("dtype:f*", 0),
        ("shape:768x2048", 48 * 128 * 2),
        ("shape:*x2048 lm_head", 1),
        ("shape:2048", 48 * 2 + 1),
        ("file:safetensors", 18867),
        ("is:embedding", 1),
        ("is:weight lm_*", 1),
        ("no such thing", 0),
        ("dtype:", 0),
        ("layers.?.mlp.gate.weight", 0),
        ("*layers.?.mlp.gate.weight", 10),
    ],
)
def test_filters(text: str, passing: int) -> None:
    assert len(parse_filter(text).apply(TABLE)) == passing


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_filter(text: str) -> None:
    found = parse_filter(text).apply(SMALL)
    assert set(found) <= set(range(len(SMALL.rows)))


@given(st.text("ab.*", min_size=1, max_size=8).filter(lambda text: "*" in text))
def test_globs_are_those_of_the_shell(pattern: str) -> None:
    found = parse_filter(pattern).apply(SMALL)
    assert found == [n for n, row in enumerate(SMALL.rows) if fnmatchcase(row.name, pattern)]


SMALL = TensorTable.of(
    small(dict.fromkeys(("a", "ab", "a.b", "b.a.b", "aab.b", "bb", "a.a.a"), ("F16", (2, 2))), {})
)


def test_names_sort_as_people_count() -> None:
    assert sorted(["h.10.w", "h.9.w", "a"], key=natural_key) == ["a", "h.9.w", "h.10.w"]
    by_size = TABLE.ordered(range(len(TABLE.rows)), "parameters", descending=True)
    assert {TABLE.rows[n].name for n in by_size[:2]} == {
        "lm_head.weight",
        "model.embed_tokens.weight",
    }


def test_a_table_grows_by_files() -> None:
    assert TensorTable().plus(SMALL) == SMALL
    assert len(SMALL.plus(SMALL).lowered) == 2 * len(SMALL.rows)
    assert TensorTable.of(QWEN, ["another"]).rows == ()


def test_a_checkpoint_does_not_differ_from_itself() -> None:
    found = compare(QWEN, QWEN)
    assert found.same
    assert found.unchanged == 18867


def test_a_finetune_with_a_head_of_its_own() -> None:
    base: dict[str, Any] = {f"model.layers.{n}.w.weight": ("BF16", (4, 4)) for n in range(8)}
    tuned = {name: ("F16", shape) for name, (_, shape) in base.items()}
    found = compare(
        small(base | {"lm_head.weight": ("BF16", (10, 4))}, {}),
        small(tuned | {"lm_head.weight": ("BF16", (12, 4)), "score.weight": ("BF16", (2, 4))}, {}),
    )
    assert found.retyped == (Change("model.layers.[0-7].w.weight", 8, "BF16 4×4", "F16 4×4", 128),)
    assert found.reshaped == (Change("lm_head.weight", 1, "BF16 10×4", "BF16 12×4", 40),)
    assert found.added == (Change("score.weight", 1, "", "BF16 2×4", 8),)
    assert found.removed == ()
    assert found.after.parameters - found.before.parameters == 8 + 8


def test_two_quantizations_are_compared_weight_by_weight() -> None:
    awq = checkpoint(models()["Qwen/Qwen2.5-14B-Instruct-AWQ"])
    gptq = checkpoint(models()["Qwen/Qwen2.5-14B-Instruct-GPTQ-Int4"])
    plain = checkpoint(models()["deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"])
    # Both pack into I32 and have the same logical shapes, AWQ its outputs and GPTQ its inputs.
    between = compare(awq, gptq)
    assert (between.added, between.removed, between.reshaped) == ((), (), ())
    up = next(change for change in between.retyped if "up_proj" in change.pattern)
    assert up.before == "I32 13824×5120 stored as 5120×1728"
    assert up.after == "I32 13824×5120 stored as 640×13824"
    assert len(between.retyped) == 7
    # Against the original the seven matrices of a layer change their container, nothing its shape.
    against = compare(plain, awq)
    assert (against.added, against.removed, against.reshaped) == ((), (), ())
    packed = {change.pattern for change in against.retyped if change.after.startswith("I32")}
    assert packed == {
        f"model.layers.[0-47].{part}.weight"
        for part in (
            *(f"self_attn.{one}_proj" for one in "qkvo"),
            *(f"mlp.{one}_proj" for one in ("gate", "up", "down")),
        )
    }
