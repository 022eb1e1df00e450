"""A manifest of Ollama's registry, read into the files of a model.

The names of the layers are those under which Ollama's own store shows them here (``shelves``).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.errors import HubError
from explorer.hub.answers import Subject, garbled
from explorer.hub.source import GgufSummary, Listing, RepoFile

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MOST_LAYERS = 1_000
"""Models have a dozen; those stored tensor by tensor have more and are not read."""

_KINDS = {
    "model": "model.gguf",
    "projector": "mmproj.gguf",
    "adapter": "adapter.gguf",
    "draft": "draft.gguf",
    "template": "template.txt",
    "prompt": "template.txt",  # its former name
    "system": "system.txt",
    "params": "params.json",
    "messages": "messages.json",
    "license": "LICENSE.txt",
}
_MEDIA = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LARGEST = 1 << 50
_UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_SIZE = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,6})?)(?P<unit>[KMBT])")
# Checked in this order: a title that is part of another one stands behind it.
_LICENSES = (
    ("llama 4 community license", "llama4"),
    ("llama 3.3 community license", "llama3.3"),
    ("llama 3.2 community license", "llama3.2"),
    ("llama 3.1 community license", "llama3.1"),
    ("meta llama 3 community license", "llama3"),
    ("llama 2 community license", "llama2"),
    ("gemma terms of use", "gemma"),
    ("apache license", "apache-2.0"),
    ("mit license", "mit"),
    ("permission is hereby granted, free of charge", "mit"),
)
_TITLE_WITHIN = 2_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """The layers of a model."""

    digest: str
    """sha256 of the manifest itself: what ``ollama list`` shows the beginning of."""
    files: tuple[RepoFile, ...]
    config: RepoFile | None
    """The model's description, which is no file of it."""
    notes: tuple[str, ...] = ()

    @property
    def license(self) -> RepoFile | None:
        """The first license, if the model carries one."""
        return next((file for file in self.files if file.path.startswith("LICENSE")), None)


def read_manifest(body: bytes, subject: Subject) -> Manifest:
    """The manifest's files. Raises Unreachable for bytes that are none, HubError for other layers."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise garbled(subject, "its manifest is not JSON") from fault
    layers = content.get("layers") if isinstance(content, dict) else None
    if not isinstance(layers, list):
        raise garbled(subject, "its manifest has no layers")
    files: dict[str, RepoFile] = {}
    other = 0
    for layer in layers[:MOST_LAYERS]:
        media = str(layer.get("mediaType")) if isinstance(layer, dict) else ""
        name = _KINDS.get(media.removeprefix(_MEDIA).partition(";")[0])
        file = _blob(layer, _unused(name, files)) if name else None
        if file is None:
            other += 1
        else:
            files[file.path] = file
    if not any(path.endswith(".gguf") for path in files):
        raise HubError(
            f"{subject.model} is not stored as GGUF",
            f"its {len(layers):,} layers are of other kinds",
            "models that run in Ollama's cloud, and those stored tensor by tensor, are not read",
        )
    notes = (f"{other} layers of other kinds are not read",) if other else ()
    digest = hashlib.sha256(body).hexdigest()
    config = _blob(content.get("config"), "config of the image")
    return Manifest(digest, tuple(files.values()), config, notes)


def listing_of(
    name: str, manifest: Manifest, config: Mapping[str, object], license_text: str
) -> Listing:
    """What manifest, configuration and license say of the model, as a row of a listing."""
    family = _text(config.get("model_family"))
    kind = _text(config.get("file_type"))
    return Listing(
        id=name,
        author="ollama" if "/" not in name else name.removeprefix("ollama:").partition("/")[0],
        sha=manifest.digest,
        library="gguf",
        license=license_of(license_text),
        license_name="as its license layer says" if license_text else None,
        gguf=GgufSummary(_parameters(config.get("model_type")), family),
        tags=tuple(tag for tag in ("gguf", family, kind) if tag),
        size_bytes=sum(file.size_bytes for file in manifest.files),
        hub="ollama",
    )


def license_of(text: str) -> str | None:
    """The id of a license by the title it begins with; ``other`` for one that is not told apart."""
    if not text.strip():
        return None
    beginning = " ".join(text[:_TITLE_WITHIN].lower().split())
    return next((found for title, found in _LICENSES if title in beginning), "other")


def _blob(layer: object, path: str) -> RepoFile | None:
    if not isinstance(layer, dict):
        return None
    digest, size = _DIGEST.fullmatch(str(layer.get("digest"))), layer.get("size")
    if not digest or type(size) is not int or not 0 <= size < _LARGEST:
        return None
    return RepoFile(path, size, digest[1])


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    """``LICENSE.txt``, then ``LICENSE-2.txt``."""
    if name not in taken:
        return name
    stem, _, suffix = name.partition(".")
    number = sum(path.startswith(stem) for path in taken) + 1
    return f"{stem}-{number}.{suffix}"


def _parameters(value: object) -> int | None:
    """``8.0B`` as a count: what Ollama rounds the model's size to."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return round(float(match["number"]) * _UNITS[match["unit"]]) if match else None


def _text(value: object) -> str | None:
    return (
        value[:100].encode(errors="replace").decode() if isinstance(value, str) and value else None
    )
