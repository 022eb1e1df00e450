"""ModelScope's JSON read: what is missing or wrong leaves the rest standing."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import HubError
from explorer.hub.answers import Subject
from explorer.hub.client import Answer
from explorer.hub.modelscope_answers import payload, read_listing, read_rows, read_tree, refusal

COMMIT = "83ee97c66e841048bedc5c02c15ce2f3ed259feb"
OLDER = "f194f50981eaaa6019bbec5049a4c7e1fd294110"


def tree_of(latest: object, *revisions: str) -> dict[str, object]:
    files = [
        {"Path": f"{n}.txt", "Type": "blob", "Size": n, "Sha256": "ab" * 32, "Revision": revision}
        for n, revision in enumerate(revisions)
    ]
    return {"Data": {"Files": files, "LatestCommitter": latest}}


@pytest.mark.parametrize(
    ("latest", "commit"),
    [
        ({"Id": COMMIT}, COMMIT),
        ({"Id": "", "ShortId": COMMIT[:8]}, COMMIT),
        ({"ShortId": "00000000"}, None),
        ({"ShortId": "8"}, None),
        (None, None),
        ("nonsense", None),
    ],
)
def test_the_commit_is_the_one_that_the_short_id_begins(latest: object, commit: str | None) -> None:
    """A file's own revision is the commit that last changed it, which may be older."""
    assert read_tree(tree_of(latest, OLDER, COMMIT)).commit == commit


def test_files_folders_and_what_is_neither() -> None:
    entries = [
        {"Path": "a", "Type": "tree", "Size": 0},
        {"Path": "a/x.txt", "Type": "blob", "Size": 3, "Sha256": "cd"},
        {"Path": "/etc/passwd", "Type": "blob", "Size": 3},
        {"Path": "a/../../x", "Type": "blob", "Size": 3},
        {"Path": "no size", "Type": "blob"},
        "nonsense",
    ]
    tree = read_tree({"Data": {"Files": entries}})
    assert [(f.path, f.size_bytes, f.content_hash) for f in tree.files] == [("a/x.txt", 3, "cd")]
    assert tree.folders == ("a",)
    assert tree.known


def test_an_unknown_revision_is_a_success_without_files() -> None:
    assert not read_tree({"Code": 200, "Data": {"Files": None}}).known


def test_moments_and_counts() -> None:
    row = read_listing(
        {"id": "a/b", "created_at": 1_760_000_000_000, "last_modified": "2026-05-15T01:09:19Z"}
    )
    assert row is not None
    assert row.created == datetime.fromtimestamp(1_760_000_000, UTC)
    assert row.updated == datetime(2026, 5, 15, 1, 9, 19, tzinfo=UTC)
    assert row.downloads is None


def test_lineage_and_license_from_tags() -> None:
    row = read_listing(
        {
            "id": "a/b",
            "license": "Apache-2.0",
            "tags": ["base_model:quantized:Qwen/Qwen3-8B", "base_model:Qwen/Qwen3-8B"],
        }
    )
    assert row is not None
    assert row.license == "apache-2.0"
    assert row.base_models == ("Qwen/Qwen3-8B",)
    assert row.base_relation == "quantized"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "Data",
                    "models",
                    "id",
                    "Files",
                    "Path",
                    "Size",
                    "Type",
                    "Revision",
                    "tags",
                    "license",
                    "tasks",
                    "created_at",
                    "LatestCommitter",
                    "ShortId",
                    "total_count",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=16,
)


@given(value=_JSON)
def test_any_json_is_read_without_a_fault(value: object) -> None:
    read_tree(value)
    read_listing(payload(value))
    rows, total = read_rows(value)
    assert total >= 0
    assert all("/" in row.id for row in rows)


@given(status=st.integers(400, 599), body=st.binary(max_size=40), known=st.booleans())
def test_every_refusal_is_one_of_the_projects_errors(status: int, body: bytes, known: bool) -> None:
    answer = Answer(status, {}, body, "https://modelscope.cn/x", {})
    for subject in (Subject(), Subject("a/b"), Subject("a/b", None, "x.json")):
        assert isinstance(refusal(answer, subject, known), HubError)
