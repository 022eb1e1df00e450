"""What every source of models offers, and the values it answers with.

A source is the live hub, a folder on disk, the bundled snapshot. They differ in where bytes come
from; whoever uses one cannot tell them apart except by its ``name`` and the ages it reports.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from explorer.spans import Reading, T

Sort: TypeAlias = Literal["trending", "downloads", "likes", "updated", "created"]
Gate: TypeAlias = Literal["auto", "manual", False]


class ModelRef(NamedTuple):
    """Names a model in a source: ``org/name`` and a revision, or a path on disk."""

    id: str
    """``org/name``; for the local source a path."""
    revision: str | None = None
    """Branch, tag or commit; None means the source's default."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to list, and in which order."""

    text: str = ""
    """Words looked for in the name."""
    author: str | None = None
    """User or organisation."""
    task: str | None = None
    """Pipeline tag, such as ``text-generation``."""
    tags: tuple[str, ...] = ()
    """Further tags the hub filters by: library, ``license:...``, language."""
    sort: Sort = "trending"
    limit: int | None = None
    """At most this many rows; None for all there are."""
    parameters_least: int | None = None
    """Only models known to have at least so many; a source may let a few others through."""
    parameters_most: int | None = None
    gated: bool | None = None
    """Only gated models, or only those that are not; None for both."""
    start: str = ""
    """``following`` of a page that came before: the listing goes on behind that page."""


@dataclass(frozen=True, slots=True)
class GgufSummary:
    """What a listing says of a repository with GGUF files. It describes one representative file."""

    parameters: int | None = None
    architecture: str | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Twin:
    """A weight file of a model on disk that another model there has too."""

    path: str
    """The file, within the model."""
    size_bytes: int
    model: str
    """Id of the other model."""
    model_path: str
    """The same file, within the other model."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One model as a listing gives it. What the source does not say is None or empty."""

    id: str
    """``org/name``, or a path for a local model."""
    author: str | None = None
    sha: str | None = None
    """Commit of the default branch."""
    downloads: int | None = None
    """In the last 30 days, as the hub counts."""
    likes: int | None = None
    trending: float | None = None
    created: datetime | None = None
    updated: datetime | None = None
    task: str | None = None
    library: str | None = None
    license: str | None = None
    """The license's id as the hub spells it: ``apache-2.0``, ``other``; several with commas."""
    license_name: str | None = None
    """The card's own name for a license that is ``other``."""
    license_link: str | None = None
    gated: Gate | None = None
    """How people are let in; False if nobody is kept out, None where the source does not say."""
    parameters: int | None = None
    """The hub's own total; logical, but not always right: see the packing rules."""
    parameters_by_dtype: Mapping[str, int] = field(default_factory=dict)
    """Logical parameters keyed by the *container's* dtype. Never multiply by a dtype's size."""
    gguf: GgufSummary | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    """As much of config.json as the listing carries: often just the type and the quantization."""
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    base_relation: str | None = None
    """``quantized``, ``finetune``, ``adapter`` or ``merge``."""
    derived: Mapping[str, int] = field(default_factory=dict)
    """How many models were made of it, by ``base_relation``; empty where nobody counted them."""
    size_bytes: int | None = None
    """What the model takes on disk, for one that lies there."""
    twins: tuple[Twin, ...] = ()
    """Its files that other models on the same disks have too, as far as hashes are known."""
    hub: str = ""
    """Where the model lives if not on Hugging Face: ``modelscope``, ``ollama``."""
    provenance: str = ""
    """Empty for a live answer; otherwise where a stored or bundled figure came from."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a listing, in order, and whether more may follow."""

    rows: tuple[Listing, ...]
    more: bool
    age_seconds: float = 0.0
    """How long ago the source itself gave this; 0 for a live answer."""
    following: str = ""
    """Where the next page begins, understood by the source alone; empty where it can't go on in the
    middle, or at the end."""
    note: str = ""
    """What a person should know of this answer, a sentence: that a source gives no more than so many."""


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One file of a model."""

    path: str
    """Relative, with ``/``."""
    size_bytes: int
    content_hash: str | None = None
    """LFS sha256, xet hash or git blob id: equal hashes mean equal bytes. None where unknown."""


@dataclass(frozen=True, slots=True)
class Repo:
    """A model looked up by name: its listing, the commit that was resolved, and its files."""

    ref: ModelRef
    listing: Listing
    commit: str | None
    """The exact commit the files belong to; None where the source has none."""
    files: tuple[RepoFile, ...]
    age_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What a person should know of this answer, a sentence each: a list of files that is not complete."""
    caveat: str = ""
    """Why this is not the source's latest word, a sentence; empty where it is."""

    @property
    def excerpt(self) -> bool:
        """Whether a snapshot gave it, which holds weights and configuration alone.

        What else the model has, a card or its license's text, is then not known.
        """
        return self.listing.provenance.startswith("snapshot of ")


@dataclass(frozen=True, slots=True)
class Transfer:
    """What has gone over the wire so far."""

    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0
    cached: int = 0
    """Answers that came from the store and cost no request."""


def page_of(repo: Repo) -> Page:
    """A model that was looked up as a page of its row alone."""
    return Page((repo.listing,), more=False, age_seconds=repo.age_seconds)


class Source(Protocol):
    """A place that lists models and gives the bytes of their files, never a whole weight file.

    Every method raises the errors of ``explorer.errors`` and no others.
    """

    @property
    def name(self) -> str:
        """``hub``, ``snapshot``, ``local``: the ``source`` of the JSON contract."""
        ...

    @property
    def title(self) -> str:
        """For people: ``Hugging Face``, ``Snapshot of 2026-11-20``."""
        ...

    @property
    def transfer(self) -> Transfer:
        """What this source has moved since it was opened."""
        ...

    def search(self, query: Query) -> AsyncIterator[Page]:
        """List models page by page. Closing the iterator early costs nothing further."""
        ...

    async def config(self, listing: Listing) -> str | None:
        """config.json of a listed model, without looking the model up; None if it has none.

        Meant to be asked in the background for many rows: it may raise RateLimited while there is still
        room in the hub's limits, which is kept for what a person asks for.
        """
        ...

    async def listed(self, model_id: str) -> Page:
        """One model as it would be listed, with what was made of it counted: a page of that row alone.

        No files are looked up, where the source can do without.
        """
        ...

    async def repo(self, ref: ModelRef) -> Repo:
        """Look up one model and its complete file list."""
        ...

    async def text(self, repo: Repo, path: str) -> str | None:
        """Content of a small text file (config.json, README.md); None if there is none. At most 10 MB."""
        ...

    async def read(self, repo: Repo, file: RepoFile, reading: Reading[T]) -> T:
        """Run a parser over ranges of one file; its ranges of one step are fetched in parallel."""
        ...

    async def sharded_headers(self, repo: Repo, index_path: str) -> Mapping[str, bytes] | None:
        """All safetensors headers of a sharded model in one request: shard path to header JSON.

        None where the source has no such short cut or refuses it: read the shards instead.
        """
        ...

    async def close(self) -> None:
        """Release connections and files. Safe to call twice."""
        ...
