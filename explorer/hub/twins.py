"""Weight files that several models on disk share, told by hashes that are in their names already."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from explorer.hub.shelves import LocalModel, is_weight
from explorer.hub.source import Listing, Twin
from explorer.units import file_size

_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_SHA256 = 64
"""Digits of Ollama's digests and of the hub's LFS hashes; git's shorter ids are of pointers."""


def content_hash(place: Path) -> str | None:
    """The hash in the name of the blob that a cache's link points to."""
    name = place.resolve().name.removeprefix("sha256-")
    return name if _HASH.fullmatch(name) else None


def find_twins(models: Iterable[LocalModel]) -> Mapping[str, tuple[Twin, ...]]:
    """What other models have of each, by the model's path, the largest files first.

    No file is read: those of plain folders have no hash, and so no twins.
    """
    places: dict[str, list[tuple[str, str, Path]]] = {}
    for model in models:
        for name, place in model.places.items():
            content = content_hash(place) if is_weight(name) else None
            if content is not None and len(content) == _SHA256:
                places.setdefault(content, []).append((str(model.path), name, place))
    found: dict[str, list[Twin]] = {}
    for same in places.values():
        for path, name, place in same:
            others = [(model, file) for model, file, _ in same if model != path]
            if others:
                size = place.stat().st_size
                found.setdefault(path, []).extend(Twin(name, size, *each) for each in others)
    return {path: tuple(sorted(each, key=lambda t: -t.size_bytes)) for path, each in found.items()}


def twin_lines(listings: Iterable[Listing]) -> list[str]:
    """Which models have the same files, a sentence for each file: the largest first, none twice."""
    found: dict[str, int] = {}
    for listing in listings:
        same: dict[str, list[Twin]] = {}
        for twin in listing.twins:
            same.setdefault(twin.path, []).append(twin)
        for path, twins in same.items():
            places = [(listing.id, path), *((twin.model, twin.model_path) for twin in twins)]
            names = " = ".join(f"{model} ({file})" for model, file in sorted(places))
            found[f"the same {file_size(twins[0].size_bytes)}: {names}"] = twins[0].size_bytes
    return sorted(found, key=lambda line: -found[line])
