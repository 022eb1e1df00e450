"""A source that remembers what was read through it: whatever opens a model decides what is worth keeping."""

from collections.abc import AsyncIterator, Mapping, Sequence

from explorer.hub.over import Over
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, RepoFile, Source
from explorer.spans import Reading, T


class Recording(Over):
    """A ``Source`` over another one, which keeps the texts and the ranges of files that it gave."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._texts: dict[str, str] = {}
        self._ranges: dict[str, list[tuple[int, bytes]]] = {}

    @property
    def texts(self) -> Mapping[str, str]:
        """Small files that were read, by path."""
        return self._texts

    def ranges(self, path: str) -> Sequence[tuple[int, bytes]]:
        """Where each range of a file began that was read, and its bytes."""
        return tuple(self._ranges.get(path, ()))

    async def close(self) -> None:
        """Forget; the source that is asked stays open."""
        self._texts, self._ranges = {}, {}

    def search(self, query: Query) -> AsyncIterator[Page]:
        """List models, which is not kept."""
        return self._source.search(query)

    async def config(self, listing: Listing) -> str | None:
        """config.json of a listed model, which is not kept."""
        return await self._source.config(listing)

    async def listed(self, model_id: str) -> Page:
        """A model's row, which is not kept."""
        return await self._source.listed(model_id)

    async def repo(self, ref: ModelRef) -> Repo:
        """Look up a model, which is not kept."""
        return await self._source.repo(ref)

    async def text(self, repo: Repo, path: str) -> str | None:
        """A small file, kept."""
        text = await self._source.text(repo, path)
        if text is not None:
            self._texts[path] = text
        return text

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over a file, its ranges kept."""
        kept = self._ranges[file.path] = []
        return await self._source.read(repo, file, _kept(reading, kept))

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """All headers of a sharded model, kept as each lies in its file behind its length."""
        headers = await self._source.sharded_headers(repo, index_path)
        for path, header in (headers or {}).items():
            self._ranges[path] = [(0, len(header).to_bytes(8, "little") + header)]
        return headers


def _kept(reading: Reading[T], kept: list[tuple[int, bytes]]) -> Reading[T]:
    """The same reading, and what it was given."""
    try:
        spans = next(reading)
        while True:
            bodies = yield spans
            kept += [(span.start, body) for span, body in zip(spans, bodies, strict=True)]
            spans = reading.send(bodies)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        reading.close()
