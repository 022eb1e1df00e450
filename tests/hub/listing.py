"""``GET /api/models``: search, filters, order and pages; and what a model's JSON holds."""

import base64
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tests.hub.access import Catalog
from tests.hub.messages import Answer, Request, json_answer, refusal
from tests.hub.repositories import HubFile, HubRepo

PAGE = 1000

EXPANDABLE = frozenset(
    {
        "author",
        "baseModels",
        "cardData",
        "config",
        "createdAt",
        "disabled",
        "downloads",
        "downloadsAllTime",
        "evalResults",
        "gated",
        "inference",
        "inferenceProviderMapping",
        "lastModified",
        "library_name",
        "likes",
        "mask_token",
        "model-index",
        "pipeline_tag",
        "private",
        "safetensors",
        "sha",
        "siblings",
        "spaces",
        "tags",
        "transformersInfo",
        "trendingScore",
        "widgetData",
        "gguf",
        "resourceGroup",
        "xetEnabled",
    }
)
"""What rows of a listing may be expanded by."""
ABOUT_ONE = EXPANDABLE | {"childrenModelCount", "usedStorage"}
"""What the answer about one model may be, which huggingface_hub's pull request 3182 tells apart."""
_DEFAULT_ROW = [
    "likes",
    "trendingScore",
    "private",
    "downloads",
    "tags",
    "pipeline_tag",
    "library_name",
    "createdAt",
]
_FULL_ROW = [*_DEFAULT_ROW, "author", "gated", "lastModified", "sha", "siblings"]
_INFO = [*_FULL_ROW, "disabled", "cardData", "config", "safetensors", "gguf", "usedStorage"]

_ORDERS: dict[str, Callable[[HubRepo], Any]] = {
    "createdAt": lambda repo: repo.created,
    "downloads": lambda repo: repo.downloads,
    "lastModified": lambda repo: repo.updated,
    "likes": lambda repo: repo.likes,
    "trendingScore": lambda repo: repo.trending,
}


