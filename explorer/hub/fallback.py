"""Several sources as one: another speaks where the first cannot be reached."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from explorer.errors import HubError, Missing, Offline, RateLimited, Unreachable
from explorer.hub.lapses import lapse
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, RepoFile, Source, Transfer
from explorer.spans import Reading, T

_SECONDARY = "secondary:"
_NO_ANSWER = (Unreachable, Offline, RateLimited)


class Fallback:
    """A ``Source`` over ``primary``, and over ``secondary`` for what the other cannot be asked.

    Models are looked for in ``nearer`` before that, which lists none.

    A model that only the primary may have is reported with the primary's error, not as missing.
    ``name`` and ``title`` tell whose the latest answer is.
    """

    def __init__(self, primary: Source, secondary: Source, *, nearer: Source | None = None) -> None:
        self._primary = primary
        self._secondary = secondary
        self._others = (secondary,) if nearer is None else (nearer, secondary)
        self._latest = primary
        self._failure: HubError | None = None
        self._owners: dict[tuple[ModelRef, str | None], Source] = {}

    @property
    def name(self) -> str:
        """The name of the source that answered last."""
        return self._latest.name

    @property
    def title(self) -> str:
        """``Hugging Face``; ``Snapshot of 2026-11-20 (Hugging Face could not be reached)``."""
        if self._latest is self._primary:
            return self._primary.title
        return f"{self._latest.title} ({lapse(self._primary, self._failure)})"

    @property
    def transfer(self) -> Transfer:
        """All sources' together."""
        each = [source.transfer for source in (self._primary, *self._others)]
        return Transfer(
            sum(one.requests for one in each),
            sum(one.bytes for one in each),
            sum(one.seconds for one in each),
            sum(one.cached for one in each),
        )

    async def close(self) -> None:
        """Close all."""
        for source in (self._primary, *self._others):
            await source.close()

    async def search(self, query: Query) -> AsyncIterator[Page]:
        """List the primary's models, or the secondary's if not even a first page can be had.

        A listing that is gone on with stays with the source that began it.
        """
        if query.start.startswith(_SECONDARY):
            async for page in self._second_search(query):
                yield page
            return
        begun = bool(query.start)
        try:
            async for page in self._primary.search(query):
                begun = True
                self._latest = self._primary
                yield page
        except _NO_ANSWER as failure:
            if begun:
                raise
            self._failure = failure
        else:
            return
        async for page in self._second_search(query):
            yield page

    async def _second_search(self, query: Query) -> AsyncIterator[Page]:
        """Pages of the secondary; where they go on is marked as its own."""
        asked = replace(query, start=query.start.removeprefix(_SECONDARY))
        async for page in self._secondary.search(asked):
            self._latest = self._secondary
            following = f"{_SECONDARY}{page.following}" if page.following else ""
            yield replace(page, following=following)

    async def config(self, listing: Listing) -> str | None:
        """config.json from the primary; from the secondary if the other can't be reached."""
        try:
            return await self._primary.config(listing)
        except (Unreachable, Offline) as failure:
            text = await self._secondary.config(listing)
            if text is None:
                raise failure from None
            return text

    async def listed(self, model_id: str) -> Page:
        """A model's row from the primary, else from the secondary."""
        try:
            page = await self._primary.listed(model_id)
        except _NO_ANSWER as failure:
            try:
                page = await self._secondary.listed(model_id)
            except Missing:
                raise failure from None
            self._failure, self._latest = failure, self._secondary
        else:
            self._latest = self._primary
        return page

    async def repo(self, ref: ModelRef) -> Repo:
        """Look up a model in the primary, else in the others."""
        try:
            repo = await self._primary.repo(ref)
        except _NO_ANSWER as failure:
            self._failure = failure
            repo = await self._repo_elsewhere(ref, failure)
        else:
            self._latest = self._primary
        self._owners[(repo.ref, repo.commit)] = self._latest
        return repo

    async def _repo_elsewhere(self, ref: ModelRef, failure: HubError) -> Repo:
        """The model of the first source that has it; raises the primary's failure if none has."""
        for source in self._others:
            try:
                repo = await source.repo(ref)
            except Missing:
                continue
            self._latest = source
            said = f"{lapse(self._primary, failure)}: {source.title} answers in its place"
            return replace(repo, caveat=said)
        raise failure

    async def text(self, repo: Repo, path: str) -> str | None:
        """A small file from the source the model came from."""
        return await self._owner(repo).text(repo, path)

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over a file of the source the model came from."""
        return await self._owner(repo).read(repo, file, reading)

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """All headers in one go, from the source the model came from."""
        return await self._owner(repo).sharded_headers(repo, index_path)

    def _owner(self, repo: Repo) -> Source:
        return self._owners.get((repo.ref, repo.commit), self._primary)
