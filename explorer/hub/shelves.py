"""Models on disk: files, folders, and the stores that other programs keep.

Hugging Face's cache (``models--org--name/snapshots/<commit>``, links to blobs named by their hash),
Ollama's (manifests that name blobs) and LM Studio's (``publisher/model/*.gguf``).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.errors import HubError, ModelNotFound, UsageError
from explorer.hub.names import WEIGHT_SUFFIXES

_COMPANIONS = (".json", ".md", ".txt", ".jinja")
_DEEPEST = 6
_MOST_ENTRIES = 50_000
_LARGEST_MANIFEST = 1 << 20
_SHARD = re.compile(r"(?P<stem>.+)-\d{1,6}-of-(?P<total>\d{1,6})(?P<suffix>\.[a-z]+)")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_OLLAMA_FILES = {
    "application/vnd.ollama.image.model": "model.gguf",
    "application/vnd.ollama.image.projector": "mmproj.gguf",
    "application/vnd.ollama.image.adapter": "adapter.gguf",
    "application/vnd.ollama.image.draft": "draft.gguf",
    "application/vnd.ollama.image.template": "template.txt",
    "application/vnd.ollama.image.params": "params.json",
    "application/vnd.ollama.image.license": "LICENSE.txt",
}


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on disk."""

    path: Path
    """How it is named: a file, a folder, or Ollama's manifest."""
    name: str
    """For people, and to be searched: ``org/name`` where that is known."""
    origin: str
    """Whose store it lies in; empty for a plain file or folder."""
    places: Mapping[str, Path]
    """Where each of its files is, by its path within the model."""
    commit: str | None = None
    """The hub's commit, for a snapshot of its cache."""


def open_model(path: Path) -> LocalModel:
    """The model a path names.

    Raises UsageError if it names none, HubError if it can't be read.
    """
    try:
        if path.is_dir():
            model = _open_folder(path)
        elif path.is_file():
            model = ("manifests" in path.parts and _open_ollama(path)) or _open_file(path)
        elif path.exists():
            raise UsageError(
                f"{path} is no regular file", "a device or a pipe has no header to read"
            )
        else:
            raise UsageError("No such file or folder", str(path), "check the path")
    except OSError as fault:
        raise HubError(f"{path} cannot be read", fault.strerror or str(fault)) from fault
    if not any(is_weight(name) for name in model.places):
        raise UsageError(
            f"{path} holds no weights",
            hint=f"name a folder or a file of these: {', '.join(WEIGHT_SUFFIXES)}",
        )
    return model


def open_cached(
    name: str, revision: str | None, home: Path, environment: Mapping[str, str]
) -> LocalModel:
    """The model that the hub's cache has under a name, ``org/name``; raises ModelNotFound if it has none.

    ``revision`` is a branch, tag or commit that was downloaded, by default what ``main`` points to.
    """
    folder = _hub_cache(home, environment) / f"models--{name.replace('/', '--')}"
    snapshot = folder
    if revision is not None:
        named = _text_of(folder / "refs" / revision) or revision
        snapshot = folder / "snapshots" / named
    try:
        return open_model(snapshot)
    except UsageError as fault:
        at = f"@{revision}" if revision else ""
        raise ModelNotFound(
            f"{name}{at} is not on this machine",
            f"looked in {folder.parent}",
            "name a folder or a file, or leave out --source local",
        ) from fault


def find_models(
    folders: Iterable[Path], home: Path, environment: Mapping[str, str]
) -> Iterator[LocalModel]:
    """Every model in some folders and in other programs' stores; what can't be read is left out."""
    for folder in folders:
        yield from _find_in(folder, "")
    yield from _find_in_hub_cache(home, environment)
    yield from _find_in_ollama(Path(environment.get("OLLAMA_MODELS") or home / ".ollama/models"))
    for folder in (home / ".lmstudio/models", home / ".cache/lm-studio/models"):
        yield from _find_in(folder, "LM Studio")


def is_weight(name: str) -> bool:
    """Whether a file holds weights, by its name."""
    return name.lower().endswith(WEIGHT_SUFFIXES)


def _open_file(path: Path) -> LocalModel:
    """One file with the other shards of its model, and the small files beside it."""
    shard = _SHARD.fullmatch(path.name)
    places = {path.name: path}
    for beside in path.parent.iterdir():
        other = _SHARD.fullmatch(beside.name)
        same = shard and other and shard.groups() == other.groups()
        if same or beside.suffix in _COMPANIONS:
            places[beside.name] = beside
    return LocalModel(path, path.name, "", _regular(places))