class ListingPages:
    """Answers listing requests over a catalog; keeps each order sorted until the catalog changes."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._sorted: dict[str, tuple[int, list[HubRepo]]] = {}

    def answer(self, request: Request, endpoint: str) -> Answer:
        """One page, with a ``Link`` to the next."""
        query = request.query
        order = query.get("sort", ["trendingScore"])[0]
        if order not in _ORDERS:
            return refusal(400, f'Invalid sort parameter: "{order}"')
        keys = _row_keys(query)
        if unknown := sorted(set(keys) - EXPANDABLE):
            return _bad_expand(unknown, EXPANDABLE)
        limit = query.get("limit", [str(PAGE)])[0]
        start = _cursor_offset(query)
        if not limit.isdigit() or start is None:
            return refusal(400, "Invalid limit or cursor")
        size = min(max(int(limit), 1), PAGE)
        rows, more = self._page(request, order, start, size)
        headers = {"link": _next_link(request, endpoint, start + size)} if more else {}
        body = [
            {**_row(repo, keys), **({} if "expand" in query else {"modelId": repo.id})}
            for repo in rows
        ]
        return json_answer(body, 200, headers)

    def _page(
        self, request: Request, order: str, start: int, size: int
    ) -> tuple[list[HubRepo], bool]:
        """Rows of one page, and whether others follow. Stops looking as soon as it knows."""
        query = request.query
        found: list[HubRepo] = []
        for repo in self._ordered(request, order):
            if matches(repo, query):
                found.append(repo)
                if len(found) > start + size:
                    break
        return found[start : start + size], len(found) > start + size

    def _ordered(self, request: Request, order: str) -> list[HubRepo]:
        key = f"{order} {request.token}"
        version, rows = self._sorted.get(key, (-1, []))
        if version != self._catalog.version:
            rows = sorted(self._catalog.visible(request), key=_ORDERS[order], reverse=True)
            self._sorted[key] = (self._catalog.version, rows)
        return rows


def matches(repo: HubRepo, query: dict[str, list[str]]) -> bool:
    """Whether a repository is what the query asks for: every word in the name, every tag present."""
    words = " ".join(query.get("search", [])).lower().split()
    name = repo.id.lower()
    wanted_tags = [tag for value in query.get("filter", []) for tag in value.split(",") if tag]
    gated = query.get("gated", [""])[0]
    return (
        all(word in name for word in words)
        and query.get("author", [repo.author])[0] == repo.author
        and query.get("pipeline_tag", [repo.task])[0] == repo.task
        and (not gated or (gated == "true") == (repo.gated is not None))
        and all(tag in repo.listed_tags for tag in wanted_tags)
        and _in_range(repo, query.get("num_parameters", [""])[0])
    )


def _in_range(repo: HubRepo, wanted: str) -> bool:
    """``min:6B,max:128B`` over the total that the hub shows; a model without one is in no range."""
    counted = (repo.safetensors or repo.gguf or {}).get("total")
    for bound in filter(None, wanted.split(",")):
        side, _, text = bound.partition(":")
        limit = float(text[:-1]) * {"K": 1e3, "M": 1e6, "B": 1e9}[text[-1]]
        if counted is None or (counted < limit if side == "min" else counted > limit):
            return False
    return True


def model_json(
    repo: HubRepo,
    request: Request,
    commit: str,
    files: Iterable[HubFile],
    visible: Iterable[HubRepo],
) -> Answer:
    """``GET /api/models/{id}``: the whole of it, or only what ``expand`` names.

    ``visible`` are the models that are counted as made of it.
    """
    query = request.query
    keys = query.get("expand") or _INFO
    if unknown := sorted(set(keys) - ABOUT_ONE):
        return _bad_expand(unknown, ABOUT_ONE)
    value = _row(repo, keys)
    if "childrenModelCount" in keys:
        value["childrenModelCount"] = _children(repo, visible)
    if "sha" in value:
        value["sha"] = commit
    if "siblings" in value:
        blobs = query.get("blobs", [""])[0].lower() in {"true", "1"}
        value["siblings"] = [_sibling(file, blobs=blobs) for file in files]
    if "expand" not in query:
        value["modelId"] = repo.id
    return json_answer(value)


def lfs_json(file: HubFile, digest_key: str) -> dict[str, Any]:
    """The ``lfs`` object: the info call names its digest ``sha256``, the tree ``oid``."""
    return {
        digest_key: file.content.sha256,
        "size": file.content.size,
        "pointerSize": len(file.pointer),
    }


def _row(repo: HubRepo, keys: Iterable[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"_id": repo.object_id, "id": repo.id}
    for key in keys:
        value = _FIELDS[key](repo) if key in _FIELDS else None
        if value is not None:
            row[key] = value
    return row


def _sibling(file: HubFile, *, blobs: bool) -> dict[str, Any]:
    named: dict[str, Any] = {"rfilename": file.path}
    if blobs:
        named |= {"blobId": file.oid, "size": file.content.size}
        if file.lfs:
            named["lfs"] = lfs_json(file, "sha256")
    return named


def _children(repo: HubRepo, visible: Iterable[HubRepo]) -> dict[str, int]:
    """Models by relation, as dated answers of the hub have it: ``{"adapter": 716, "merge": 19, ...}``."""
    counts = dict.fromkeys(("adapter", "merge", "quantized", "finetune"), 0)
    for other in visible:
        made_of = _base_models(other)
        if made_of and repo.id in {base["id"] for base in made_of["models"]}:
            counts[made_of["relation"]] += 1
    return counts


def _base_models(repo: HubRepo) -> dict[str, Any] | None:
    bases = repo.card.get("base_model")
    if not bases:
        return None
    names = [bases] if isinstance(bases, str) else list(bases)
    relation = repo.card.get("base_model_relation", "finetune")
    return {"relation": relation, "models": [{"_id": "0" * 24, "id": name} for name in names]}


_FIELDS: dict[str, Callable[[HubRepo], Any]] = {
    "author": lambda repo: repo.author,
    "baseModels": _base_models,
    "cardData": lambda repo: dict(repo.card) or None,
    "config": lambda repo: dict(repo.config) or None,
    "createdAt": lambda repo: _moment(repo.created),
    "disabled": lambda repo: repo.disabled,
    "downloads": lambda repo: repo.downloads,
    "downloadsAllTime": lambda repo: repo.downloads * 12,
    "gated": lambda repo: repo.gated or False,
    "gguf": lambda repo: repo.gguf,
    "lastModified": lambda repo: _moment(repo.updated),
    "library_name": lambda repo: repo.library,
    "likes": lambda repo: repo.likes,
    "pipeline_tag": lambda repo: repo.task,
    "private": lambda repo: repo.private,
    "safetensors": lambda repo: repo.safetensors,
    "sha": lambda repo: repo.commits["main"],
    "siblings": lambda repo: [_sibling(file, blobs=False) for file in repo.files],
    "tags": lambda repo: list(repo.listed_tags),
    "trendingScore": lambda repo: repo.trending,
    "usedStorage": lambda repo: sum(file.content.size for file in repo.files),
}


def _row_keys(query: dict[str, list[str]]) -> list[str]:
    if "expand" in query:
        return query["expand"]
    keys = list(_FULL_ROW if query.get("full", [""])[0].lower() == "true" else _DEFAULT_ROW)
    keys += [key for key in ("cardData", "config") if query.get(key, [""])[0].lower() == "true"]
    return keys


def _bad_expand(unknown: list[str], known: frozenset[str]) -> Answer:
    allowed = ", ".join(sorted(known))
    return refusal(400, f"Invalid expand: {', '.join(unknown)}. Expected one of: {allowed}")


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _cursor_offset(query: dict[str, list[str]]) -> int | None:
    """Rows to skip; None if the cursor is not one of ours."""
    if "cursor" not in query:
        return 0
    try:
        text = base64.urlsafe_b64decode(query["cursor"][0]).decode()
    except ValueError:
        return None
    return int(text) if text.isdigit() else None


def _next_link(request: Request, endpoint: str, offset: int) -> str:
    query = {name: values for name, values in request.query.items() if name != "cursor"}
    query["cursor"] = [base64.urlsafe_b64encode(str(offset).encode()).decode()]
    return f'<{endpoint}{request.path}?{urlencode(query, doseq=True)}>; rel="next"'
