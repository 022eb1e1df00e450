"""The registry that Ollama pulls from: one model looked up by its name, its GGUF header read by range.

It speaks the protocol of container images: a manifest lists layers, each a blob named by its sha256
(ollama's ``server/download.go``, ``server/images.go``, ``types/model/name.go``). It cannot be searched.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus

from explorer.errors import HubError, ModelNotFound, RateLimited, Unreachable, UsageError
from explorer.hub.answers import Subject, unreachable
from explorer.hub.client import Answer, Client
from explorer.hub.limits import resumes_in_seconds
from explorer.hub.ollama_manifest import MANIFEST, listing_of, read_manifest
from explorer.hub.other_names import (
    DEFAULT_OLLAMA,
    OllamaName,
    ollama_endpoint_from_environment,
    parse_ollama,
)
from explorer.hub.remote import Remote
from explorer.hub.source import Listing, ModelRef, Page, Query, Repo, RepoFile, page_of
from explorer.spans import Reading, Span, T

LARGEST_MANIFEST = 4 << 20
LARGEST_TEXT = 10_000_000
"""Bytes of a text layer that are read at most."""
LICENSE_BEGINNING = 64 << 10
"""Bytes of a license that are looked at to tell which one it is."""


class OllamaRegistry(Remote):
    """A ``Source`` over Ollama's registry. Nothing is imported or opened before the first request.

    ``endpoint`` defaults to the public registry, which is asked without a token.
    """

    name = "ollama"
    public = (DEFAULT_OLLAMA, "Ollama registry")

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        offline: bool = False,
        in_flight: int = 16,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        address = (endpoint or ollama_endpoint_from_environment()).rstrip("/")
        client = Client(
            address,
            token="",
            offline=offline,
            in_flight=in_flight,
            own_headers={"accept": MANIFEST},
            failures=_refusal,
            pause=pause,
        )
        super().__init__(address, client)

    def search(self, query: Query) -> AsyncIterator[Page]:
        """Raises UsageError: the registry has no list of its models."""
        raise UsageError(
            "Ollama's registry cannot be searched",
            f"for “{query.text}”",
            "find the name at https://ollama.com/search, then write ollama:name:tag",
        )

    async def config(self, listing: Listing) -> str | None:
        """None: an Ollama model has no config.json, its GGUF file says all."""
        del listing  # the protocol's, and of no use here
        return None

    async def listed(self, model_id: str) -> Page:
        """A model's row, from its look-up."""
        return page_of(await self.repo(ModelRef(model_id)))

    async def repo(self, ref: ModelRef) -> Repo:
        """The model's layers as files: the manifest is asked for, its configuration and its license.

        Raises ModelNotFound, and HubError for layers of a kind that is not read.
        """
        name = parse_ollama(ref.id)
        subject = Subject(str(name), None, "", self.endpoint)
        url = f"{self.endpoint}/v2/{name.path}/manifests/{name.tag}"
        answer = await self._client.get(url, subject, limit=LARGEST_MANIFEST)
        manifest = read_manifest(answer.body, subject)
        config, license_text = await asyncio.gather(
            self._small(name, manifest.config, LARGEST_TEXT),
            self._small(name, manifest.license, LICENSE_BEGINNING),
        )
        listing = listing_of(str(name), manifest, _json_object(config), license_text)
        return Repo(ref, listing, manifest.digest, manifest.files, notes=manifest.notes)

    async def text(self, repo: Repo, path: str) -> str | None:
        """A text layer: template, license, parameters; None if the model has none of that name."""
        file = next((file for file in repo.files if file.path == path), None)
        if file is None or file.size_bytes > LARGEST_TEXT:
            return None
        return await self._small(parse_ollama(repo.ref.id), file, LARGEST_TEXT)

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over ranges of a layer. The registry redirects to where its bytes are."""
        name = parse_ollama(repo.ref.id)
        url = self._blob_url(name, file)
        subject = Subject(str(name), None, file.path, self.endpoint)
        return await self._read_at(url, file, subject, reading)

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """None: a GGUF model of Ollama is read by range."""
        del repo, index_path  # the protocol's, and of no use here
        return None

    async def _small(self, name: OllamaName, file: RepoFile | None, limit: int) -> str:
        """The first ``limit`` bytes of a layer; empty for a layer that is not there."""
        if file is None or not file.size_bytes:
            return ""
        subject = Subject(str(name), None, file.path, self.endpoint)
        span = Span(0, min(file.size_bytes, limit))
        (body,) = await self._ranges.read(
            self._blob_url(name, file), file.size_bytes, subject, (span,)
        )
        return body.decode(errors="replace")

    def _blob_url(self, name: OllamaName, file: RepoFile) -> str:
        return f"{self.endpoint}/v2/{name.path}/blobs/sha256:{file.content_hash}"


def _refusal(answer: Answer, subject: Subject, with_token: bool) -> HubError:
    """The error that an answer of 400 or above stands for."""
    del with_token  # none is ever sent
    status = answer.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = resumes_in_seconds(answer.headers)
        hint = f"it answers again in {seconds:.0f} s" if seconds else "try again in a few minutes"
        return RateLimited("Ollama's registry asks to slow down", "", hint, seconds)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        if subject.path:
            return unreachable(subject, f"its manifest names a layer that is refused ({status})")
        return ModelNotFound(
            f"Ollama's registry has no {subject.model}, or it is private",
            hint="names and tags are listed at https://ollama.com/library",
        )
    if status == HTTPStatus.PRECONDITION_FAILED:
        return HubError(f"{subject.model} needs another version of Ollama", f"status {status}")
    return Unreachable(
        f"Ollama's registry failed to answer about {subject}",
        f"status {status}",
        "try again later" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "",
    )


def _json_object(text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
