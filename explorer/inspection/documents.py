"""The small JSON files of a repository: which are read, and what is wrong with what they say."""

import asyncio
import json
import re
from collections import Counter
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
_NUMBERED = re.compile(
    r"(\.safetensors|\.bin)?-[0-9]{5}-of-(?P<total>[0-9]{5})(\.[\w-]+)?\.(safetensors|bin)$"
)
_PART = re.compile(
    r"(?P<head>.+[-_.])(?P<number>[0-9]{1,6})(?P<of>-of-)(?P<total>[0-9]{1,6})(?P<tail>.*)"
)
_MOST_PARTS = 2_000

Documents = dict[str, Mapping[str, Any]]


async def read_documents(source: Source, repo: Repo) -> tuple[Documents, list[ExplorerError]]:
    """The JSON files that are there by path, and why others could not be read.

    ``modules.json`` is a list and comes as ``{"modules": [...]}``. Of the indices of shards only those
    are read without which the shards could not be told: the usual names speak for themselves, as long as
    all are there.
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


def absent_files(repo: Repo, documents: Documents, groups: Iterable[FileGroup]) -> tuple[str, ...]:
    """Paths of weight files that groups promise, by their numbers or their index, and that are not there."""
    present = {file.path for file in repo.files}
    found: dict[str, None] = {}
    for group in groups:
        if not group.complete:
            promised = _by_index(group, documents) or _by_number(group.files[0])
            found |= dict.fromkeys(path for path in promised if path not in present)
    return tuple(found)


def promised_bytes(documents: Mapping[str, Mapping[str, Any]], group: FileGroup) -> int | None:
    """Bytes of all tensors of a group, as its index says; None if there is no index, or it doesn't say."""
    metadata = _index_for(group, documents).get("metadata")
    size = metadata.get("total_size") if isinstance(metadata, Mapping) else None
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def missing_files(
    repo: Repo, documents: Documents, groups: Iterable[FileGroup], absent: Iterable[str] = ()
) -> list[HeaderError]:
    """What documents name that is not there, and shards that the names of others promise.

    An index of files in a format that is not read is nobody's concern, and what is known as ``absent`` is
    told elsewhere.
    """
    present = {file.path for file in repo.files} | {*absent}
    groups = tuple(groups)
    read = {group.format for group in groups}
    found: list[HeaderError] = []
    for path, document in documents.items():
        index = _INDEX.fullmatch(path)
        if index and (not read or format_of(f"model.{index['format']}") in read):
            found += _missing_shards(path, document, present)
    if not found and not absent:
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


def _index_for(group: FileGroup, documents: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The index of a group's shards, if it was read; otherwise nothing."""
    folder = group.files[0].rpartition("/")[0]
    for path, document in documents.items():
        index = _INDEX.fullmatch(path)
        if index and index["base"] in (f"{folder}/{group.base}".lstrip("/"), group.base):
            return document
    return {}


def _by_index(group: FileGroup, documents: Documents) -> list[str]:
    listed = _index_for(group, documents).get("weight_map")
    if not isinstance(listed, Mapping):
        return []
    folder = group.files[0].rpartition("/")[0]
    names = sorted({name for name in listed.values() if isinstance(name, str)})
    return [f"{folder}/{name}" if folder else name for name in names[:_MOST_PARTS]]


def _by_number(path: str) -> list[str]:
    """All files of a numbering, told from the name of one."""
    part = _PART.fullmatch(path)
    if part is None:
        return []
    width, total = len(part["number"]), min(int(part["total"]), _MOST_PARTS)
    ending = f"{part['of']}{part['total']}{part['tail']}"
    return [f"{part['head']}{number:0{width}}{ending}" for number in range(1, total + 1)]


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
    """Indices of shards whose names do not say that they are shards, or of which some are not there."""
    files = tuple(files)
    shards = Counter(
        (_NUMBERED.sub("", file.path), int(shard["total"]))
        for file in files
        if (shard := _NUMBERED.search(file.path))
    )
    numbered = {base for (base, total), number in shards.items() if number >= total}
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
