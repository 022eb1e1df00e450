"""The lineage walked on a loopback hub: what is found, and how often the hub is asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from explorer.errors import ModelNotFound
from explorer.fit.values import Scenario, Verdict
from explorer.hardware.spec import parse_machine
from explorer.hub.huggingface import HuggingFace
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import ModelRef
from explorer.inspection.lineage import Ancestry, Branch, Lineage, judge_ancestry, judge_branch
from explorer.lineage import Relation
from tests.hub import Fault, HubRepo, HubServer
from tests.lineage.families import ORIGINAL, derived, family

MACHINE = parse_machine("RTX 4090, 64 GB")


@pytest.fixture(name="hub")
def running_hub() -> Iterator[HubServer]:
    with HubServer(family(quantizations=130)) as hub:
        yield hub


@asynccontextmanager
async def walking(hub: HubServer) -> AsyncIterator[Lineage]:
    source = HuggingFace(hub.endpoint)
    lineage = Lineage(source)
    try:
        yield lineage
    finally:
        await lineage.close()
        await source.close()


def names(tree: Ancestry) -> list[tuple[int, str]]:
    return [(depth, found.kin.id) for depth, found in tree.walk()]


async def ancestry_of(lineage: Lineage, name: str, depth: int = 8) -> Ancestry:
    return await lineage.ancestry(await lineage.kin(name), depth)


async def test_up_to_the_original_with_one_request_a_model(hub: HubServer) -> None:
    async with walking(hub) as lineage:
        tree = await ancestry_of(lineage, "me/Chat-8B-tuned")
        assert names(tree) == [(0, "me/Chat-8B-tuned"), (1, "lab/Chat-8B"), (2, ORIGINAL)]
        assert [found.kin.step.word for _, found in tree.walk()] == [
            "finetune",
            "finetune",
            "original",
        ]
        assert hub.traffic.requests(kind="info") == 3
        await ancestry_of(lineage, "me/Merged-8B")
        assert hub.traffic.requests(kind="info") == 4, "its bases were known"


async def test_a_base_that_is_reached_twice_is_shown_with_its_bases_once(hub: HubServer) -> None:
    async with walking(hub) as lineage:
        tree = await ancestry_of(lineage, "me/Merged-8B")
    assert names(tree) == [(0, "me/Merged-8B"), (1, "lab/Chat-8B"), (2, ORIGINAL), (1, ORIGINAL)]


async def test_a_bounded_walk_says_that_it_goes_on(hub: HubServer) -> None:
    async with walking(hub) as lineage:
        tree = await ancestry_of(lineage, "me/Chat-8B-tuned", depth=1)
    assert names(tree) == [(0, "me/Chat-8B-tuned"), (1, "lab/Chat-8B")]
    assert tree.bases[0].cut
    assert not tree.cut


async def test_a_circle_ends() -> None:
    repos = [derived("a/a", "b/b"), derived("b/b", "c/c"), derived("c/c", "a/a")]
    with HubServer(repos) as hub:
        async with walking(hub) as lineage:
            tree = await ancestry_of(lineage, "a/a")
        assert names(tree) == [(0, "a/a"), (1, "b/b"), (2, "c/c"), (3, "a/a")]
        assert tree.bases[0].bases[0].bases[0].repeated
        assert hub.traffic.requests(kind="info") == 3


async def test_a_base_that_is_gone_stands_in_the_tree_with_its_error() -> None:
    with HubServer([derived("me/merge", ["gone/away", "org/there"]), HubRepo("org/there")]) as hub:
        async with walking(hub) as lineage:
            tree = await ancestry_of(lineage, "me/merge")
    assert names(tree) == [(0, "me/merge"), (1, "gone/away"), (1, "org/there")]
    assert isinstance(tree.bases[0].kin.error, ModelNotFound)
    assert tree.bases[1].kin.error is None


async def test_down_page_by_page_and_each_page_once(hub: HubServer) -> None:
    async with walking(hub) as lineage:
        branch = await lineage.branch(ORIGINAL, Relation.QUANTIZED)
        assert (len(branch.kin), branch.more) == (50, True)
        assert hub.traffic.requests() == 1
        assert await lineage.branch(ORIGINAL, Relation.QUANTIZED) == branch
        assert hub.traffic.requests() == 1
        while branch.more:
            branch = await lineage.grow(branch)
        assert len({kin.id for kin in branch.kin}) == 130
        assert hub.traffic.requests(kind="list") == 3
        downloads = [kin.listing.downloads or 0 for kin in branch.kin if kin.listing]
        assert downloads == sorted(downloads, reverse=True)


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (Relation.FINETUNE, ["lab/Chat-8B"]),
        (Relation.MERGE, ["me/Merged-8B"]),
        (Relation.ADAPTER, ["me/Adapter-8B"]),
    ],
)
async def test_each_kind_of_derivative(
    hub: HubServer, relation: Relation, expected: list[str]
) -> None:
    async with walking(hub) as lineage:
        branch = await lineage.branch(ORIGINAL, relation)
    assert [kin.id for kin in branch.kin] == expected
    assert not branch.more


async def test_a_page_that_fails_keeps_what_was_there_and_can_be_asked_again(
    hub: HubServer,
) -> None:
    async with walking(hub) as lineage:
        first = await lineage.branch(ORIGINAL, Relation.QUANTIZED)
        hub.inject(Fault(status=404))
        failed = await lineage.grow(first)
        assert failed.error is not None
        assert failed.kin == first.kin
        hub.heal()
        grown = await lineage.grow(failed)
    assert (len(grown.kin), grown.error) == (100, None)


async def test_every_node_has_its_verdict_and_an_adapter_none(hub: HubServer) -> None:
    async with walking(hub) as lineage:
        tree = await ancestry_of(lineage, "me/Chat-8B-tuned")
        adapters = await lineage.branch(ORIGINAL, Relation.ADAPTER)
    judged = judge_ancestry(tree, MACHINE, Scenario())
    for _, found in judged.walk():
        assert found.kin.row is not None
        assert found.kin.row.answer is not None
        assert found.kin.row.answer.verdict is Verdict.FITS
    [adapter] = judge_branch(adapters, MACHINE, Scenario()).kin
    assert adapter.row is not None
    assert adapter.row.answer is None


async def test_the_snapshot_tells_the_gguf_repositories_and_says_that_it_knows_no_more() -> None:
    lineage = Lineage(Snapshot())
    assert "nothing else of lineage" in lineage.note
    kin = await lineage.kin("Qwen/Qwen3-8B")
    branch = await lineage.branch(kin.id, Relation.QUANTIZED)
    assert branch.kin
    assert all("gguf" in one.id.lower() for one in branch.kin)
    assert await lineage.branch(kin.id, Relation.MERGE) == Branch(
        kin.id, Relation.MERGE, begun=True, more=False
    )
    up = await lineage.ancestry(await lineage.kin(branch.kin[0].id))
    assert names(up)[-1] == (1, "Qwen/Qwen3-8B")


async def test_several_generations_down(hub: HubServer) -> None:
    async with walking(hub) as lineage:
        below = await lineage.offspring(ORIGINAL, depth=2, wanted=3)
        assert {one.branch.relation: len(one.branch.kin) for one in below} == {
            Relation.FINETUNE: 1,
            Relation.ADAPTER: 1,
            Relation.MERGE: 1,
            Relation.QUANTIZED: 3,
        }
        [finetunes] = [one for one in below if one.branch.relation is Relation.FINETUNE]
        [tuned, merged] = finetunes.next["lab/Chat-8B"]
        assert [kin.id for kin in tuned.branch.kin] == ["me/Chat-8B-tuned"]
        assert [kin.id for kin in merged.branch.kin] == ["me/Merged-8B"]
        assert hub.traffic.requests(kind="info") == 3, "counts: the original, its finetune, merge"
        assert hub.traffic.requests(kind="list") == 4 + 2, "kinds that have none are not listed"


async def test_what_was_made_of_a_model_is_counted_in_one_request_and_not_listed(
    hub: HubServer,
) -> None:
    async with walking(hub) as lineage:
        counted = await lineage.branches(ORIGINAL)
        assert {one.relation: (one.total, one.begun) for one in counted} == {
            Relation.FINETUNE: (1, False),
            Relation.ADAPTER: (1, False),
            Relation.MERGE: (1, False),
            Relation.QUANTIZED: (130, False),
        }
        assert hub.traffic.requests() == 1
        assert [one.account for one in counted] == ["1", "1", "1", "130"]
        assert await lineage.branches(ORIGINAL) == counted
        quantized = await lineage.branch(ORIGINAL, Relation.QUANTIZED)
        assert quantized.account == "50 of 130"
        none = (await lineage.branches("me/Adapter-8B"))[0]
        assert (none.total, none.more) == (0, False)
        before = hub.traffic.requests()
        assert not (await lineage.branch("me/Adapter-8B", Relation.FINETUNE)).kin
        assert hub.traffic.requests() == before, "a kind that has none is not listed"


async def test_a_hub_that_does_not_count_is_listed_as_ever(hub: HubServer) -> None:
    hub.inject(Fault(kind="info", status=400))
    async with walking(hub) as lineage:
        assert {one.total for one in await lineage.branches(ORIGINAL)} == {None}
        merges = await lineage.branch(ORIGINAL, Relation.MERGE)
        assert [kin.id for kin in merges.kin] == ["me/Merged-8B"]
        assert merges.account == "1"


async def test_a_model_that_is_not_there_is_an_error_where_one_begins(hub: HubServer) -> None:
    async with walking(hub) as lineage:
        with pytest.raises(ModelNotFound):
            await lineage.named(ModelRef("no/such"))
        assert (await lineage.named(ModelRef(ORIGINAL, "main"))).id == ORIGINAL


async def test_two_who_ask_for_the_same_at_once_cost_one_request(hub: HubServer) -> None:
    async with walking(hub) as lineage:
        first, second = await asyncio.gather(
            *(lineage.branch(ORIGINAL, Relation.MERGE) for _ in "ab")
        )
        await asyncio.gather(*(lineage.kin(ORIGINAL) for _ in "abc"))
    assert first == second
    assert hub.traffic.requests() == 2
