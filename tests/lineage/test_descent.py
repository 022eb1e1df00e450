"""What a listing says of a model's descent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.hub.listings import read_listing
from explorer.hub.source import Listing
from explorer.lineage import MOST_BASES, Relation, derived_tag, derives_from, descent

BASE = "org/base"


def listing(name: str = "me/model", **about: Any) -> Listing:
    read = read_listing({"id": name, **about})
    assert read is not None
    return read


def test_an_original_has_no_bases() -> None:
    step = descent(listing())
    assert (step.bases, step.relation, step.word) == ((), None, "original")


@pytest.mark.parametrize("relation", list(Relation))
def test_the_hubs_own_word_counts(relation: Relation) -> None:
    step = descent(listing(baseModels={"relation": relation.value, "models": [{"id": BASE}]}))
    assert (step.bases, step.relation, step.inferred) == ((BASE,), relation, False)


@pytest.mark.parametrize("relation", list(Relation))
def test_tags_tell_it_too(relation: Relation) -> None:
    step = descent(listing(tags=[f"base_model:{BASE}", f"base_model:{relation}:{BASE}"]))
    assert (step.bases, step.relation, step.inferred) == ((BASE,), relation, False)


def test_an_organisation_that_is_called_like_a_relation_is_none() -> None:
    step = descent(listing(tags=["base_model:mergekit-community/x"]))
    assert step.bases == ("mergekit-community/x",)
    assert (step.relation, step.inferred) == (Relation.FINETUNE, True)


@pytest.mark.parametrize(
    ("about", "relation"),
    [
        ({"library_name": "peft"}, Relation.ADAPTER),
        ({"tags": ["gguf"]}, Relation.QUANTIZED),
        ({"gguf": {"total": 8}}, Relation.QUANTIZED),
        ({"config": {"quantization_config": {"bits": 4}}}, Relation.QUANTIZED),
        ({}, Relation.FINETUNE),
    ],
)
def test_what_nobody_says_follows_from_the_format(
    about: dict[str, Any], relation: Relation
) -> None:
    step = descent(listing("me/model", cardData={"base_model": BASE}, **about))
    assert (step.relation, step.inferred) == (relation, True)


def test_several_bases_without_a_word_are_a_merge() -> None:
    step = descent(listing(cardData={"base_model": [BASE, "org/other"]}))
    assert (step.bases, step.relation) == ((BASE, "org/other"), Relation.MERGE)


def test_a_distillation_is_told_by_its_name() -> None:
    step = descent(listing("lab/R1-Distill-Qwen-7B", cardData={"base_model": "Qwen/Qwen-7B"}))
    assert step.word == "distillation"
    tuned = descent(listing("me/R1-Distill-Tuned", cardData={"base_model": "lab/R1-Distill"}))
    assert tuned.word == "finetune", "the distillation was the base's step"
    packed = descent(
        listing("me/R1-Distill-GGUF", tags=["gguf"], cardData={"base_model": "lab/R1"})
    )
    assert packed.word == "quantized"


def test_addresses_of_the_hub_are_names_and_paths_are_not_followed() -> None:
    bases = ["https://huggingface.co/org/base", "./checkpoint", "../x/y", "me/model", "gpt2"]
    step = descent(listing(cardData={"base_model": bases}))
    assert step.bases == (BASE,)
    assert step.unfollowed == ("./checkpoint", "../x/y", "gpt2")


def test_a_merge_of_hundreds_is_cut() -> None:
    step = descent(listing(cardData={"base_model": [f"org/m{i}" for i in range(300)]}))
    assert len(step.bases) == MOST_BASES
    assert len(step.unfollowed) == 300 - MOST_BASES


def test_a_row_that_a_source_gave_by_mistake_is_no_child() -> None:
    tag = derived_tag(BASE, Relation.QUANTIZED)
    assert tag == "base_model:quantized:org/base"
    assert derives_from(listing(tags=[tag]), BASE, Relation.QUANTIZED)
    assert derives_from(listing(tags=[tag]), "Org/Base", Relation.QUANTIZED)
    assert not derives_from(listing(tags=[tag]), BASE, Relation.FINETUNE)
    assert not derives_from(listing(), BASE, Relation.QUANTIZED)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(ANY, ANY, st.lists(st.text(max_size=30).map("base_model:".__add__) | st.text(), max_size=5))
def test_anything_a_hub_answers_has_a_descent(base: object, summary: object, tags: object) -> None:
    step = descent(listing(baseModels=summary, cardData={"base_model": base}, tags=tags))
    assert "me/model" not in step.bases
    assert (step.relation is None) == (not step.bases)
