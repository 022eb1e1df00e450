"""A model's relatives walked over a source: up to what it was made of, down to what was made of it.

Everything is asked for when it is wanted and once only: a look-up a base, a page of a listing for each kind
of derivative. What cannot be had stands in the tree with its error, and the rest of the tree beside it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from explorer.errors import ExplorerError, ModelNotFound
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, Source
from explorer.inspection.rows import Row, describe, judge_again
from explorer.lineage import Descent, Relation, derived_tag, derives_from, descent

DEEPEST = 8
"""Generations that are followed upwards."""
MOST_ANCESTORS = 64
"""Models that are looked up on the way up: merges of merges have hundreds."""
MOST_BRANCHES = 60
"""Listings asked for on the way down in one go: the hub allows some hundred requests in five minutes."""
_MOST_EMPTY_PAGES = 5
_SNAPSHOT_NOTE = (
    "the snapshot knows which GGUF repositories hold which model, and nothing else of lineage"
)


@dataclass(frozen=True, slots=True)
class Kin:
    """One model in a lineage."""

    id: str
    """As the hub calls it now, where it could be looked up."""
    listing: Listing | None = None
    step: Descent = field(default_factory=Descent)
    """From its bases to it."""
    repo: Repo | None = None
    """Its files, where it was looked up rather than listed."""
    row: Row | None = None
    """What its listing tells, with its verdict once it was judged."""
    error: ExplorerError | None = None
    """Why it could not be looked up."""


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A model and all it was made of."""

    kin: Kin
    bases: tuple["Ancestry", ...] = ()
    repeated: bool = False
    """It stands in the tree already, and its bases with it."""
    cut: bool = False
    """It has bases, which are further up than was looked."""

    def walk(self, depth: int = 0) -> tuple[tuple[int, "Ancestry"], ...]:
        """Every model of the tree with its distance, the model itself first."""
        above = (found for base in self.bases for found in base.walk(depth + 1))
        return ((depth, self), *above)


@dataclass(frozen=True, slots=True)
class Branch:
    """What was made of a model in one way, as far as it was listed: the most downloaded first."""

    parent: str
    relation: Relation
    kin: tuple[Kin, ...] = ()
    total: int | None = None
    """How many there are, as the hub counts them; None where nobody did."""
    begun: bool = False
    """At least one page of it was listed."""
    more: bool = True
    """More may follow."""
    error: ExplorerError | None = None
    """Why the latest page could not be had."""

    @property
    def account(self) -> str:
        """``10 of 328`` listed; before any is, ``328``; ``10+`` where nobody counted them."""
        listed = f"{len(self.kin):,}"
        if self.total is None or self.total < len(self.kin):
            return listed + ("+" if self.more else "")
        known = self.begun and self.total > len(self.kin)
        return f"{listed} of {self.total:,}" if known else f"{self.total:,}"


@dataclass(frozen=True, slots=True)
class Offspring:
    """A branch, and what was made of its models in turn."""

    branch: Branch
    next: Mapping[str, tuple["Offspring", ...]] = field(default_factory=dict)
    """By the model's name, for those that were looked into and have any."""


