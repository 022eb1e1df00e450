"""Small parsers to drive sources with, and a model hub to drive them against."""

import json
from collections.abc import Sequence
from typing import Any

from explorer.hub.source import ModelRef, Page, Query, Repo, RepoFile, Source
from explorer.spans import Reading, Span


class Pauses:
    """Waits for nothing and remembers how long it should have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def bytes_of(*spans: Span) -> Reading[tuple[bytes, ...]]:
    """The bytes of some ranges, all asked for at once."""
    bodies = yield spans
    return bodies


def safetensors_header(first_bytes: int = 100_000) -> Reading[dict[str, Any]]:
    """A header's JSON in one or two steps."""
    (beginning,) = yield (Span(0, first_bytes),)
    length = int.from_bytes(beginning[:8], "little")
    if len(beginning) < 8 + length:
        (rest,) = yield (Span(len(beginning), 8 + length),)
        beginning += rest
    header: dict[str, Any] = json.loads(beginning[8 : 8 + length])
    return header


def weights_of(repo: Repo) -> list[RepoFile]:
    return [file for file in repo.files if file.path.endswith(".safetensors")]


async def pages_of(source: Source, query: Query, most: int = 100) -> list[Page]:
    pages: list[Page] = []
    async for page in source.search(query):
        pages.append(page)
        if len(pages) == most:
            break
    return pages


async def names_of(source: Source, query: Query) -> Sequence[str]:
    return [row.id for page in await pages_of(source, query) for row in page.rows]


async def look_up(source: Source, name: str, revision: str | None = None) -> Repo:
    return await source.repo(ModelRef(name, revision))
