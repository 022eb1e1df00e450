"""Listings and looked-up models as JSON bytes, and back: the form in which the store keeps them."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from explorer.hub.source import GgufSummary, Listing, ModelRef, Page, Repo, RepoFile

_TUPLES = ("tags", "languages", "base_models")
_MOMENTS = ("created", "updated")
_SILENT = asdict(Listing(id=""))


def encode_page(page: Page) -> bytes:
    """A page of a listing, without its age."""
    return _encode(
        {"rows": [_row(row) for row in page.rows], "more": page.more, "following": page.following}
    )


def decode_page(body: bytes, age_seconds: float) -> Page | None:
    """The page that was encoded; None if the bytes are not one."""
    try:
        content = json.loads(body)
        rows = tuple(_listing(row) for row in content["rows"])
        following = str(content.get("following", ""))
        return Page(rows, bool(content["more"]), age_seconds, following)
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
