"""Opening a model: which requests are made, in which order, and what becomes of their answers."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from explorer.errors import ExplorerError, HeaderError
from explorer.fit.architecture import Architecture
from explorer.fit.config import from_config
from explorer.hub.sharded import index_of, indices_of
from explorer.hub.source import ModelRef, Repo, RepoFile, Source
from explorer.inspection.documents import absent_files, missing_files, read_documents
from explorer.inspection.model import CONFIG, Model
from explorer.weights.checkpoint import Checkpoint, Shard
from explorer.weights.formats import reading_for
from explorer.weights.layout import FileGroup, Layout, lay_out
from explorer.weights.safetensors import parse_header

CARD = "README.md"
MOST_SHARDS = 2_000
"""Files whose headers are read: ten times what the largest published models have."""
PORTION_BYTES = 512 << 10
"""Of headers that came at once, so much is parsed before what it says is shown: some 20 ms of work."""


async def open_model(
    source: Source, ref: ModelRef, *, file: str | None = None
) -> AsyncGenerator[Model]:
    """Open a model, first without headers, then with more of them as they arrive.

    ``file`` picks the group of files that one file belongs to, instead of what a loader would take. A
    file that cannot be read leaves its error in the model; only a model that cannot be looked up raises.
    """
    repo = await source.repo(ref)
    documents, problems = await read_documents(source, repo)
    layout = lay_out(((entry.path, entry.size_bytes) for entry in repo.files), documents)
    chosen = _chosen(layout, file)
    absent = absent_files(repo, documents, chosen)
    problems += missing_files(repo, documents, chosen, absent)
    architecture = None
    try:
        architecture = _architecture(documents.get(CONFIG, {}))
    except HeaderError as error:
        problems.append(error)
    paths = [path for group in chosen for path in group.files] + [*absent]
    if not paths:
        problems.append(_no_weights(repo))
    if len(paths) > MOST_SHARDS:
        problems.append(_too_many(len(paths)))
    model = Model(
        repo=repo,
        documents=documents,
        layout=layout,
        reading=chosen,
        checkpoint=_without(absent, _expecting(paths[:MOST_SHARDS], layout, chosen, documents)),
        architecture=architecture,
        problems=tuple(problems),
    )
    yield model
    async with aclosing(_filled(source, model, model.checkpoint.expected)) as models:
        async for model in models:
            yield model


async def retry_shards(source: Source, model: Model) -> AsyncGenerator[Model]:
    """The model with each file that failed, or was not yet read, asked for once more.

    Yields a model as answers arrive; a file that fails again keeps its error.
    """
    async with aclosing(_filled(source, model, model.checkpoint.missing)) as models:
        async for grown in models:
            yield grown


async def _filled(source: Source, model: Model, paths: Iterable[str]) -> AsyncGenerator[Model]:
    """The model with more headers each time, counted in a thread: one may have 100,000 tensors."""
    async with aclosing(read_shards(source, model.repo, paths)) as arriving:
        async for shards in arriving:
            model = await asyncio.to_thread(model.with_shards, shards)
            yield model


async def read_shards(
    source: Source, repo: Repo, paths: Iterable[str]
) -> AsyncGenerator[tuple[Shard, ...]]:
    """The shards of these paths in order of arrival, each with its header or with its error.

    Asks for all headers at once where the source can give them, otherwise for each by range. What arrived
    while the last ones were dealt with comes together.
    """
    wanted = set(paths)
    files = [file for file in repo.files if file.path in wanted]
    if len(files) > 1:
        at_once = await _headers_at_once(source, repo, files)
        for portion in _portions([file for file in files if file.path in at_once], at_once):
            yield await asyncio.to_thread(_parsed, portion, at_once)
        files = [file for file in files if file.path not in at_once]
    arrived: asyncio.Queue[asyncio.Task[Shard]] = asyncio.Queue()
    tasks = [asyncio.create_task(_read(source, repo, file)) for file in files]
    for task in tasks:
        task.add_done_callback(arrived.put_nowait)
    try:
        left = len(tasks)
        while left:
            done = [await arrived.get()]
            while not arrived.empty():
                done.append(arrived.get_nowait())
            left -= len(done)
            yield tuple(task.result() for task in done)
    finally:
        for task in tasks:
            task.cancel()


async def card(source: Source, repo: Repo) -> str | None:
    """The model card without its front matter; None if there is none."""
    text = await source.text(repo, CARD)
    if text is None or not text.startswith("---"):
        return text
    head, separator, rest = text[3:].partition("\n---")
    return rest.lstrip("-").lstrip() if separator and len(head) < len(text) else text


def _architecture(config: Mapping[str, Any]) -> Architecture | None:
    """None if there is no config.json, or one that does not describe a model's shape."""
    return from_config(config) if config else None


