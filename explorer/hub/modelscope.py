"""ModelScope: the hub where many labs publish first (``MODELSCOPE_ENDPOINT``, ``MODELSCOPE_API_TOKEN``).

Listings come from its open API, files from the older one, as in modelscope-hub 0.5.1.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import quote, quote_plus

from explorer.errors import FileNotFound, Gated, ModelNotFound, RevisionNotFound, UsageError
from explorer.hub.answers import Subject, garbled
from explorer.hub.client import Client, Params
from explorer.hub.modelscope_answers import (
    ENVIRONMENT,
    Tree,
    payload,
    read_listing,
    read_rows,
    read_tree,
    refusal,
)
from explorer.hub.other_names import DEFAULT_MODELSCOPE, modelscope_endpoint_from_environment
from explorer.hub.remote import Remote
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, RepoFile, Sort
from explorer.spans import Reading, T

DEFAULT_REVISION = "master"
CONFIG = "config.json"
LARGEST_TEXT = 10_000_000
"""Bytes of a text file that are read at most."""
MOST_ROWS = 3_000
"""The open API refuses ``page_number * page_size`` beyond this."""
_CUT = (
    "ModelScope gives the first {most:,} of the {total:,} models that match: narrow down the search"
)
MOST_ENTRIES = 3_000
"""Entries after which one answer of ``repo/files`` ends, without saying so."""
MOST_FOLDERS = 64
"""Further requests for the files of one model, folder by folder."""

_PAGE_ROWS = 50
_REFUSALS = 2
_LARGEST_ANSWER = 64 << 20
# The open API sorts by these three alone; what trends is its own order, creation it cannot sort by.
_SORTS: Mapping[Sort, str] = {
    "trending": "",
    "downloads": "downloads",
    "likes": "likes",
    "updated": "last_modified",
    "created": "last_modified",
}


class ModelScope(Remote):
    """A ``Source`` over ModelScope's HTTP APIs. Nothing is imported or opened before the first request.

    ``endpoint`` and ``token`` default to what the environment says. The token goes to the endpoint's own
    origin alone: as a bearer for the newer API, as a cookie for the older.
    """

    name = "modelscope"
    public = (DEFAULT_MODELSCOPE, "ModelScope")

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        token: str | None = None,
        offline: bool = False,
        in_flight: int = 48,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        address = (endpoint or modelscope_endpoint_from_environment()).rstrip("/")
        secret = os.environ.get(ENVIRONMENT, "") if token is None else token
        client = Client(
            address,
            token=secret,
            offline=offline,
            in_flight=in_flight,
            own_headers={"cookie": f"m_session_id={secret}"} if _is_plain(secret) else None,
            failures=refusal,
            pause=pause,
        )
        super().__init__(address, client)
        self._pause = pause

    async def search(self, query: Query) -> AsyncIterator[Page]:
        """List models, at most the 3,000 that ModelScope gives of one query.

        It does not sort by creation: the latest changed stand in.
        """
        remaining = MOST_ROWS if query.limit is None else min(query.limit, MOST_ROWS)
        params = _search_params(query)
        number = int(query.start) if query.start.isdecimal() and len(query.start) < 5 else 1
        while remaining > 0 and number * _PAGE_ROWS <= MOST_ROWS:
            numbered = (("page_number", str(number)), ("page_size", str(_PAGE_ROWS)))
            content, _ = await self._client.get_json(
                f"{self.endpoint}/openapi/v1/models",
                Subject(endpoint=self.endpoint),
                params + numbered,
                limit=_LARGEST_ANSWER,
            )
            rows, total = read_rows(content)
            rows = rows[:remaining]
            remaining -= len(rows)
            behind = number * _PAGE_ROWS
            more = bool(rows) and behind < min(total, MOST_ROWS) and remaining > 0
            number += 1
            cut = not more and behind >= MOST_ROWS and total > MOST_ROWS
            note = _CUT.format(most=MOST_ROWS, total=total) if cut else ""
            yield Page(rows, more, following=str(number) if more else "", note=note)
            if not more:
                return

    async def config(self, listing: Listing) -> str | None:
        """config.json of a listed model, read from its default branch; None if it has none."""
        subject = Subject(listing.id, None, CONFIG, self.endpoint)
        url = self._url(listing.id, DEFAULT_REVISION, CONFIG)
        try:
            answer = await self._client.get(url, subject, limit=LARGEST_TEXT)
        except FileNotFound:
            return None
        return answer.body.decode(errors="replace")

    async def listed(self, model_id: str) -> Page:
        """A model's row in one request."""
        subject = Subject(model_id, None, "", self.endpoint)
        listing = await self._information(ModelRef(model_id), subject)
        return Page((listing,), more=False)

    async def repo(self, ref: ModelRef) -> Repo:
        """Look up a model and its files in two requests, and one more for each folder of a large one."""
        if ref.id.count("/") != 1:
            raise UsageError(f"“{ref.id}” is not a name on ModelScope", hint="write owner/name")
        subject = Subject(ref.id, ref.revision, "", self.endpoint)
        revision = ref.revision or DEFAULT_REVISION
        tasks = (
            asyncio.create_task(self._tree(ref, revision, "", subject)),
            asyncio.create_task(self._information(ref, subject)),
        )
        try:
            tree, listing = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        if not tree.known:
            raise _no_revision(ref, revision)
        files, notes = await self._whole(ref, revision, tree, subject)
        return Repo(ref, listing, tree.commit, files, notes=notes)

    async def text(self, repo: Repo, path: str) -> str | None:
        """Content of a small file; None if the model has none of that name."""
        file = next((file for file in repo.files if file.path == path), None)
        if file is None or file.size_bytes > LARGEST_TEXT:
            return None
        subject = Subject(repo.ref.id, repo.ref.revision, path, self.endpoint)
        try:
            answer = await self._client.get(self._url_in(repo, path), subject, limit=LARGEST_TEXT)
        except FileNotFound:
            return None
        return answer.body.decode(errors="replace")

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over ranges of a file."""
        url = self._url_in(repo, file.path)
        subject = Subject(repo.ref.id, repo.ref.revision, file.path, self.endpoint)
        return await self._read_at(url, file, subject, reading)

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """None: ModelScope has no such short cut."""
        del repo, index_path  # the protocol's, and of no use here
        return None

    async def _information(self, ref: ModelRef, subject: Subject) -> Listing:
        url = f"{self.endpoint}/openapi/v1/models/{quote(ref.id)}"
        content, _ = await self._client.get_json(url, subject, (), limit=_LARGEST_ANSWER)
        listing = read_listing(payload(content))
        if listing is None:
            raise garbled(subject, "its answer is not a model")
        return listing

    async def _whole(
        self, ref: ModelRef, revision: str, tree: Tree, subject: Subject
    ) -> tuple[tuple[RepoFile, ...], tuple[str, ...]]:
        """The complete list of files, and what is to be said where it is not complete.

        An answer with as many entries as the limit may be cut short. Its folders are then asked for one
        by one, as the official client does; files beyond the limit of one folder cannot be had.
        """
        found = {file.path: file for file in tree.files}
        if tree.entries < MOST_ENTRIES:
            return tuple(found.values()), ()
        top = await self._tree(ref, revision, "", subject, recursive=False)
        found |= {file.path: file for file in top.files}
        folders = top.folders[:MOST_FOLDERS]
        parts = await asyncio.gather(
            *(self._folder(ref, revision, folder, subject) for folder in folders)
        )
        cut = top.entries >= MOST_ENTRIES or len(folders) < len(top.folders)
        for part in parts:
            found |= {file.path: file for file in part.files}
            cut = cut or part.entries >= MOST_ENTRIES
        if not cut:
            return tuple(found.values()), ()
        note = (
            f"ModelScope cuts lists of files off after {MOST_ENTRIES:,} entries: "
            f"{len(found):,} files of this model were found, there are more"
        )
        return tuple(found.values()), (note,)

    async def _folder(self, ref: ModelRef, revision: str, root: str, subject: Subject) -> Tree:
        """The files of a folder, asked for again where it is refused.

        ModelScope answers some of many such requests with 403 for a model that it has just listed; its own
        client (modelscope-hub 0.5.1, ``_request_repo_tree``) asks again too.
        """
        for attempt in range(_REFUSALS):
            try:
                return await self._tree(ref, revision, root, subject)
            except Gated:
                await self._pause(2.0**attempt)
        return await self._tree(ref, revision, root, subject)

    async def _tree(
        self, ref: ModelRef, revision: str, root: str, subject: Subject, *, recursive: bool = True
    ) -> Tree:
        params: Params = (("Revision", revision), ("Recursive", str(recursive)))
        params += (("Root", root),) if root else ()
        try:
            content, _ = await self._client.get_json(
                f"{self.endpoint}/api/v1/models/{quote(ref.id)}/repo/files",
                subject,
                params,
                limit=_LARGEST_ANSWER,
            )
        except ModelNotFound:
            if ref.revision is None:
                raise
            # A missing revision and a missing model are refused alike: the model's own look-up tells.
            return Tree((), (), 0, None, known=False)
        return await asyncio.to_thread(read_tree, content)

    def _url_in(self, repo: Repo, path: str) -> str:
        """A file at the commit that was looked up."""
        revision = repo.commit or repo.ref.revision or DEFAULT_REVISION
        return self._url(repo.listing.id, revision, path)

    def _url(self, model: str, revision: str, path: str) -> str:
        return (
            f"{self.endpoint}/api/v1/models/{quote(model)}/repo"
            f"?Revision={quote_plus(revision)}&FilePath={quote_plus(path)}"
        )


def _search_params(query: Query) -> Params:
    """Filters go as ``filter.<name>``: licenses and tasks by their own, other tags as custom ones."""
    licenses = [tag.removeprefix("license:") for tag in query.tags if tag.startswith("license:")]
    others = [tag for tag in query.tags if not tag.startswith("license:")]
    params = (
        ("search", query.text),
        ("owner", query.author or ""),
        ("sort", _SORTS[query.sort]),
        ("filter.task", query.task or ""),
        *(("filter.license", name) for name in licenses),
        *(("filter.custom_tag", tag) for tag in others),
    )
    return tuple((name, value) for name, value in params if value)


def _is_plain(secret: str) -> bool:
    """Whether a token can stand in a cookie; one that cannot is refused by the client itself."""
    return bool(secret) and secret.isascii() and secret.isprintable() and ";" not in secret


def _no_revision(ref: ModelRef, revision: str) -> RevisionNotFound:
    return RevisionNotFound(
        f"{ref.id} has no revision “{revision}” on ModelScope",
        hint=f"the default branch there is “{DEFAULT_REVISION}”; name a branch, a tag or a commit",
    )
