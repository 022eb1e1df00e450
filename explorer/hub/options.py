"""The sources put together as a person asks for them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from explorer.hub.other_names import HubName
from explorer.hub.source import Source

SourceKind: TypeAlias = Literal["auto", "hub", "snapshot", "local"]


def is_offline() -> bool:
    """Whether the environment rules the network out, read as huggingface_hub reads it."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in {"1", "ON", "YES", "TRUE"}


def folders_from_environment() -> tuple[Path, ...]:
    """Folders of models in ``WEIGHTS_FOLDERS``, separated as in ``PATH``."""
    value = os.environ.get("WEIGHTS_FOLDERS") or ""
    return tuple(Path(folder).expanduser() for folder in value.split(os.pathsep) if folder)


def open_source(
    kind: SourceKind | Path = "auto",
    *,
    hub: HubName = "huggingface",
    offline: bool = False,
    endpoint: str | None = None,
    cache: Path | None = None,
    folders: Sequence[Path] = (),
) -> Source:
    """The source for ``--source``, ``--hub`` and ``--offline``; nothing is opened before it is asked.

    ``hub`` is the live hub through the store, ``auto`` the same with the hub's cache on this disk and
    the bundled snapshot behind it for when it cannot be reached, ``local`` what lies in ``folders`` and
    in the caches of other programs, a path the snapshot in that file. Offline, hub and store answer with
    what is stored alone.
    ``cache`` is the store's folder, and the platform's where None.

    Ollama's models have no snapshot behind them: the bundled one knows of none.
    """
    if kind == "local":
        from explorer.hub.local import Local

        return Local((*folders, *folders_from_environment()))
    if isinstance(kind, Path) or kind == "snapshot":
        from explorer.hub.snapshot import Snapshot

        return Snapshot.of_file(kind) if isinstance(kind, Path) else Snapshot()
    live = _open_hub(hub, endpoint, cache, offline=offline or is_offline())
    if kind == "hub" or hub == "ollama":
        return live
    return _with_others(live, folders=folders if hub == "huggingface" else None)


# A source is imported when it is chosen: of the five, a command opens one or two.


def _with_others(live: Source, *, folders: Sequence[Path] | None) -> Source:
    """What a live hub has behind it: its models in the cache on this disk, then the snapshot."""
    from explorer.hub.fallback import Fallback
    from explorer.hub.local import Local
    from explorer.hub.snapshot import Snapshot

    nearer = None if folders is None else Local(folders)
    return Fallback(live, Snapshot(), nearer=nearer)


def _open_hub(name: HubName, endpoint: str | None, cache: Path | None, *, offline: bool) -> Source:
    from explorer.hub.store import Store
    from explorer.hub.stored import Stored

    store = Store(cache)
    if name == "modelscope":
        from explorer.hub.modelscope import ModelScope

        scope = ModelScope(endpoint, offline=offline)
        return Stored(scope, store, scope=scope.endpoint)
    if name == "ollama":
        from explorer.hub.ollama_registry import OllamaRegistry

        registry = OllamaRegistry(endpoint, offline=offline)
        return Stored(registry, store, scope=registry.endpoint)
    from explorer.hub.huggingface import HuggingFace

    hub = HuggingFace(endpoint, offline=offline)
    return Stored(hub, store, scope=hub.endpoint)
