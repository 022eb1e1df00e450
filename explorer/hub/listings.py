"""The hub's JSON read into listings and files.

Every field may be missing or of another type than documented: it is then None or empty, and the row
stays. Nothing here raises.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from explorer.hub.fields import (
    MOST_ITEMS,
    count_of,
    mapping_of,
    moment_of,
    number_of,
    text_of,
    texts_of,
)
from explorer.hub.source import Gate, GgufSummary, Listing, RepoFile

_DEEPEST_CONFIG = 32
_RELATIONS = ("quantized", "adapter", "merge", "finetune")


def read_listing(item: object) -> Listing | None:
    """One model of ``/api/models`` or ``/api/models/{id}``; None if it does not even have a name."""
    if not isinstance(item, dict):
        return None
    name = text_of(item.get("id")) or text_of(item.get("modelId"))
    if name is None:
        return None
    card = mapping_of(item.get("cardData"))
    tags = texts_of(item.get("tags"))
    total, by_dtype = _parameters(mapping_of(item.get("safetensors")))
    bases, relation = _lineage(item.get("baseModels"), card, tags)
    return Listing(
        id=name,
        author=text_of(item.get("author")) or (name.split("/")[0] if "/" in name else None),
        sha=text_of(item.get("sha")),
        downloads=count_of(item.get("downloads")),
        likes=count_of(item.get("likes")),
        trending=number_of(item.get("trendingScore")),
        created=moment_of(item.get("createdAt")),
        updated=moment_of(item.get("lastModified")),
        task=text_of(item.get("pipeline_tag")),
        library=text_of(item.get("library_name")),
        license=_license(card, tags),
        license_name=text_of(card.get("license_name")),
        license_link=text_of(card.get("license_link")),
        gated=_gate(item.get("gated")),
        parameters=total,
        parameters_by_dtype=by_dtype,
        gguf=_gguf(item.get("gguf")),
        config=_config(item.get("config")),
        tags=tags,
        languages=texts_of(card.get("language")),
        base_models=bases,
        base_relation=relation,
        derived=_counts(item.get("childrenModelCount")),
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
    lfs = mapping_of(item.get("lfs"))
    size = count_of(lfs.get("size"))
    size = count_of(item.get("size")) if size is None else size
    name = text_of(path)
    if name is None or size is None:
        return None
    sha256 = text_of(lfs.get("sha256")) or text_of(lfs.get("oid"))
    return RepoFile(name, size, sha256 or text_of(item.get("xetHash")) or text_of(blob))


def _parameters(safetensors: Mapping[str, Any]) -> tuple[int | None, dict[str, int]]:
    counts = _counts(safetensors.get("parameters"))
    total = count_of(safetensors.get("total"))
    return (sum(counts.values()) if total is None and counts else total), counts


def _counts(value: object) -> dict[str, int]:
    """Counts by name, as far as they are that."""
    return {
        text: count
        for name, number in list(mapping_of(value).items())[:MOST_ITEMS]
        if (text := text_of(name)) is not None and (count := count_of(number)) is not None
    }


def _gguf(value: object) -> GgufSummary | None:
    summary = mapping_of(value)
    if not summary:
        return None
    return GgufSummary(
        parameters=count_of(summary.get("total")),
        architecture=text_of(summary.get("architecture")),
        context_tokens=count_of(summary.get("context_length")),
    )


def _license(card: Mapping[str, Any], tags: Iterable[str]) -> str | None:
    """The card's, else the tags'; several with commas, since all that are named may hold."""
    tagged = (tag.removeprefix("license:") for tag in tags if tag.startswith("license:"))
    named = texts_of(card.get("license")) or tuple(tagged)
    return ",".join(dict.fromkeys(named)) or None


def _lineage(
    value: object, card: Mapping[str, Any], tags: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None]:
    """Base models and relation: from ``baseModels``, else the card, else the tags."""
    summary = mapping_of(value)
    models = summary.get("models")
    if isinstance(models, list):
        named = (text_of(mapping_of(model).get("id")) for model in models[:MOST_ITEMS])
        return tuple(name for name in named if name), text_of(summary.get("relation"))
    tagged = [tag.removeprefix("base_model:") for tag in tags if tag.startswith("base_model:")]
    words = (tag.partition(":")[0] for tag in tagged if ":" in tag)
    relation = next((word for word in words if word in _RELATIONS), None)
    bases = texts_of(card.get("base_model")) or tuple(tag for tag in tagged if ":" not in tag)
    return bases, text_of(card.get("base_model_relation")) or relation


def _gate(value: object) -> Gate | None:
    if value == "manual":
        return "manual"
    if value == "auto" or value is True:
        return "auto"
    return False if value is False else None


def _config(value: object) -> Mapping[str, Any]:
    """The excerpt of config.json, which is passed on as it is unless it is nested absurdly."""
    config = mapping_of(value)
    return config if _is_shallow(config, _DEEPEST_CONFIG) else {}


def _is_shallow(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_shallow(item, depth - 1) for item in inner)
