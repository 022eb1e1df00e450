"""The hub's JSON read into listings and files.

Every field may be missing or of another type than documented: it is then None or empty, and the row
stays. Nothing here raises.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from explorer.hub.source import Gate, GgufSummary, Listing, RepoFile

_LONGEST_TEXT = 1_000
_MOST_ITEMS = 1_000
_DEEPEST_CONFIG = 32
_LARGEST_COUNT = 1 << 63
_RELATIONS = ("quantized", "adapter", "merge", "finetune")


def read_listing(item: object) -> Listing | None:
    """One model of ``/api/models`` or ``/api/models/{id}``; None if it does not even have a name."""
    if not isinstance(item, dict):
        return None
    name = _text(item.get("id")) or _text(item.get("modelId"))
    if name is None:
        return None
    card = _mapping(item.get("cardData"))
    tags = _texts(item.get("tags"))
    total, by_dtype = _parameters(_mapping(item.get("safetensors")))
    bases, relation = _lineage(item.get("baseModels"), card, tags)
    return Listing(
        id=name,
        author=_text(item.get("author")) or (name.split("/")[0] if "/" in name else None),
        sha=_text(item.get("sha")),
        downloads=_count(item.get("downloads")),
        likes=_count(item.get("likes")),
        trending=_number(item.get("trendingScore")),
        created=_moment(item.get("createdAt")),
        updated=_moment(item.get("lastModified")),
        task=_text(item.get("pipeline_tag")),
        library=_text(item.get("library_name")),
        license=_license(card, tags),
        license_name=_text(card.get("license_name")),
        license_link=_text(card.get("license_link")),
        gated=_gate(item.get("gated")),
        parameters=total,
        parameters_by_dtype=by_dtype,
        gguf=_gguf(item.get("gguf")),
        config=_config(item.get("config")),
        tags=tags,
        languages=_texts(card.get("language")),
        base_models=bases,
        base_relation=relation,
    )


def read_siblings(item: object) -> tuple[RepoFile, ...] | None:
    """Files named in a model's own answer; None unless every one has its size (``blobs=true``)."""
    siblings = item.get("siblings") if isinstance(item, dict) else None
    if not isinstance(siblings, list) or not siblings:
        return None
    files = [
        _file(sibling, path=sibling.get("rfilename"), blob=sibling.get("blobId"))
        for sibling in siblings
        if isinstance(sibling, dict)
    ]
    complete = tuple(file for file in files if file is not None)
    return complete if len(complete) == len(siblings) else None


def read_tree(items: object) -> tuple[RepoFile, ...]:
    """The files of one page of ``/api/models/{id}/tree``; folders are left out."""
    if not isinstance(items, list):
        return ()
    files = (
        _file(item, path=item.get("path"), blob=item.get("oid"))
        for item in items
        if isinstance(item, dict) and item.get("type", "file") == "file"
    )
    return tuple(file for file in files if file is not None)


def _file(item: Mapping[str, Any], path: object, blob: object) -> RepoFile | None:
    """A file whose size is known: an LFS file's own size, not its pointer's."""
    lfs = _mapping(item.get("lfs"))
    size = _count(lfs.get("size"))
    size = _count(item.get("size")) if size is None else size
    name = _text(path)
    if name is None or size is None:
        return None
    sha256 = _text(lfs.get("sha256")) or _text(lfs.get("oid"))
    return RepoFile(name, size, sha256 or _text(item.get("xetHash")) or _text(blob))


def _parameters(safetensors: Mapping[str, Any]) -> tuple[int | None, dict[str, int]]:
    counts = {
        name: count
        for dtype, value in list(_mapping(safetensors.get("parameters")).items())[:_MOST_ITEMS]
        if (name := _text(dtype)) is not None and (count := _count(value)) is not None
    }
    total = _count(safetensors.get("total"))
    return (sum(counts.values()) if total is None and counts else total), counts


def _gguf(value: object) -> GgufSummary | None:
    summary = _mapping(value)
    if not summary:
        return None
    return GgufSummary(
        parameters=_count(summary.get("total")),
        architecture=_text(summary.get("architecture")),
        context_tokens=_count(summary.get("context_length")),
    )


def _license(card: Mapping[str, Any], tags: Iterable[str]) -> str | None:
    named = _texts(card.get("license"))
    if named:
        return named[0]
    return next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)


def _lineage(
    value: object, card: Mapping[str, Any], tags: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None]:
    """Base models and relation: from ``baseModels``, else the card, else the tags."""
    summary = _mapping(value)
    models = summary.get("models")
    if isinstance(models, list):
        named = (_text(_mapping(model).get("id")) for model in models[:_MOST_ITEMS])
        return tuple(name for name in named if name), _text(summary.get("relation"))
    tagged = [tag.removeprefix("base_model:") for tag in tags if tag.startswith("base_model:")]
    words = (tag.partition(":")[0] for tag in tagged if ":" in tag)
    relation = next((word for word in words if word in _RELATIONS), None)
    bases = _texts(card.get("base_model")) or tuple(tag for tag in tagged if ":" not in tag)
    return bases, _text(card.get("base_model_relation")) or relation


def _gate(value: object) -> Gate | None:
    if value == "manual":
        return "manual"
    return "auto" if value == "auto" or value is True else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _config(value: object) -> Mapping[str, Any]:
    """The excerpt of config.json, which is passed on as it is unless it is nested absurdly."""
    config = _mapping(value)
    return config if _is_shallow(config, _DEEPEST_CONFIG) else {}


def _is_shallow(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_shallow(item, depth - 1) for item in inner)


def _text(value: object) -> str | None:
    """A text that can be encoded: JSON may have half a surrogate pair."""
    if not isinstance(value, str) or not value:
        return None
    return value[:_LONGEST_TEXT].encode(errors="replace").decode()


def _texts(value: object) -> tuple[str, ...]:
    """A list of strings, or one string, as cards have both."""
    items = value[:_MOST_ITEMS] if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := _text(item)) is not None)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < _LARGEST_COUNT else None


def _count(value: object) -> int | None:
    """A whole number that is not negative; JSON may write it ``7.0``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < _LARGEST_COUNT else None


def _moment(value: object) -> datetime | None:
    """An ISO 8601 moment, in UTC where it names no zone."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
