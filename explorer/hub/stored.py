"""Any source, remembered on disk: a second look costs nothing while it is fresh, and one request later."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from explorer.errors import Gated, Missing, Offline, RateLimited, Unreachable
from explorer.hub.lapses import lapse
from explorer.hub.over import Over
from explorer.hub.ranges import run
from explorer.hub.records import decode_page, decode_repo, encode_page, encode_repo
from explorer.hub.sharded import shards_of
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, RepoFile, Source, Transfer
from explorer.hub.store import Blob, Store, StoredAnswer
from explorer.spans import Reading, Span, T
from explorer.units import seconds

FRESH_SECONDS = 15 * 60.0
"""How long an answer counts as new."""

_NO_ANSWER = (Unreachable, RateLimited, Offline)
"""When an old answer is better than none."""
_MOST_STORED_PAGES = 10_000
_CONFIG = "config.json"


class Stored(Over):
    """A ``Source`` that asks another one only for what its store does not have.

    What belongs to a commit or a content hash is never asked for again. Listings and look-ups are
    answered from the store for ``fresh_seconds``, and after that when the source cannot be reached:
    the answer's age says so. ``scope`` keeps several hubs apart; ``clock`` tells seconds since 1970.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        *,
        scope: str = "",
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(source)
        self._store = store
        self._scope = scope
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._cached = 0
        self._waiting: list[Blob] = []
        self._storing = asyncio.Lock()

    @property
    def transfer(self) -> Transfer:
        """What the source moved, and how many answers the store saved."""
        return replace(self._source.transfer, cached=self._cached)

    async def close(self) -> None:
        """Close the source and the store."""
        await self._source.close()
        self._store.close()

    async def search(self, query: Query) -> AsyncIterator[Page]:
        """List models from the store while its pages are fresh, and from the source from there on."""
        shown: set[str] = set()
        place = _Place(query.start)
        while (page := self._page(query, place)) and page.age_seconds <= self._fresh_seconds:
            self._cached += 1
            shown |= {row.id for row in page.rows}
            yield page
            if not page.more or place.number == _MOST_STORED_PAGES:
                return
            place = place.behind(page)
        async for page in self._search_live(query, place):
            # The ranking may have moved since the pages before were stored.
            yield replace(page, rows=tuple(row for row in page.rows if row.id not in shown))
            shown |= {row.id for row in page.rows}

    async def config(self, listing: Listing) -> str | None:
        """config.json, once for each commit; that there is none, and a refusal, are remembered too.

        Without a commit, and for a refusal, as long as an answer is fresh.
        """
        key = self._config_key(listing.id, listing.sha)
        answer = self._store.get_answer(key)
        if answer and (listing.sha or self._is_fresh(answer)):
            self._cached += 1
            return answer.body.decode(errors="replace") or None
        refused = self._key("refused", listing.id)
        refusal = self._store.get_answer(refused)
        if refusal and self._is_fresh(refusal):
            self._cached += 1
            raise Gated(f"{listing.id} did not show its files a moment ago")
        try:
            text = await self._source.config(listing)
        except Missing:
            self._store.put_answer(refused, b"refused")
            raise
        except (Unreachable, Offline):
            if answer is None:
                raise
            return answer.body.decode(errors="replace") or None
        self._store.put_answer(key, (text or "").encode())
        return text

    async def listed(self, model_id: str) -> Page:
        """A model's row: free while fresh, and as it was when the source cannot be reached."""
        key = self._key("listed", model_id)
        known = self._stored_page(key)
        if known and known.age_seconds <= self._fresh_seconds:
            self._cached += 1
            return known
        try:
            page = await self._source.listed(model_id)
        except _NO_ANSWER:
            if known is None:
                raise
            self._cached += 1
            return known
        self._store.put_answer(key, encode_page(page))
        return page

    async def repo(self, ref: ModelRef) -> Repo:
        """Look up a model: free while fresh, and as it was when the source cannot be reached."""
        key = self._key("repo", ref.id, ref.revision)
        answer = self._store.get_answer(key)
        age = max(self._clock() - answer.stored, 0.0) if answer else 0.0
        known = decode_repo(answer.body, ref, age) if answer else None
        if known and age <= self._fresh_seconds:
            self._cached += 1
            return known
        try:
            repo = await self._source.repo(ref)
        except _NO_ANSWER as failure:
            if known is None:
                raise
            self._cached += 1
            said = f"{lapse(self._source, failure)}: this is what it said {seconds(age)} ago"
            return replace(known, caveat=said)
        self._store.put_answer(key, encode_repo(repo))
        return repo

    async def text(self, repo: Repo, path: str) -> str | None:
        """A small file, once for each content."""
        file = next((file for file in repo.files if file.path == path), None)
        identity = _identity(repo, file) if file else None
        if file is None or identity is None:
            return await self._source.text(repo, path)
        key = self._key("text", identity)
        answer = self._store.get_answer(key)
        if answer:
            self._cached += 1
            return answer.body.decode(errors="replace")
        config_key = self._config_key(repo.listing.id, repo.commit)
        listed = self._store.get_answer(config_key) if path == _CONFIG and repo.commit else None
        if listed and listed.body:
            self._cached += 1
            return listed.body.decode(errors="replace")
        text = await self._source.text(repo, path)
        if text is not None:
            self._store.put_answer(key, text.encode())
            if path == _CONFIG and repo.commit:
                self._store.put_answer(config_key, text.encode())
        return text

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over stored ranges; what is missing is fetched in one go each step."""
        identity = _identity(repo, file)
        if identity is None:
            return await self._source.read(repo, file, reading)

        async def fetch(spans: tuple[Span, ...]) -> tuple[bytes, ...]:
            return await self._ranges(repo, file, identity, spans)

        return await run(reading, fetch)

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """All headers of a sharded model, once for each content of its shards.

        A refusal is remembered for as long as an answer is fresh. The short cut is not taken when the
        shards' own beginnings are stored already.
        """
        key = self._key("shards", repo.listing.id, repo.commit, index_path)
        answer = self._store.get_answer(key) if repo.commit else None
        told = _named(repo, answer.body) if answer else ()
        shards = told or shards_of(index_path, repo.files)
        kept = await asyncio.to_thread(self._kept_headers, repo, shards)
        if kept is not None:
            self._cached += len(kept)
            return kept or None
        if answer and not told and self._is_fresh(answer):
            return None
        headers = await self._source.sharded_headers(repo, index_path)
        if repo.commit:
            self._store.put_answer(key, json.dumps(sorted(headers or {})).encode())
        await asyncio.to_thread(self._keep_headers, repo, headers or {})
        return headers

    async def _search_live(self, query: Query, place: "_Place") -> AsyncIterator[Page]:
        """Pages from the source, stored as they come; old ones where it fails.

        A source that can't go on in the middle is read from its beginning, unseen.
        """
        live = _Place(query.start)
        asked = query
        if place.start:
            live, asked = place, replace(query, start=place.start, limit=place.left(query))
        try:
            async for page in self._source.search(asked):
                self._store.put_answer(self._page_key(query, live), encode_page(page))
                if live.number >= place.number:
                    yield page
                live = live.behind(page)
        except _NO_ANSWER:
            place = max(live, place, key=lambda where: where.number)
            old = self._page(query, place)
            if old is None:
                raise
        else:
            return
        while old is not None:
            self._cached += 1
            yield old
            place = place.behind(old)
            old = self._page(query, place) if old.more else None

    def _page(self, query: Query, place: "_Place") -> Page | None:
        return self._stored_page(self._page_key(query, place))

    def _stored_page(self, key: str) -> Page | None:
        answer = self._store.get_answer(key)
        if answer is None:
            return None
        return decode_page(answer.body, max(self._clock() - answer.stored, 0.0))

    async def _ranges(
        self, repo: Repo, file: RepoFile, identity: str, spans: tuple[Span, ...]
    ) -> tuple[bytes, ...]:
        clipped = [Span(min(s.start, file.size_bytes), min(s.stop, file.size_bytes)) for s in spans]
        bodies = {span: self._store.get_blob(identity, span) for span in clipped if span.size > 0}
        missing = tuple(span for span, body in bodies.items() if body is None)
        self._cached += len(bodies) - len(missing)
        if missing:
            fetched = await self._source.read(repo, file, _grab(missing))
            pieces = list(zip(missing, fetched, strict=True))
            bodies.update(pieces)
            await self._keep([(identity, *piece) for piece in pieces])
        return tuple(bodies.get(span) or b"" for span in clipped)

    async def _keep(self, blobs: list[Blob]) -> None:
        """Store ranges, together with all that come while the store is busy with others."""
        self._waiting += blobs
        async with self._storing:
            if self._waiting:
                blobs, self._waiting = self._waiting, []
                await asyncio.to_thread(self._store.put_blobs, blobs)

    def _kept_headers(self, repo: Repo, shards: Iterable[RepoFile]) -> Mapping[str, bytes] | None:
        """Headers that came in one answer before, by path; None unless all that it gives is stored.

        A shard whose own beginning is stored is left out: it is read from there.
        """
        found: dict[str, bytes] = {}
        whole = False
        for file in shards:
            identity = _identity(repo, file)
            header = self._store.get_answer(self._key("header", identity)) if identity else None
            if header is not None:
                found[file.path] = header.body
            elif identity is None or not self._store.has_beginning(identity):
                return None
            whole = True
        return found if whole else None

    def _keep_headers(self, repo: Repo, headers: Mapping[str, bytes]) -> None:
        self._store.put_answers(
            (self._key("header", identity), headers[file.path])
            for file in repo.files
            if file.path in headers and (identity := _identity(repo, file))
        )

    def _is_fresh(self, answer: StoredAnswer) -> bool:
        return self._clock() - answer.stored <= self._fresh_seconds

    def _page_key(self, query: Query, place: "_Place") -> str:
        asked = asdict(replace(query, start=""))
        position = place.start or str(place.number)
        return self._key("page", json.dumps(asked, sort_keys=True), position)

    def _config_key(self, model: str, commit: str | None) -> str:
        return self._key("config", model, commit)

    def _key(self, *parts: str | None) -> str:
        return json.dumps([self._scope, self._source.name, *parts])


@dataclass(frozen=True, slots=True)
class _Place:
    """A page of a listing: where it begins, for sources that can go on there, and the how manieth it is."""

    start: str = ""
    number: int = 0
    rows: int = 0
    """Before it."""

    def behind(self, page: Page) -> "_Place":
        """Where the page after this one is."""
        return _Place(page.following, self.number + 1, self.rows + len(page.rows))

    def left(self, query: Query) -> int | None:
        """How many rows are still wanted from here on."""
        return None if query.limit is None else max(query.limit - self.rows, 0)


def _identity(repo: Repo, file: RepoFile) -> str | None:
    """What equal bytes share: the content hash, or the path at a commit. None if neither is known."""
    if file.content_hash:
        return file.content_hash
    return f"{repo.listing.id}@{repo.commit}/{file.path}" if repo.commit else None


def _grab(spans: tuple[Span, ...]) -> Reading[tuple[bytes, ...]]:
    """A reading that wants just these ranges."""
    bodies = yield spans
    return bodies


def _named(repo: Repo, body: bytes) -> tuple[RepoFile, ...]:
    """The files of a model that a stored list names."""
    paths = set(json.loads(body))
    return tuple(file for file in repo.files if file.path in paths)
