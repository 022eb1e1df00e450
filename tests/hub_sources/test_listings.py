"""The hub's JSON, as documented and as it should never be."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.hub.listings import read_listing, read_siblings, read_tree
from explorer.hub.source import GgufSummary, RepoFile

# Keys and forms as captured from the live hub in 2026.
ROW: dict[str, Any] = {
    "_id": "66b5e1c8a1a1a1a1a1a1a1a1",
    "id": "Qwen/Qwen3-8B-GGUF",
    "author": "Qwen",
    "sha": "b968826d9c46dd6066d109eabc6255188de91218",
    "gated": "manual",
    "downloads": 1234567,
    "likes": 890,
    "trendingScore": 12,
    "createdAt": "2025-04-27T03:42:21.000Z",
    "lastModified": "2025-07-26T03:49:13.000Z",
    "pipeline_tag": "text-generation",
    "library_name": "transformers",
    "tags": [
        "gguf",
        "base_model:Qwen/Qwen3-8B",
        "base_model:quantized:Qwen/Qwen3-8B",
        "license:mit",
    ],
    "cardData": {
        "license": "other",
        "license_name": "qwen",
        "license_link": "LICENSE",
        "language": "en",
    },
    "config": {"model_type": "qwen3", "quantization_config": {"bits": 4}},
    "safetensors": {"parameters": {"BF16": 8190735360, "I32": 7}, "total": 8190735367},
    "gguf": {"total": 8190735360, "architecture": "qwen3", "context_length": 40960},
}


def test_a_row_has_everything_the_hub_says() -> None:
    row = read_listing(ROW)
    assert row is not None
    assert (row.id, row.author, row.downloads, row.likes) == (
        "Qwen/Qwen3-8B-GGUF",
        "Qwen",
        1234567,
        890,
    )
    assert row.trending == 12
    assert row.created == datetime(2025, 4, 27, 3, 42, 21, tzinfo=UTC)
    assert row.updated == datetime(2025, 7, 26, 3, 49, 13, tzinfo=UTC)
    assert (row.license, row.license_name, row.license_link) == ("other", "qwen", "LICENSE")
    assert (row.gated, row.languages) == ("manual", ("en",))
    assert row.parameters == 8190735367
    assert row.parameters_by_dtype == {"BF16": 8190735360, "I32": 7}
    assert row.gguf == GgufSummary(8190735360, "qwen3", 40960)
    assert row.config["quantization_config"] == {"bits": 4}
    assert (row.base_models, row.base_relation) == (("Qwen/Qwen3-8B",), "quantized")
    assert row.provenance == ""


@pytest.mark.parametrize(
    ("card", "tags", "expected"),
    [
        ({"license": ["mit", "apache-2.0", "mit"]}, ["license:mit"], "mit,apache-2.0"),
        ({"license": []}, ["license:mit", "license:gemma"], "mit,gemma"),
        ({"license": "MIT"}, [], "MIT"),
        ({"license": [7, None]}, ["license:"], None),
        ({}, [], None),
    ],
)
def test_every_license_that_is_named_counts(
    card: dict[str, object], tags: list[str], expected: str | None
) -> None:
    row = read_listing({"id": "a/b", "cardData": card, "tags": tags})
    assert row is not None
    assert row.license == expected


def test_without_a_card_license_and_base_come_from_the_tags() -> None:
    row = read_listing({"id": "a/b", "tags": ROW["tags"]})
    assert row is not None
    assert (row.license, row.base_models, row.base_relation) == (
        "mit",
        ("Qwen/Qwen3-8B",),
        "quantized",
    )


def test_base_models_are_taken_from_the_property_made_for_them() -> None:
    row = read_listing(
        {"id": "a/b", "baseModels": {"relation": "merge", "models": [{"id": "c/d"}, {"id": "e/f"}]}}
    )
    assert row is not None
    assert (row.base_models, row.base_relation) == (("c/d", "e/f"), "merge")


@pytest.mark.parametrize("item", [None, [], "x", 3, {}, {"id": 7}, {"id": ""}])
def test_what_has_no_name_is_no_row(item: object) -> None:
    assert read_listing(item) is None


def test_an_lfs_file_has_its_own_size_and_hash_not_its_pointers() -> None:
    tree = [
        {
            "type": "file",
            "oid": "c0ffee",
            "size": 135,
            "path": "m.gguf",
            "lfs": {"oid": "ab" * 32, "size": 5_000_000_000},
        },
        {"type": "directory", "oid": "dd", "size": 0, "path": "sub"},
        {"type": "file", "oid": "f00d", "size": 12, "path": "sub/config.json"},
    ]
    expected = (
        RepoFile("m.gguf", 5_000_000_000, "ab" * 32),
        RepoFile("sub/config.json", 12, "f00d"),
    )
    assert read_tree(tree) == expected
    siblings = [
        {
            "rfilename": "m.gguf",
            "size": 5_000_000_000,
            "blobId": "c0ffee",
            "lfs": {"sha256": "ab" * 32, "size": 5_000_000_000},
        },
        {"rfilename": "sub/config.json", "size": 12, "blobId": "f00d"},
    ]
    assert read_siblings({"siblings": siblings}) == expected


def test_siblings_without_sizes_are_not_a_file_list() -> None:
    assert read_siblings({"siblings": [{"rfilename": "a"}]}) is None
    assert read_siblings({"siblings": []}) is None
    assert read_siblings({}) is None


def test_half_a_surrogate_pair_can_be_stored_and_asked_for() -> None:
    row = read_listing({"id": "a/\ud800b", "tags": ["\udfff"]})
    assert row is not None
    assert (row.id, row.tags) == ("a/?b", ("?",))


def test_an_absurdly_nested_config_is_left_out() -> None:
    nested: dict[str, Any] = {}
    for _ in range(500):
        nested = {"x": [nested]}
    row = read_listing({**ROW, "config": nested})
    assert row is not None
    assert row.config == {}
    assert row.likes == 890


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(ROW)), json_values))
def test_wrong_types_cost_a_field_never_the_row(fields: dict[str, Any]) -> None:
    row = read_listing({**ROW, **fields, "id": "a/b"})
    assert row is not None
    assert row.id == "a/b"
    assert row.downloads is None or row.downloads >= 0


@given(json_values)
def test_any_json_can_be_read_as_files(value: Any) -> None:
    files = [*read_tree(value), *(read_siblings({"siblings": value}) or ())]
    assert all(file.path and file.size_bytes >= 0 for file in files)
    assert read_siblings([value]) is None
