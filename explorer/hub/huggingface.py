"""The live hub: Hugging Face, or another that speaks its API (``HF_ENDPOINT``)."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from explorer.errors import FileNotFound, HubError, Offline, RateLimited, Unreachable
from explorer.hub.answers import Subject, garbled
from explorer.hub.client import Answer, Client, Params
from explorer.hub.limits import FILES
from explorer.hub.listings import read_listing, read_siblings, read_tree
from explorer.hub.names import DEFAULT_ENDPOINT, endpoint_from_environment
from explorer.hub.remote import Remote
from explorer.hub.sharded import read_sharded
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, RepoFile, Sort, page_of
from explorer.spans import Reading, T

EXPANDED = (
    "author", "cardData", "config", "createdAt", "downloads", "gated", "gguf", "lastModified",
    "library_name", "likes", "pipeline_tag", "safetensors", "sha", "tags", "trendingScore",
    "baseModels",
)  # fmt: skip
"""What makes a row complete without a request of its own."""
LARGEST_TEXT = 10_000_000
"""Bytes of a text file that are read at most."""

_SORTS: Mapping[Sort, str] = {
    "trending": "trendingScore",
    "downloads": "downloads",
    "likes": "likes",
    "updated": "lastModified",
    "created": "createdAt",
}
BACKGROUND_SHARE = 0.5
"""Of a window of the hub's limits: so much may go to what nobody waits for, the rest is kept free."""
_LARGEST_CONFIG = 4 << 20
_EXCHANGES_A_FILE = 2  # a small file is answered with a redirect, and both are counted
_PAGE_ROWS = 50
_LARGEST_PAGE_ROWS = 100
_LARGEST_LISTING = 64 << 20
_LARGEST_HEADERS = 256 << 20
_MOST_TREE_PAGES = 100
# Asked for in this order, and the first that the hub accepts is kept: it refuses a whole request
# for one property that it does not know.
_ROW_DETAILS: tuple[Params, ...] = (
    tuple(("expand", name) for name in EXPANDED),
    tuple(("expand", name) for name in EXPANDED[:-1]),
    (("full", "true"), ("cardData", "true"), ("config", "true")),
)
_MODEL_DETAILS: Params = (*_ROW_DETAILS[0], ("expand", "childrenModelCount"))
"""What was made of a model is counted where one is asked for, and refused in listings."""


