"""The metadata of all files of a model as entries, each with the files that say so."""

from collections.abc import Iterator
from typing import NamedTuple

from explorer.weights.checkpoint import Checkpoint, Shard
from explorer.weights.metadata import written
from explorer.weights.tensors import LongArray, MetadataValue

LONGEST = 20_000
"""Characters of a value that are kept; a chat template may have thousands."""


class Entry(NamedTuple):
    """One key with its value, and the files that say so."""

    key: str
    """In brackets for what is no key of the file's own: its format, a problem in it."""
    value: str
    type: str
    """``str``, ``int``, ``array``; empty for what is not the file's own."""
    paths: tuple[str, ...]


def entries(checkpoint: Checkpoint) -> tuple[Entry, ...]:
    """Return keys with their values in file order; where files agree they are named together."""
    gathered: dict[tuple[str, str, str], list[str]] = {}
    for shard in sorted(checkpoint.shards, key=lambda shard: shard.path):
        for found in _of_shard(shard):
            gathered.setdefault(found, []).append(shard.path)
    return tuple(Entry(*found, tuple(paths)) for found, paths in gathered.items())


def _of_shard(shard: Shard) -> Iterator[tuple[str, str, str]]:
    header = shard.header
    if header is None:
        return
    yield "(format)", f"{header.format} {header.version}".rstrip(), ""
    for key, value in header.metadata.items():
        yield key, written(value, LONGEST), _type(value)
    for problem in header.problems:
        yield "(problem)", problem, ""


def _type(value: MetadataValue) -> str:
    return "array" if isinstance(value, LongArray | tuple) else type(value).__name__
