"""ModelScope's JSON read into listings and files, and its refusals into errors.

The surface is that of modelscope-hub 0.5.1 (``_openapi.py``, ``_legacy_api.py``, ``errors.py``). As with
the hub's own listings every field may be missing or of another type: the row stays, and nothing raises.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from explorer.errors import (
    BadToken,
    FileNotFound,
    Gated,
    HubError,
    ModelNotFound,
    RateLimited,
    Unreachable,
)
from explorer.hub.answers import Subject
from explorer.hub.client import Answer
from explorer.hub.fields import count_of, text_of, texts_of
from explorer.hub.limits import resumes_in_seconds
from explorer.hub.source import Gate, Listing, RepoFile

ACCOUNT_PAGE = "https://modelscope.cn/my/myaccesstoken"
ENVIRONMENT = "MODELSCOPE_API_TOKEN"
_MILLISECONDS = 1e12


class Tree(NamedTuple):
    """One answer of ``repo/files``."""

    files: tuple[RepoFile, ...]
    folders: tuple[str, ...]
    entries: int
    """Files and folders as the server counts them: it stops at a limit without a word."""
    commit: str | None
    """The commit of the revision, where the answer lets it be known in full."""
    known: bool
    """False for a revision that does not exist: the answer is then a success without files."""


def payload(value: object) -> Any:
    """What stands in the envelope: ``data`` of the open API, ``Data`` of the older one."""
    if not isinstance(value, dict):
        return value
    for name in ("data", "Data"):
        if name in value:
            return value[name]
    return value


def read_rows(value: object) -> tuple[tuple[Listing, ...], int]:
    """Rows of a page of the listing, and how many rows there are in all."""
    page = payload(value)
    items = _list(page, "models") if isinstance(page, dict) else page
    items = items if isinstance(items, list) else []
    rows = tuple(row for item in items if (row := read_listing(item)) is not None)
    total = count_of(page.get("total_count")) if isinstance(page, dict) else None
    return rows, total if total is not None else len(rows)


def read_listing(item: object) -> Listing | None:
    """A model as the open API gives it; None if it does not even have a name."""
    if not isinstance(item, dict):
        return None
    name = text_of(item.get("id"))
    if name is None or "/" not in name:
        return None
    tags = texts_of(item.get("tags"))
    tasks = texts_of(item.get("tasks"))
    relation, bases = _lineage(tags)
    return Listing(
        id=name,
        author=name.partition("/")[0],
        downloads=count_of(item.get("downloads")),
        likes=count_of(item.get("likes")),
        created=_moment(item.get("created_at")),
        updated=_moment(item.get("last_modified")),
        task=tasks[0] if tasks else None,
        library=_named(tags, "library:"),
        license=_license(item.get("license"), tags),
        gated=_gate(item.get("gated")),
        tags=tags + tasks[1:],
        languages=tuple(tag.partition(":")[2] for tag in tags if tag.startswith("language:")),
        base_models=bases,
        base_relation=relation,
        size_bytes=count_of(item.get("file_size")) or None,
        hub="modelscope",
    )


def read_tree(value: object) -> Tree:
    """The files of one answer of ``repo/files``."""
    data = payload(value)
    entries = _list(data, "Files") if isinstance(data, dict) else data
    known = isinstance(entries, list)
    items = (
        [item for item in entries if isinstance(item, dict)] if isinstance(entries, list) else []
    )
    files, folders, revisions = [], [], []
    for item in items:
        path = text_of(item.get("Path")) or text_of(item.get("path")) or text_of(item.get("Name"))
        if path is None or not _is_inside(path):
            continue
        if item.get("Type") == "tree":
            folders.append(path)
            continue
        size = count_of(item.get("Size"))
        if size is not None:
            files.append(RepoFile(path, size, text_of(item.get("Sha256"))))
            revisions.append(text_of(item.get("Revision")) or "")
    commit = _commit(data.get("LatestCommitter") if isinstance(data, dict) else None, revisions)
    return Tree(tuple(files), tuple(folders), len(items), commit, known)


def refusal(answer: Answer, subject: Subject, with_token: bool) -> HubError:
    """The error that an answer of 400 or above stands for."""
    message = _message(answer.body)
    status = answer.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = resumes_in_seconds(answer.headers)
        hint = f"it answers again in {seconds:.0f} s" if seconds else "try again in a few minutes"
        return RateLimited("ModelScope asks to slow down", message, hint, seconds)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _forbidden(status, subject, message, with_token=with_token)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        if subject.path:
            return FileNotFound(f"There is no {subject}", message)
        return ModelNotFound(
            f"ModelScope has no model {subject.model}, or it is private",
            message,
            "check the spelling; names differ from those on Hugging Face "
            "(weights search --hub modelscope finds them)",
        )
    return Unreachable(
        f"ModelScope failed to answer about {subject}",
        f"status {status}" + (f": {message}" if message else ""),
        "try again later" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "",
    )


def _forbidden(status: int, subject: Subject, message: str, *, with_token: bool) -> HubError:
    if subject.model and not with_token:
        return Gated(
            f"ModelScope gives {subject} only to those who are signed in",
            message,
            f"accept its terms there, then set {ENVIRONMENT} (a token from {ACCOUNT_PAGE})",
        )
    if subject.model and status == HTTPStatus.FORBIDDEN:
        return Gated(
            f"ModelScope does not give {subject} to the account of the present token",
            message,
            f"ask for access on the model's page: {subject.endpoint}/models/{subject.model}",
        )
    return BadToken(
        "ModelScope does not accept the token",
        message,
        f"make a new one at {ACCOUNT_PAGE} and set {ENVIRONMENT}, or unset it",
    )


def _message(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, dict):
        return ""
    return (text_of(content.get("message")) or text_of(content.get("Message")) or "")[:300]


def _commit(latest: object, revisions: list[str]) -> str | None:
    """The full commit: named outright, or the one revision among the files' that the short one begins.

    A file's own revision is the commit that last changed it; the newest of them is the whole tree's.
    """
    committer = latest if isinstance(latest, dict) else {}
    named = text_of(committer.get("Id"))
    if named:
        return named
    short = text_of(committer.get("ShortId"))
    if short is None or len(short) < 7:
        return None
    return next((revision for revision in revisions if revision.startswith(short)), None)


def _is_inside(path: str) -> bool:
    """A relative path that stays within the model."""
    return not path.startswith("/") and ".." not in path.split("/")


def _lineage(tags: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Relation and base models from tags as on Hugging Face: ``base_model:finetune:org/name``."""
    tagged = [tag.partition(":")[2] for tag in tags if tag.startswith("base_model:")]
    named = [tag.partition(":") for tag in tagged if ":" in tag]
    bases = dict.fromkeys([tag for tag in tagged if ":" not in tag] + [base for *_, base in named])
    return (named[0][0] if named else None), tuple(bases)


def _gate(value: object) -> Gate | None:
    if value is True:
        return "manual"
    return False if value is False else None


def _license(value: object, tags: tuple[str, ...]) -> str | None:
    """The license's id in lower case, as Hugging Face spells it; several with commas."""
    tagged = (tag.removeprefix("license:") for tag in tags if tag.startswith("license:"))
    named = texts_of(value) or tuple(tagged)
    return ",".join(dict.fromkeys(name.lower() for name in named)) or None


def _named(tags: tuple[str, ...], kind: str) -> str | None:
    return next((tag.removeprefix(kind) for tag in tags if tag.startswith(kind)), None)


def _list(value: Mapping[str, Any], name: str) -> Any:
    return value.get(name)


def _moment(value: object) -> datetime | None:
    """ISO 8601, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if count_of(value):
            seconds = float(count_of(value) or 0)
            seconds = seconds / 1000 if seconds > _MILLISECONDS else seconds
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