class HuggingFace(Remote):
    """A ``Source`` over the hub's HTTP API. Nothing is imported or opened before the first request.

    ``endpoint`` and ``token`` default to what the environment says. ``in_flight`` bounds the
    requests at one moment; ``pause`` waits and ``monotonic`` tells the time, both given by tests.
    """

    name = "hub"
    public = (DEFAULT_ENDPOINT, "Hugging Face")

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        token: str | None = None,
        offline: bool = False,
        in_flight: int = 64,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        address = (endpoint or endpoint_from_environment()).rstrip("/")
        client = Client(
            address,
            token=token,
            offline=offline,
            in_flight=in_flight,
            pause=pause,
            monotonic=monotonic,
        )
        super().__init__(address, client)
        self._row_details = 0
        self._configs_in_flight = 0

    async def search(self, query: Query) -> AsyncIterator[Page]:
        """List models; each page of the hub is asked for when the one before is used up."""
        remaining = query.limit
        url, params = f"{self.endpoint}/api/models", _search_params(query)
        following = query.start if query.start and self._client.is_own(query.start) else None
        while remaining is None or remaining > 0:
            items, answer = await self._listing(following or url, () if following else params)
            rows = tuple(row for item in items if (row := read_listing(item)) is not None)
            rows = rows if remaining is None else rows[:remaining]
            remaining = None if remaining is None else remaining - len(rows)
            following = self._following(answer)
            more = following is not None and (remaining is None or remaining > 0)
            yield Page(rows, more, following=following or "" if more else "")
            if not more:
                return

    async def config(self, listing: Listing) -> str | None:
        """config.json at the commit that was listed, in one look at a small file.

        Raises RateLimited once ``BACKGROUND_SHARE`` of the present window is used up.
        """
        revision = quote(listing.sha or "main", safe="")
        url = f"{self.endpoint}/{quote(listing.id)}/resolve/{revision}/config.json"
        pending = _EXCHANGES_A_FILE * self._configs_in_flight
        wait = self._client.limits.wait_seconds(
            FILES, keep=1 - BACKGROUND_SHARE, in_flight=pending + _EXCHANGES_A_FILE - 1
        )
        if wait:
            raise self._client.refuse(url, wait)
        self._configs_in_flight += 1
        subject = Subject(listing.id, listing.sha, "config.json", self.endpoint)
        try:
            answer = await self._client.get(url, subject, limit=_LARGEST_CONFIG)
        except FileNotFound:
            return None
        finally:
            self._configs_in_flight -= 1
        return answer.body.decode(errors="replace")

    async def listed(self, model_id: str) -> Page:
        """A model's row in one small request; from its look-up where the hub knows some property no more."""
        subject = self._subject(ModelRef(model_id))
        url = f"{self.endpoint}/api/models/{quote(model_id)}"
        try:
            item, _ = await self._client.get_json(
                url, subject, _MODEL_DETAILS, limit=_LARGEST_LISTING
            )
        except Unreachable as refusal:
            if "status 400" not in refusal.detail:
                raise
            return page_of(await self.repo(ModelRef(model_id)))
        listing = read_listing(item)
        if listing is None:
            raise garbled(subject, "its answer is not a model")
        return Page((listing,), more=False)

    async def repo(self, ref: ModelRef) -> Repo:
        """Look up a model in one request; one more a thousand files if the answer has no sizes."""
        subject = self._subject(ref)
        url = f"{self.endpoint}/api/models/{quote(ref.id)}"
        if ref.revision is not None:
            url += f"/revision/{quote(ref.revision, safe='')}"
        item, _ = await self._client.get_json(
            url, subject, (("blobs", "true"),), limit=_LARGEST_LISTING
        )
        listing = read_listing(item)
        if listing is None:
            raise garbled(subject, "its answer is not a model")
        files = read_siblings(item)
        if files is None:
            files = await self._tree(listing.id, listing.sha or ref.revision or "main", subject)
        return Repo(ref, listing, listing.sha, files)

    async def text(self, repo: Repo, path: str) -> str | None:
        """Content of a small file; None if the model has none of that name."""
        file = next((file for file in repo.files if file.path == path), None)
        if file is None or file.size_bytes > LARGEST_TEXT:
            return None
        try:
            answer = await self._client.get(
                self._file_url(repo, path), self._subject(repo.ref, path), limit=LARGEST_TEXT
            )
        except FileNotFound:
            return None
        return answer.body.decode(errors="replace")

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over ranges of a file."""
        url, subject = self._file_url(repo, file.path), self._subject(repo.ref, file.path)
        return await self._read_at(url, file, subject, reading)

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """All headers of a sharded model on ``main`` in one request; None where that is refused."""
        if repo.ref.revision not in (None, "main", repo.listing.sha):
            return None
        url = f"{self.endpoint}/api/models/{quote(repo.listing.id)}/safetensors-metadata/"
        try:
            answer = await self._client.get(
                url + quote(index_path),
                self._subject(repo.ref, index_path),
                limit=_LARGEST_HEADERS,
            )
        except (Offline, RateLimited):
            raise
        except HubError:
            return None
        return await asyncio.to_thread(read_sharded, answer.body, index_path, repo.files)

    async def _listing(self, url: str, params: Params) -> tuple[list[Any], Answer]:
        """One page of rows, with as many details as the hub is willing to give."""
        subject = Subject(endpoint=self.endpoint)
        while True:
            details = _ROW_DETAILS[self._row_details] if params else ()
            try:
                items, answer = await self._client.get_json(
                    url, subject, params + details, limit=_LARGEST_LISTING
                )
            except Unreachable as refusal:
                last = self._row_details == len(_ROW_DETAILS) - 1
                if not params or last or "status 400" not in refusal.detail:
                    raise
                self._row_details += 1
                continue
            if not isinstance(items, list):
                raise garbled(subject, "its answer is not a list")
            return items, answer

    def _following(self, answer: Answer) -> str | None:
        """The next page's address, if it is the hub's own."""
        link = answer.links.get("next")
        url = answer.resolve(link) if link else None
        return url if url and self._client.is_own(url) else None

    async def _tree(self, model: str, revision: str, subject: Subject) -> tuple[RepoFile, ...]:
        """Every file of a model, a thousand a request."""
        url = f"{self.endpoint}/api/models/{quote(model)}/tree/{quote(revision, safe='')}"
        params: Params = (("recursive", "true"),)
        files: list[RepoFile] = []
        for _ in range(_MOST_TREE_PAGES):
            items, answer = await self._client.get_json(
                url, subject, params, limit=_LARGEST_LISTING
            )
            files += read_tree(items)
            following = self._following(answer)
            if following is None:
                break
            url, params = following, ()
        return tuple(files)

    def _subject(self, ref: ModelRef, path: str = "") -> Subject:
        return Subject(ref.id, ref.revision, path, self.endpoint)

    def _file_url(self, repo: Repo, path: str) -> str:
        """A file at the commit that was looked up, under the name the hub itself uses."""
        revision = quote(repo.commit or repo.ref.revision or "main", safe="")
        return f"{self.endpoint}/{quote(repo.listing.id)}/resolve/{revision}/{quote(path)}"


def _search_params(query: Query) -> Params:
    rows = _PAGE_ROWS if query.limit is None else min(max(query.limit, 1), _LARGEST_PAGE_ROWS)
    params = (
        ("search", query.text),
        ("author", query.author or ""),
        ("pipeline_tag", query.task or ""),
        *(("filter", tag) for tag in query.tags),
        ("num_parameters", _billions(query.parameters_least, query.parameters_most)),
        ("gated", "" if query.gated is None else str(query.gated).lower()),
        ("sort", _SORTS[query.sort]),
        ("limit", str(rows)),
    )
    return tuple((name, value) for name, value in params if value)


def _billions(least: int | None, most: int | None) -> str:
    """A range as the hub takes it, ``min:6B,max:128B``: whole billions, none of the range left out."""
    billion = 1_000_000_000
    bounds = []
    if least is not None and least >= billion:
        bounds.append(f"min:{least // billion}B")
    if most is not None:
        bounds.append(f"max:{max(-(-most // billion), 1)}B")
    return ",".join(bounds)
