"""The strictest license of a lineage, and the text a repository carries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from explorer.errors import Gated
from explorer.hub.huggingface import HuggingFace
from explorer.inspection.lineage import Ancestry, Lineage
from explorer.inspection.terms import (
    LARGEST_TEXT,
    inherited_terms,
    license_files,
    license_texts,
)
from explorer.license.terms import Permission, questions
from tests.hub import HubFile, HubRepo, HubServer
from tests.lineage.families import ORIGINAL, derived, family

YES, CONDITIONS, UNKNOWN = Permission.YES, Permission.CONDITIONS, Permission.UNKNOWN


@asynccontextmanager
async def tree_of(repos: list[HubRepo], name: str) -> AsyncIterator[tuple[HuggingFace, Ancestry]]:
    with HubServer(repos) as hub:
        source = HuggingFace(hub.endpoint)
        lineage = Lineage(source)
        yield source, await lineage.ancestry(await lineage.kin(name))
        await source.close()


async def test_a_free_license_gives_no_more_than_the_base_does() -> None:
    async with tree_of(family(), "me/Chat-8B-tuned") as (_, tree):
        terms = inherited_terms(tree)
    assert terms.own.name == "MIT"
    assert terms.own.commercial is YES
    assert terms.whole.commercial is CONDITIONS
    assert terms.inherits
    assert [one.model_id for one in terms.ancestors] == ["lab/Chat-8B", ORIGINAL]
    work = questions(terms.whole)[0]
    assert f"because of Llama 3.1 ({ORIGINAL})" in work.sentence
    assert ">700M MAU" in work.sentence


async def test_an_original_has_its_own_terms() -> None:
    async with tree_of(family(), ORIGINAL) as (_, tree):
        terms = inherited_terms(tree)
    assert terms.whole == terms.own
    assert not terms.inherits
    assert terms.notes == ()


async def test_a_base_that_cannot_be_looked_at_leaves_nothing_promised() -> None:
    async with tree_of([derived("me/tuned", "gone/away", license_id="mit")], "me/tuned") as found:
        terms = inherited_terms(found[1])
    assert terms.own.commercial is YES
    assert terms.whole.commercial is UNKNOWN
    assert terms.whole.imposed_by[0].model_id == "gone/away"
    assert "gone/away could not be looked at" in terms.notes[0]


async def test_bases_that_are_no_models_of_the_hub_are_named() -> None:
    async with tree_of([derived("me/tuned", "./my-checkpoint")], "me/tuned") as (_, tree):
        assert "./my-checkpoint" in inherited_terms(tree).notes[0]


async def test_the_text_of_the_nearest_model_that_carries_one() -> None:
    async with tree_of(family(), "me/Chat-8B-tuned") as (source, tree):
        [found] = await license_texts(source, tree)
    assert (found.model_id, found.path, found.cut) == (ORIGINAL, "LICENSE", False)
    assert found.text.startswith("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT")


def repo_of(*paths: str, **card: str) -> HubRepo:
    return HubRepo("org/m", [HubFile.of_text(path, f"of {path}") for path in paths], card=card)


@pytest.mark.parametrize(
    ("paths", "card", "expected"),
    [
        (["README.md", "LICENSE"], {}, ["LICENSE"]),
        (["license.txt"], {}, ["license.txt"]),
        (["LICENCE.md", "USE_POLICY.md"], {}, ["LICENCE.md", "USE_POLICY.md"]),
        (["MODEL_LICENSE", "src/LICENSE", "license.py"], {}, ["MODEL_LICENSE"]),
        (["LICENSE", "docs/terms.md"], {"license_link": "docs/terms.md"}, ["docs/terms.md", "LICENSE"]),
        (
            ["TERMS.txt"],
            {"license_link": "https://huggingface.co/org/m/blob/main/TERMS.txt"},
            ["TERMS.txt"],
        ),
        (["LICENSE"], {"license_link": "https://huggingface.co/else/x/blob/main/A"}, ["LICENSE"]),
        (["README.md"], {}, []),
    ],
)  # fmt: skip
async def test_where_a_text_is_looked_for(
    paths: list[str], card: dict[str, str], expected: list[str]
) -> None:
    async with tree_of([repo_of(*paths, **card)], "org/m") as (source, tree):
        assert [text.path for text in await license_texts(source, tree)] == expected


async def test_a_file_that_is_no_text_is_left_alone() -> None:
    huge = HubRepo("org/m", [HubFile.of_text("LICENSE", "x" * (LARGEST_TEXT + 1))])
    async with tree_of([huge], "org/m") as (source, tree):
        assert tree.kin.repo is not None
        assert license_files(tree.kin.repo) == ()
        assert await license_texts(source, tree) == ()


async def test_a_gated_text_says_so() -> None:
    gated = HubRepo("org/m", [HubFile.of_text("LICENSE", "...")], gated="manual")
    async with tree_of([gated], "org/m") as (source, tree):
        with pytest.raises(Gated):
            await license_texts(source, tree)
