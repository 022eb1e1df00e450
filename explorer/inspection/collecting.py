"""Models read for a snapshot: what opening one asks for is what a machine without a network will need."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from explorer.errors import (
    ExplorerError,
    HubError,
    RateLimited,
    Unreachable,
)
from explorer.hub.recording import Recording
from explorer.hub.snapshot_codec import LARGEST_PIECE, Model, Texts, deflate_headers
from explorer.hub.snapshot_held import held_file
from explorer.hub.source import ModelRef, Source
from explorer.inspection import model as opened
from explorer.inspection.opening import card, open_model
from explorer.inspection.terms import license_files
from explorer.weights.checkpoint import Shard

LONGEST_WAIT_SECONDS = 900.0
"""A rate limit that lasts longer ends the work, which can be gone on with later."""

_NO_ANSWER = (Unreachable, RateLimited)
"""What ends the work. Without a network, what is not stored is one model's own trouble."""
_MOST_HEADER_BYTES = LARGEST_PIECE // 2


async def collect(
    source: Source,
    names: Iterable[str],
    *,
    documents: bool = False,
    at_once: int = 4,
    waiting: Callable[[RateLimited], None] = lambda _: None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[tuple[str, Model | ExplorerError]]:
    """Each model as it is read, or why it cannot be had, with its name, in order of arrival.

    ``documents`` adds cards and licenses. A hub that asks to slow down is waited for, which ``waiting``
    is told. Raises Unreachable and RateLimited when there is no going on.
    """
    left = list(names)[::-1]
    failure: BaseException | None = None
    running: dict[asyncio.Task[Model | ExplorerError], str] = {}

    try:
        while left or running:
            while left and len(running) < at_once:
                name = left.pop()
                reading = _patiently(source, name, documents, waiting, pause)
                running[asyncio.create_task(reading)] = name
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                name = running.pop(task)
                if error := task.exception():
                    # What is under way is still worth having; nothing more is begun.
                    failure = failure or error
                    left.clear()
                else:
                    yield name, task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if failure is not None:
        raise failure


async def _patiently(
    source: Source,
    name: str,
    documents: bool,
    waiting: Callable[[RateLimited], None],
    pause: Callable[[float], Awaitable[None]],
) -> Model | ExplorerError:
    """A model, or the error that is its own; one that concerns every model raises."""
    while True:
        try:
            return await collect_model(source, name, documents=documents)
        except RateLimited as limit:
            seconds = limit.retry_after_seconds
            if seconds is None or seconds > LONGEST_WAIT_SECONDS:
                raise
            waiting(limit)
            await pause(seconds)
        except _NO_ANSWER:
            raise
        except ExplorerError as error:
            return error


async def collect_model(source: Source, name: str, *, documents: bool = False) -> Model:
    """One model with what opening it reads: its small files, its list of files and its headers.

    Raises what looking it up raises, and Unreachable or RateLimited if a header cannot be had for their
    sake; a header that is malformed or gated is left out, and a note says so.
    """
    recording = Recording(source)
    latest: opened.Model | None = None
    async for model in open_model(recording, ModelRef(name)):
        latest = model
    if latest is None:
        raise HubError(f"{name} gave nothing to read")
    _raise_if_unanswered(latest)
    repo = latest.repo
    if documents:
        await card(recording, repo)
        for file in license_files(repo):
            await recording.text(repo, file.path)
    headers, notes = await asyncio.to_thread(_headers, recording, latest.checkpoint.shards)
    found = Texts(dict(recording.texts), repo.files, repo.commit, (*repo.notes, *notes))
    return Model(name, found, headers=headers)


def _raise_if_unanswered(model: opened.Model) -> None:
    for error in [*(shard.error for shard in model.checkpoint.shards), *model.problems]:
        if isinstance(error, _NO_ANSWER):
            raise error


def _headers(recording: Recording, shards: Iterable[Shard]) -> tuple[bytes, tuple[str, ...]]:
    held = []
    missing = [shard for shard in shards if shard.header is None]
    for shard in shards:
        if shard.header is not None:
            # In a torch archive what describes the tensors stands between and behind them.
            start = None if shard.header.format == "torch" else shard.header.data_start
            held.append(held_file(shard.path, recording.ranges(shard.path), start))
    notes = []
    if missing:
        first = missing[0]
        why = f": {first.error.title}" if first.error else ""
        notes.append(f"{len(missing)} of {len(missing) + len(held)} headers are not in here{why}")
    if sum(len(data) for file in held for _, data in file.pieces) > _MOST_HEADER_BYTES:
        return b"", (*notes, "its headers are too large for a snapshot")
    return deflate_headers(held), tuple(notes)