def _chosen(layout: Layout, file: str | None) -> tuple[FileGroup, ...]:
    if file is not None:
        named = tuple(group for group in layout.groups if file in group.files)
        if named:
            return named[:1]
    return layout.default


def _expecting(
    paths: list[str],
    layout: Layout,
    groups: tuple[FileGroup, ...],
    documents: Mapping[str, Mapping[str, Any]],
) -> Checkpoint:
    return Checkpoint.expecting(
        paths,
        groups[0].format if groups else "safetensors",
        documents.get(CONFIG),
        documents.get("hf_quant_config.json"),
        layout.components,
    )


def _without(absent: Iterable[str], checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with what is known to be missing told so."""
    for path in absent:
        error = HeaderError(f"{path} is missing", hint="complete the download")
        checkpoint = checkpoint.with_shard(Shard(path, 0, None, error))
    return checkpoint


def _no_weights(repo: Repo) -> HeaderError:
    names = ", ".join(file.path for file in repo.files[:5])
    return HeaderError(
        "No weight files that can be read here",
        detail=f"{len(repo.files)} files: {names}{', …' if len(repo.files) > 5 else ''}",
        hint="safetensors, GGUF and torch files are read",
    )


def _too_many(files: int) -> HeaderError:
    return HeaderError(
        "More weight files than are read",
        f"{files:,} files, of which the first {MOST_SHARDS:,} are looked into",
        "figures are of those",
    )


async def _headers_at_once(
    source: Source, repo: Repo, files: list[RepoFile]
) -> Mapping[str, bytes]:
    """Header JSON by path from the hub's one-request endpoint; empty where it does not serve."""
    indices = indices_of(repo.files)
    several = Counter(index_of(file.path, indices) for file in files)
    found: dict[str, bytes] = {}
    for index, shards in several.items():
        if index is not None and shards > 1:
            # A refusal is no failure: the shards are then read by range, and say what is wrong.
            with suppress(ExplorerError):
                found.update(await source.sharded_headers(repo, index) or {})
    return found


def _portions(
    files: Iterable[RepoFile], headers: Mapping[str, bytes]
) -> Iterator[tuple[RepoFile, ...]]:
    """Files in groups whose headers are parsed in a moment."""
    portion: list[RepoFile] = []
    size = 0
    for file in files:
        portion.append(file)
        size += len(headers[file.path])
        if size >= PORTION_BYTES:
            yield tuple(portion)
            portion, size = [], 0
    if portion:
        yield tuple(portion)


def _parsed(files: Iterable[RepoFile], headers: Mapping[str, bytes]) -> tuple[Shard, ...]:
    return tuple(_parsed_one(file, headers[file.path]) for file in files)


def _parsed_one(file: RepoFile, data: bytes) -> Shard:
    try:
        return Shard(file.path, file.size_bytes, parse_header(file.path, data, file.size_bytes))
    except HeaderError as error:
        return Shard(file.path, file.size_bytes, None, error)


async def _read(source: Source, repo: Repo, file: RepoFile) -> Shard:
    reading = reading_for(file.path, file.size_bytes)
    if reading is None:
        error = HeaderError(f"{file.path} is in no format that can be read here")
        return Shard(file.path, file.size_bytes, None, error)
    try:
        header = await source.read(repo, file, reading)
    except ExplorerError as error:
        return Shard(file.path, file.size_bytes, None, error)
    return Shard(file.path, file.size_bytes, header)