class Lineage:
    """Walks over one source and remembers what it was told."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[str, Kin] = {}
        self._counts: dict[str, Mapping[str, int]] = {}
        self._branches: dict[tuple[str, Relation], Branch] = {}
        self._pages: dict[tuple[str, Relation], AsyncIterator[Page]] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        """Who asks for what another is asking for waits, and gets the same answer."""

    @property
    def note(self) -> str:
        """What the source cannot tell of any lineage; empty if it can tell everything."""
        return _SNAPSHOT_NOTE if self._source.name == "snapshot" else ""

    def add(self, repo: Repo) -> Kin:
        """A model that was looked up already."""
        kin = _looked_up(repo)
        self._known[repo.ref.id] = self._known[kin.id] = kin
        return kin

    async def kin(self, model_id: str) -> Kin:
        """A model by name; with the error if it cannot be looked up, which is tried again the next time."""
        async with self._asking.setdefault(model_id, asyncio.Lock()):
            known = self._known.get(model_id)
            if known is None or known.error is not None:
                known = self._known[model_id] = await self._look_up(model_id)
            return known

    async def ancestry(self, kin: Kin, depth: int = DEEPEST) -> Ancestry:
        """The tree above a model, one generation after the other, each looked up side by side."""
        wave, known = list(kin.step.bases), {kin.id}
        for _ in range(min(depth, DEEPEST)):
            wave = [name for name in dict.fromkeys(wave) if name not in known]
            wave = wave[: max(MOST_ANCESTORS - len(known), 0)]
            if not wave:
                break
            known |= set(wave)
            found = await asyncio.gather(*(self.kin(name) for name in wave))
            wave = [base for one in found for base in one.step.bases]
        return self._tree(kin, depth, [])

    async def branches(self, parent: str) -> tuple[Branch, ...]:
        """The ways in which models were made of one, counted in one request and not listed.

        Where the count cannot be had, nothing is said of it: listing them tells why.
        """
        async with self._asking.setdefault(f"count {parent}", asyncio.Lock()):
            if parent not in self._counts:
                try:
                    page = await self._source.listed(parent)
                except ExplorerError:
                    page = Page((), more=False)
                self._counts[parent] = page.rows[0].derived if page.rows else {}
        return tuple(self._known_branch(parent, relation) for relation in Relation)

    async def branch(self, parent: str, relation: Relation) -> Branch:
        """What was made of a model in one way: what was listed before, or the first page."""
        key = (parent, relation)
        async with self._asking.setdefault(derived_tag(*key), asyncio.Lock()):
            known = self._known_branch(*key)
            return known if known.begun else await self.grow(known)

    async def grow(self, branch: Branch) -> Branch:
        """A branch with another page. One that cannot be had leaves the branch with the error."""
        key = (branch.parent, branch.relation)
        if not branch.more:
            return branch
        shown = {kin.id for kin in branch.kin}
        grown = branch
        try:
            for _ in range(_MOST_EMPTY_PAGES):
                page = await self._next_page(key)
                new = [row for row in page.rows if row.id not in shown]
                kin = tuple(_listed(row) for row in new if derives_from(row, *key))
                grown = replace(grown, kin=grown.kin + kin, begun=True, more=page.more, error=None)
                if kin or not page.more:
                    break
        except ExplorerError as error:
            return replace(branch, error=error)
        self._branches[key] = grown
        return grown

    async def grow_to(self, branch: Branch, wanted: int) -> Branch:
        """A branch with at least so many models, as far as they are listed and can be had."""
        while branch.more and branch.error is None and len(branch.kin) < wanted:
            branch = await self.grow(branch)
        return branch

    async def named(self, ref: ModelRef) -> Kin:
        """The model to begin with, at its revision. Raises the source's errors if it is not there."""
        kin = self.add(await self._source.repo(ref)) if ref.revision else await self.kin(ref.id)
        if kin.error is not None:
            raise kin.error
        return kin

    async def offspring(self, parent: str, depth: int, wanted: int) -> tuple[Offspring, ...]:
        """What was made of a model, so many generations down and so many models a kind.

        Only finetunes and merges are looked into further. Ends early after ``MOST_BRANCHES`` listings.
        """
        if len(self._branches) + len(Relation) > MOST_BRANCHES:
            return ()
        counted = await self.branches(parent)
        begun = await asyncio.gather(*(self.branch(parent, one.relation) for one in counted))
        found: list[Offspring] = []
        for branch in [await self.grow_to(one, wanted) for one in begun]:
            more = branch.more or len(branch.kin) > wanted
            shown = replace(branch, kin=branch.kin[:wanted], more=more)
            following: dict[str, tuple[Offspring, ...]] = {}
            if depth > 1 and branch.relation in {Relation.FINETUNE, Relation.MERGE}:
                for kin in shown.kin:
                    if below := await self.offspring(kin.id, depth - 1, wanted):
                        following[kin.id] = below
            if shown.kin or shown.error:
                found.append(Offspring(shown, following))
        return tuple(found)

    async def close(self) -> None:
        """End the listings that were begun."""
        begun, self._pages = self._pages, {}
        for pages in begun.values():
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()

    def _known_branch(self, parent: str, relation: Relation) -> Branch:
        """As far as it was listed; one that is known to be empty is at its end."""
        total = self._counts.get(parent, {}).get(relation.value)
        empty = Branch(parent, relation, total=total, begun=total == 0, more=total != 0)
        return self._branches.get((parent, relation)) or empty

    async def _next_page(self, key: tuple[str, Relation]) -> Page:
        """The next page of a listing; of one that was broken off, the first again."""
        pages = self._pages.pop(key, None)
        if pages is None:
            query = Query(tags=(derived_tag(*key),), sort="downloads")
            pages = aiter(self._source.search(query))
        page = await anext(pages, Page((), more=False))
        if page.more:
            self._pages[key] = pages
        elif isinstance(pages, AsyncGenerator):
            await pages.aclose()
        return page

    async def _look_up(self, model_id: str) -> Kin:
        try:
            return _looked_up(await self._source.repo(ModelRef(model_id)))
        except ModelNotFound as error:
            return await self._listed(model_id, error)
        except ExplorerError as error:
            return Kin(model_id, error=error)

    async def _listed(self, model_id: str, error: ModelNotFound) -> Kin:
        """A model without files: the snapshot lists ten times as many as it has the headers of."""
        if self._source.name == "snapshot":
            for branch in self._branches.values():
                if kin := next((kin for kin in branch.kin if kin.id == model_id), None):
                    return kin
            async for page in self._source.search(Query(text=model_id)):
                for row in page.rows:
                    if row.id.lower() == model_id.lower():
                        return _listed(row)
        return Kin(model_id, error=error)

    def _tree(self, kin: Kin, depth: int, shown: list[str]) -> Ancestry:
        if kin.id in shown:
            return Ancestry(kin, repeated=bool(kin.step.bases))
        shown.append(kin.id)
        above = [self._known.get(base) for base in kin.step.bases] if depth > 0 else []
        bases = tuple(self._tree(one, depth - 1, shown) for one in above if one is not None)
        return Ancestry(kin, bases, cut=len(bases) < len(kin.step.bases))


