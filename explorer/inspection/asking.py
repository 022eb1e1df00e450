"""An opened GGUF model planned by llama.cpp itself, beside our own figures for the same thing.

Works on files of any source: their headers are read by range and laid into sparse files of full size.
"""

import tempfile
from pathlib import Path, PurePosixPath

from explorer.engine.asking import ask, check_engine
from explorer.engine.sparse import Piece, write_sparse
from explorer.engine.told import EngineWord, Parts, Told
from explorer.errors import HeaderError, UsageError
from explorer.fit.llama_cpp.demand import demand
from explorer.fit.llama_cpp.engine import settings_of
from explorer.fit.values import Answer
from explorer.hub.source import RepoFile, Source
from explorer.inspection.fitting import Subject
from explorer.inspection.launching import group_of
from explorer.inspection.model import Model
from explorer.spans import Reading, Span
from explorer.weights.gguf import read_header

LONGEST_HEADER = 256 * 1024**2
"""Longer ones are not fetched for this."""


async def ask_engine(source: Source, model: Model, found: Subject, answer: Answer) -> EngineWord:
    """Let llama.cpp plan the file of an answer, as it would run on a processor alone.

    Fetches the whole header of each of its files, once more than was read. Raises UsageError for models
    that are not GGUF and where there is no engine, HeaderError for a header out of all bounds, and what
    the source raises.
    """
    if model.checkpoint.format != "gguf":
        raise UsageError(
            f"{model.id} is not GGUF, and llama.cpp plans GGUF files only",
            hint="ask about a GGUF repository of this model: a plan of one that is not made yet would "
            "need metadata that only its converter knows",
        )
    check_engine()
    settings = settings_of(answer.scenario)
    ours = _ours(found, answer)
    group = group_of(model, answer.scenario.quantization or "")
    files = {file.path: file for file in model.repo.files}
    with tempfile.TemporaryDirectory(prefix="weights-engine-") as folder:
        paths = []
        for path in group.files:
            paths.append(Path(folder) / PurePosixPath(path).name)
            await _lay_out(source, model, files[path], paths[-1])
        told = await ask(paths[0], settings)
    return _word(told, ours)


def _word(told: Told, ours: Parts) -> EngineWord:
    theirs = None if told.problem else Parts(told.weights, told.context, told.compute)
    return EngineWord(told.version, ours, theirs, told.rounded, told.problem)


def _ours(found: Subject, answer: Answer) -> Parts:
    """Our figures for a processor alone."""
    quantization = answer.scenario.quantization
    weights = next(option for option in found.options if option.quantization == quantization)
    needs = demand(found.architecture, weights, settings_of(answer.scenario))
    blocks = sum(needs.block_weights) + sum(needs.block_experts)
    draft = needs.draft
    return Parts(
        weights=blocks + needs.input_weights + needs.host_output_weights
        + (draft.weights if draft else 0),
        context=sum(needs.block_kv) + sum(needs.block_state) + (draft.kv if draft else 0),
        compute=needs.compute.alone + (draft.compute.alone if draft else 0),
    )  # fmt: skip


async def _lay_out(source: Source, model: Model, file: RepoFile, path: Path) -> None:
    pieces = await source.read(model.repo, file, header_pieces(file.path, file.size_bytes))
    write_sparse(path, pieces, file.size_bytes)


def header_pieces(path: str, size_bytes: int) -> Reading[tuple[Piece, ...]]:
    """All bytes of a GGUF header: those its parser reads, and then those it skips.

    Raises HeaderError as the parser does, and for a header of more than 256 MiB.
    """
    kept: list[Piece] = []
    parsing = read_header(path, size_bytes)
    spans = next(parsing)
    while True:
        data = yield spans
        kept += [Piece(span.start, part) for span, part in zip(spans, data, strict=True)]
        try:
            spans = parsing.send(data)
        except StopIteration as end:
            stop: int = end.value.data_start
            break
    if stop > LONGEST_HEADER:
        raise HeaderError(f"The header of {path} is too long to be laid out", f"{stop:,} bytes")
    missing = gaps(kept, min(stop, size_bytes))
    if missing:
        data = yield missing
        kept += [Piece(span.start, part) for span, part in zip(missing, data, strict=True)]
    return tuple(kept)


def gaps(pieces: list[Piece], stop: int) -> tuple[Span, ...]:
    """What lies between the pieces, up to ``stop``."""
    gaps, reached = [], 0
    for start, data in sorted(pieces):
        if min(start, stop) > reached:
            gaps.append(Span(reached, min(start, stop)))
        reached = max(reached, start + len(data))
    if reached < stop:
        gaps.append(Span(reached, stop))
    return tuple(gaps)
