"""Listings and looked-up models as JSON bytes, and back: the form in which the store keeps them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from types import NoneType
from typing import Any

from explorer.hub.source import GgufSummary, Listing, ModelRef, Page, Repo, RepoFile

_TUPLES = ("tags", "languages", "base_models")
_MOMENTS = ("created", "updated")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "config": (dict,),
    "parameters_by_dtype": (dict,),
    "derived": (dict,),
    "trending": (int, float, NoneType),
    "hub": (str,),
    "provenance": (str,),
    **dict.fromkeys(("downloads", "likes", "parameters", "size_bytes"), (int, NoneType)),
    **dict.fromkeys(("author", "sha", "task", "library", "license"), (str, NoneType)),
    **dict.fromkeys(("license_name", "license_link", "base_relation"), (str, NoneType)),
    "gated": (str, bool, NoneType),
}
_SILENT = asdict(Listing(id=""))


def encode_page(page: Page) -> bytes:
    """A page of a listing, without its age."""
    rows = [_row(row) for row in page.rows]
    content = {"rows": rows, "more": page.more, "following": page.following}
    return _encode(content | ({"note": page.note} if page.note else {}))


def decode_page(body: bytes, age_seconds: float) -> Page | None:
    """The page that was encoded; None if the bytes are not one."""
    try:
        content = json.loads(body)
        rows = tuple(_listing(row) for row in content["rows"])
        following = str(content.get("following", ""))
        note = str(content.get("note", ""))
        return Page(rows, bool(content["more"]), age_seconds, following, note)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def encode_repo(repo: Repo) -> bytes:
    """A model that was looked up, without its age."""
    files = [[file.path, file.size_bytes, file.content_hash] for file in repo.files]
    content = {"listing": _row(repo.listing), "commit": repo.commit, "files": files}
    return _encode(content | ({"notes": repo.notes} if repo.notes else {}))


def decode_repo(body: bytes, ref: ModelRef, age_seconds: float) -> Repo | None:
    """The model that was encoded; None if the bytes are not one."""
    try:
        content = json.loads(body)
        files = tuple(RepoFile(*file) for file in content["files"])
        notes = tuple(content.get("notes", ()))
        return Repo(ref, _listing(content["listing"]), content["commit"], files, age_seconds, notes)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def encode_listing(listing: Listing) -> dict[str, Any]:
    """A row as plain values for JSON."""
    row: dict[str, Any] = json.loads(_encode(_row(listing)))
    return row


def decode_listing(row: Any) -> Listing:
    """The row that was encoded. Raises KeyError, TypeError or ValueError for anything else."""
    listing = _listing(row)
    for name, kinds in _KINDS.items():
        if not isinstance(getattr(listing, name), kinds):
            raise TypeError(f"{name} of a row is of the wrong type")
    for name in _TUPLES:
        if not all(isinstance(item, str) for item in getattr(listing, name)):
            raise TypeError(f"{name} of a row are no texts")
    return listing


def _row(listing: Listing) -> dict[str, Any]:
    """The name, and the fields that say something."""
    said = {name: value for name, value in asdict(listing).items() if value != _SILENT[name]}
    return {**said, "id": listing.id}


def _listing(row: Any) -> Listing:
    if not isinstance(row, dict):
        raise TypeError("not a row")
    known = {name: value for name, value in row.items() if name in _SILENT}
    known |= {name: tuple(known[name]) for name in _TUPLES if name in known}
    known |= {name: datetime.fromisoformat(known[name]) for name in _MOMENTS if name in known}
    if "gguf" in known:
        known["gguf"] = GgufSummary(**known["gguf"])
    return Listing(**known)


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, default=datetime.isoformat, separators=(",", ":")).encode()
