"""Tensor lists fold into patterns and come back whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import HeaderError
from explorer.hub.folding import Group, fold, read_groups, write_groups

words = st.text(
    st.characters(exclude_characters='*"\\\x7f', exclude_categories=["Cc", "Cs"]), max_size=6
)
names = st.builds(
    lambda parts: "".join(f"{word}{number}" for word, number in parts),
    st.lists(st.tuples(words, st.integers(0, 12)), min_size=1, max_size=3),
)
shapes = st.lists(st.integers(0, 4096), max_size=3).map(tuple)
tensor_lists = st.dictionaries(
    names, st.tuples(st.sampled_from(["BF16", "F32"]), shapes), max_size=40
)
json_values = st.recursive(
    st.none() | st.integers() | st.text("0123-,a*", max_size=6),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


def unfolded(groups: tuple[Group, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        _name(group.template, numbers): (group.dtype, group.shape)
        for group in groups
        for numbers in group.numbers()
    }


def _name(template: str, numbers: tuple[int, ...]) -> str:
    first, *rest = template.split("*")
    return first + "".join(f"{number}{part}" for number, part in zip(numbers, rest, strict=True))


def test_layers_and_experts_fold_into_one_group() -> None:
    tensors = {
        f"layers.{layer}.experts.{expert}.up.weight": ("BF16", (768, 2048))
        for layer in range(3, 48)
        for expert in range(128)
    }
    groups = fold(tensors)
    assert json.dumps(write_groups(groups)) == (
        '[["layers.*.experts.*.up.weight", "BF16", [768, 2048], [["3-47", ["0-127"]]]]]'
    )
    assert groups[0].tensors == 45 * 128


def test_a_gap_and_an_odd_layer_stay_apart() -> None:
    tensors = {f"layers.{i}.weight": ("F32", (2 if i == 4 else 1,)) for i in (0, 1, 2, 4, 7)}
    assert [json.dumps(row) for row in write_groups(fold(tensors))] == [
        '["layers.*.weight", "F32", [1], ["0-2,7"]]',
        '["layers.*.weight", "F32", [2], ["4"]]',
    ]


def test_a_number_with_leading_zeros_is_part_of_the_name() -> None:
    assert fold({"block.007.w": ("F32", ())}) == (Group("block.007.w", "F32", ()),)


@given(tensor_lists)
def test_what_is_folded_and_written_reads_back_the_same(
    tensors: dict[str, tuple[str, tuple[int, ...]]],
) -> None:
    written = json.loads(json.dumps(write_groups(fold(tensors))))
    groups = read_groups(written)
    assert sum(group.tensors for group in groups) == len(tensors)
    assert unfolded(groups) == tensors


@given(json_values)
def test_anything_else_is_refused_with_a_header_error(value: Any) -> None:
    try:
        groups = read_groups(value)
    except HeaderError:
        return
    assert read_groups(write_groups(groups)) == groups


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a*b"])
def test_a_name_that_would_need_escaping_is_refused(name: str) -> None:
    with pytest.raises(HeaderError, match="character"):
        fold({name: ("F32", ())})


def test_a_list_without_end_is_refused_before_it_is_unfolded() -> None:
    with pytest.raises(HeaderError):
        read_groups([["a.*.*", "F32", [], [["0-99999999", ["0-99999999"]]]]])