def judge_kin(kin: Kin, machine: Machine, scenario: Scenario) -> Kin:
    """A relative with its verdict on a machine. An adapter has none: it runs on its base."""
    if kin.listing is None:
        return kin
    row = kin.row or describe(kin.listing)
    if kin.step.relation is not Relation.ADAPTER:
        row = judge_again(row, machine, scenario)
    return replace(kin, row=row)


def judge_ancestry(tree: Ancestry, machine: Machine, scenario: Scenario) -> Ancestry:
    """Every model of the tree with its verdict."""
    return replace(
        tree,
        kin=judge_kin(tree.kin, machine, scenario),
        bases=tuple(judge_ancestry(base, machine, scenario) for base in tree.bases),
    )


def judge_branch(branch: Branch, machine: Machine, scenario: Scenario) -> Branch:
    """Every model of a branch with its verdict."""
    return replace(branch, kin=tuple(judge_kin(kin, machine, scenario) for kin in branch.kin))


def judge_offspring(one: Offspring, machine: Machine, scenario: Scenario) -> Offspring:
    """Every model below with its verdict."""
    return Offspring(
        judge_branch(one.branch, machine, scenario),
        {
            name: tuple(judge_offspring(below, machine, scenario) for below in following)
            for name, following in one.next.items()
        },
    )


def _looked_up(repo: Repo) -> Kin:
    return Kin(repo.listing.id, repo.listing, descent(repo.listing), repo)


def _listed(listing: Listing) -> Kin:
    return Kin(listing.id, listing, descent(listing))