def _open_folder(path: Path) -> LocalModel:
    """All files of a folder. The hub cache's own folder stands for its newest snapshot of ``main``."""
    if path.name.startswith("models--") and (path / "snapshots").is_dir():
        return _open_folder(_newest_snapshot(path))
    places = {file.relative_to(path).as_posix(): file for file in _walk(path)}
    owner = path.parent.parent.name
    if path.parent.name == "snapshots" and owner.startswith("models--"):
        name = owner.removeprefix("models--").replace("--", "/")
        commit = path.name if _COMMIT.fullmatch(path.name) else None
        return LocalModel(path, name, "Hugging Face cache", _regular(places), commit)
    return LocalModel(path, path.name, "", _regular(places))


def _open_ollama(manifest: Path) -> LocalModel | None:
    """The model of one of Ollama's manifests; None if the file is not one."""
    blobs = Path(*manifest.parts[: manifest.parts.index("manifests")]) / "blobs"
    content = _read_json(manifest)
    layers = content.get("layers")
    if not isinstance(layers, list):
        return None
    places: dict[str, Path] = {}
    for layer in layers[:100]:
        media, digest = (
            (layer.get("mediaType"), layer.get("digest")) if isinstance(layer, dict) else ("", "")
        )
        name, match = _OLLAMA_FILES.get(str(media)), _DIGEST.fullmatch(str(digest))
        if name and match:
            stem, _, suffix = name.partition(".")
            name = name if name not in places else f"{stem}-{len(places)}.{suffix}"
            places[name] = blobs / f"sha256-{match[1]}"
    *owner, model, tag = manifest.parts[manifest.parts.index("manifests") + 1 :]
    public = owner == ["registry.ollama.ai", "library"]
    title = f"{model}:{tag}" if public else "/".join([*owner[1:], f"{model}:{tag}"])
    return LocalModel(manifest, title, "Ollama", _regular(places))


def _find_in(folder: Path, origin: str) -> Iterator[LocalModel]:
    """Each folder with weights in it, and each weight file at the very top."""
    folders: dict[Path, None] = {}
    for file in _walk(folder):
        if is_weight(file.name):
            top = next((p for p in file.parents if (p / "model_index.json").is_file()), file.parent)
            folders[file if file.parent == folder else top] = None
    for path in folders:
        try:
            model = open_model(path)
        except (HubError, UsageError):
            continue
        name = path.relative_to(folder).as_posix()
        yield LocalModel(model.path, name, origin or str(folder), model.places)


def _find_in_hub_cache(home: Path, environment: Mapping[str, str]) -> Iterator[LocalModel]:
    """Models in the cache of huggingface_hub."""
    for folder in sorted(_entries(_hub_cache(home, environment))):
        if folder.name.startswith("models--"):
            try:
                yield open_model(folder)
            except (HubError, UsageError):
                continue


def _hub_cache(home: Path, environment: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps what it downloads, by the rules of its ``constants.py``."""
    xdg = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    hub_home = Path(environment.get("HF_HOME") or xdg / "huggingface")
    return Path(environment.get("HF_HUB_CACHE") or hub_home / "hub").expanduser()


def _find_in_ollama(store: Path) -> Iterator[LocalModel]:
    for manifest in _walk(store / "manifests"):
        try:
            yield open_model(manifest)
        except (HubError, UsageError):
            continue


def _newest_snapshot(repository: Path) -> Path:
    """The snapshot ``main`` points to, else the one written last."""
    snapshots = [path for path in (repository / "snapshots").iterdir() if path.is_dir()]
    if not snapshots:
        raise UsageError(f"{repository} holds no snapshot", hint="download the model again")
    commit = _text_of(repository / "refs" / "main")
    named = [path for path in snapshots if path.name == commit]
    return named[0] if named else max(snapshots, key=lambda path: path.stat().st_mtime)


def _text_of(file: Path) -> str:
    """A reference's commit; empty if there is none."""
    return file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder in order, hidden folders left out, to a bounded depth and number."""
    waiting, seen = [(folder, 0)], 0
    while waiting:
        current, depth = waiting.pop()
        for entry in sorted(_entries(current)):
            seen += 1
            if seen > _MOST_ENTRIES:
                return
            if not entry.is_dir():
                yield entry
            elif depth < _DEEPEST and not entry.name.startswith(".") and not entry.is_symlink():
                waiting.append((entry, depth + 1))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _regular(places: Mapping[str, Path]) -> dict[str, Path]:
    """Without broken links, devices and pipes; names that are no text are made one."""
    return {
        name.encode(errors="replace").decode(): place
        for name, place in sorted(places.items())
        if place.is_file()
    }


def _read_json(path: Path) -> Mapping[str, Any]:
    if path.stat().st_size > _LARGEST_MANIFEST:
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
