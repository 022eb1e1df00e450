"""The small JSON files of a repository: which are read, and what is wrong with what they say."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from explorer.errors import ExplorerError, HeaderError
from explorer.hub.source import Repo, RepoFile, Source
from explorer.inspection.model import CONFIG
from explorer.weights.formats import format_of
from explorer.weights.layout import FileGroup

PIPELINE, MODULES = "model_index.json", "modules.json"
DOCUMENTS = (CONFIG, "hf_quant_config.json", PIPELINE, "adapter_config.json", MODULES)
LARGEST_DOCUMENT = 10_000_000
"""Bytes of a document that is read: what sources give at most."""
_MOST_INDICES = 8
_MOST_NAMED = 5

_INDEX = re.compile(r"(?P<base>.+)\.(?P<format>safetensors|bin)\.index(?:\.[\w-]+)?\.json")
_NUMBERED = re.compile(r"-[0-9]{5}-of-[0-9]{5}(\.[\w-]+)?\.(safetensors|bin)$")

Documents = dict[str, Mapping[str, Any]]


async def read_documents(source: Source, repo: Repo) -> tuple[Documents, list[ExplorerError]]:
    """The JSON files that are there by path, and why others could not be read.

    ``modules.json`` is a list and comes as ``{"modules": [...]}``. Of the indices of shards only those
    are read without which the shards could not be told: the usual names speak for themselves.
    """
    wanted = [file for file in repo.files if file.path in DOCUMENTS]
    wanted += _indices(repo.files)
    found = await asyncio.gather(*(_document(source, repo, file) for file in wanted))
    documents: Documents = {}
    problems = []
    for file, item in zip(wanted, found, strict=True):
        if isinstance(item, ExplorerError):
            problems.append(item)
        else:
            documents[file.path] = item
    return documents, problems


def missing_files(
    repo: Repo, documents: Documents, groups: Iterable[FileGroup]
) -> list[HeaderError]:
    """What documents name that is not there, and shards that the names of others promise.

    An index of files in a format that is not read is nobody's concern.
    """
    present = {file.path for file in repo.files}
    groups = tuple(groups)
    read = {group.format for group in groups}
    found: list[HeaderError] = []
    for path, document in documents.items():
        index = _INDEX.fullmatch(path)
        if index and (not read or format_of(f"model.{index['format']}") in read):
            found += _missing_shards(path, document, present)
    if not found:
        found += (
            HeaderError(
                f"{group.name} is not all there",
                f"{len(group.files):,} of {group.parts:,} files",
                "figures are of the files that are there",
            )
            for group in groups
            if not group.complete
        )
    if PIPELINE in documents:
        found += _missing_parts(documents[PIPELINE], present)
    return found


def json_object(path: str, text: str) -> Mapping[str, Any]:
    """The JSON object in a text. Raises HeaderError for anything else; ``path`` is named in it."""
    value = _json(path, text)
    if not isinstance(value, dict):
        raise HeaderError(f"{path} is not a JSON object")
    return value


def _json(path: str, text: str) -> object:
    try:
        value: object = json.loads(text)
    except RecursionError:
        raise HeaderError(f"{path} cannot be read", "it is nested too deep") from None
    except ValueError as error:
        raise HeaderError(f"{path} is not JSON", detail=str(error)[:200]) from error
    return value


async def _document(
    source: Source, repo: Repo, file: RepoFile
) -> Mapping[str, Any] | ExplorerError:
    path = file.path
    if file.size_bytes > LARGEST_DOCUMENT:
        return HeaderError(
            f"{path} was not read", f"it has {file.size_bytes:,} bytes", "a real one has a few KB"
        )
    try:
        text = await source.text(repo, path)
        if path != MODULES:
            return json_object(path, text or "{}")
        modules = _json(path, text or "[]")
    except ExplorerError as error:
        return error
    if not isinstance(modules, list):
        return HeaderError(f"{path} is not a list of modules")
    return {"modules": modules}


def _indices(files: Iterable[RepoFile]) -> list[RepoFile]:
    """Indices of shards whose names do not say that they are shards."""
    files = tuple(files)
    numbered = {_NUMBERED.sub("", file.path) for file in files if _NUMBERED.search(file.path)}
    found = []
    for file in files:
        index = _INDEX.fullmatch(file.path)
        if index and index["base"] not in numbered and file.size_bytes <= LARGEST_DOCUMENT:
            found.append(file)
    return found[:_MOST_INDICES]


def _missing_shards(
    path: str, document: Mapping[str, Any], present: set[str]
) -> Iterator[HeaderError]:
    listed = document.get("weight_map")
    if not isinstance(listed, Mapping) or not listed:
        yield HeaderError(f"{path} is no index of shards", "it has no weight_map")
        return
    folder = path.rpartition("/")[0]
    names = {name if isinstance(name, str) else repr(name)[:80] for name in listed.values()}
    missing = sorted(
        name for name in names if (f"{folder}/{name}" if folder else name) not in present
    )
    if missing:
        yield HeaderError(
            f"{path} names {len(missing):,} files that are not there", _listed(missing)
        )


_WEIGHTLESS = ("Tokenizer", "TokenizerFast", "Scheduler", "FeatureExtractor", "Processor")
"""Ends of the names of a pipeline's classes that are code and settings alone."""


def _missing_parts(document: Mapping[str, Any], present: set[str]) -> Iterator[HeaderError]:
    folders = {path.partition("/")[0] for path in present if "/" in path}
    missing = sorted(
        name
        for name, entry in document.items()
        # An entry is `[library, class]`; one that is switched off has nulls for both.
        if isinstance(entry, list)
        and entry
        and entry[0] is not None
        and name not in folders
        # What has no weights is no loss to figures about weights.
        and not str(entry[-1]).endswith(_WEIGHTLESS)
    )
    if missing:
        yield HeaderError(f"{PIPELINE} names parts that are not there", _listed(missing))


def _listed(names: list[str]) -> str:
    shown = ", ".join(name[:120] for name in names[:_MOST_NAMED])
    return f"{shown}, …" if len(names) > _MOST_NAMED else shown
