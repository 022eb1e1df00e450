"""``/api/models/...``: info, tree, paths, refs and the headers of all shards at once."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

from tests.hub.access import Catalog, find_file
from tests.hub.contents import Content
from tests.hub.listing import ListingPages, lfs_json, model_json
from tests.hub.messages import Answer, Request, bytes_answer, json_answer, ranged, refusal
from tests.hub.repositories import HubFile, HubRepo

TREE_PAGE = 1000
TREE_PAGE_EXPANDED = 50

_KINDS = {
    "tree": "tree",
    "paths-info": "paths",
    "refs": "refs",
    "revision": "info",
    "safetensors-metadata": "headers",
}


class ModelsApi:
    """Answers everything under ``/api``."""

    def __init__(self, catalog: Catalog, endpoint: Callable[[], str]) -> None:
        self._catalog = catalog
        self._endpoint = endpoint
        self._listing = ListingPages(catalog)
        self.headers_endpoint = True
        """Whether the hub offers all headers of a sharded model in one request."""

    def kind(self, request: Request) -> str:
        """The kind of exchange this is, for counting."""
        parts = request.segments
        if parts[:2] == ["api", "resolve-cache"]:
            return "cache"
        if parts[:2] != ["api", "models"]:
            return "other"
        if len(parts) == 2:
            return "list"
        _, verb, _ = _split(parts[2:])
        return _KINDS.get(verb, "info" if not verb else "other")

    def answer(self, request: Request) -> Answer:
        """The answer to any request under ``/api``."""
        parts = request.segments
        if parts == ["api", "whoami-v2"]:
            return self._who(request)
        if refused := self._catalog.refuse_token(request):
            return refused
        if parts == ["api", "models"]:
            return self._listing.answer(request, self._endpoint())
        if parts[:3] == ["api", "resolve-cache", "models"] and len(parts) >= 7:
            return self._cached(request, "/".join(parts[3:5]), parts[5], "/".join(parts[6:]))
        if parts[:2] != ["api", "models"]:
            return refusal(404, "Not Found")
        name, verb, rest = _split(parts[2:])
        repo = self._catalog.find(request, name)
        if isinstance(repo, Answer):
            return repo
        return self._about(request, repo, verb, rest)

    def _about(self, request: Request, repo: HubRepo, verb: str, rest: Sequence[str]) -> Answer:
        if verb == "refs":
            return json_answer(_refs(repo))
        if verb == "safetensors-metadata":
            return self._headers(request, repo, "/".join(rest))
        revision = rest[0] if rest else "main"
        tree = repo.files_at(revision)
        if tree is None:
            return refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        commit, files = tree
        if verb in {"", "revision"}:
            return model_json(repo, request, commit, files, self._catalog.visible(request))
        if verb == "tree":
            return _tree(request, files, "/".join(rest[1:]).strip("/"), self._endpoint())
        if verb == "paths-info" and request.method == "POST":
            wanted = _wanted_paths(request)
            return json_answer(
                [e for e in _entries(files, "", recursive=True) if e["path"] in wanted]
            )
        return refusal(404, "Not Found")

    def _who(self, request: Request) -> Answer:
        account = self._catalog.account(request)
        if account is None:
            return refusal(401, "Invalid username or password.")
        token = {"accessToken": {"displayName": "test", "role": "read"}, "type": "access_token"}
        return json_answer({"type": "user", "name": account.name, "orgs": [], "auth": token})

    def _cached(self, request: Request, name: str, commit: str, path: str) -> Answer:
        repo = self._catalog.find(request, name)
        if isinstance(repo, Answer):
            return repo
        if refused := self._catalog.refuse_files(request, repo):
            return refused
        found = find_file(repo, commit, path)
        if isinstance(found, Answer):
            return found
        commit, file = found
        return ranged(request, file.content, file_headers(file, commit))

    def _headers(self, request: Request, repo: HubRepo, index_path: str) -> Answer:
        if not self.headers_endpoint:
            return refusal(404, "Not Found")
        if refused := self._catalog.refuse_files(request, repo):
            return refused
        found = find_file(repo, "main", index_path)
        if isinstance(found, Answer):
            return found
        index = json.loads(found[1].content.read(0, found[1].content.size))
        folder = index_path.rpartition("/")[0]
        contents = {file.path: file.content for file in repo.files}
        pieces = []
        for shard in sorted(set(index["weight_map"].values())):
            path = f"{folder}/{shard}" if folder else shard
            if path not in contents:
                return refusal(404, f"Shard not found: {shard}", "EntryNotFound")
            pieces.append(json.dumps(shard).encode() + b":" + _header_json(contents[path]))
        about = json.dumps({"metadata": index.get("metadata", {})}).encode()
        body = b'{"index":' + about + b',"headers":{' + b",".join(pieces) + b"}}"
        return bytes_answer(200, body, "application/json; charset=utf-8")


def file_headers(file: HubFile, commit: str) -> dict[str, str]:
    """Headers of a file that is answered directly."""
    return {
        "content-type": "text/plain; charset=utf-8",
        "etag": f'"{file.oid}"',
        "x-repo-commit": commit,
        "content-disposition": f'inline; filename="{file.path.rpartition("/")[2]}"',
    }


def _header_json(content: Content) -> bytes:
    length = int.from_bytes(content.read(0, 8), "little")
    return content.read(8, 8 + length)


def _split(parts: Sequence[str]) -> tuple[str, str, Sequence[str]]:
    """Name, verb and the rest. Old models have no owner in their name."""
    if len(parts) == 1 or parts[1] in _KINDS:
        return parts[0], parts[1] if len(parts) > 1 else "", parts[2:]
    return "/".join(parts[:2]), parts[2] if len(parts) > 2 else "", parts[3:]


def _refs(repo: HubRepo) -> dict[str, Any]:
    branches = [
        {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
        for name, commit in repo.commits.items()
    ]
    return {"branches": branches, "tags": [], "converts": []}


def _wanted_paths(request: Request) -> set[str]:
    if "json" in request.headers.get("content-type", ""):
        return set(json.loads(request.body)["paths"])
    return set(parse_qs(request.body.decode()).get("paths", []))


def _tree(request: Request, files: Sequence[HubFile], folder: str, endpoint: str) -> Answer:
    query = request.query
    recursive = query.get("recursive", ["false"])[0].lower() in {"true", "1"}
    expanded = query.get("expand", ["false"])[0].lower() in {"true", "1"}
    entries = _entries(files, folder, recursive=recursive)
    if folder and not entries:
        return refusal(404, f"{folder} does not exist on this revision", "EntryNotFound")
    page = TREE_PAGE_EXPANDED if expanded else TREE_PAGE
    try:
        start = int(base64.urlsafe_b64decode(query.get("cursor", ["MA=="])[0]))
    except ValueError:
        return refusal(400, "Invalid cursor")
    headers = {}
    if start + page < len(entries):
        kept = {name: values for name, values in query.items() if name != "cursor"}
        kept["cursor"] = [base64.urlsafe_b64encode(str(start + page).encode()).decode()]
        following = urlencode(kept, doseq=True)
        headers["link"] = f'<{endpoint}{request.path}?{following}>; rel="next"'
    return json_answer(entries[start : start + page], 200, headers)


def _entries(files: Sequence[HubFile], folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Files and folders below a folder, folders once each, by path."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for file in files:
        if not file.path.startswith(prefix):
            continue
        parts = file.path[len(prefix) :].split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            path = prefix + "/".join(parts[:depth])
            entries[path] = {"type": "directory", "oid": _folder_oid(path), "size": 0, "path": path}
        if recursive or len(parts) == 1:
            entries[file.path] = _file_entry(file)
    return [entries[path] for path in sorted(entries)]


def _file_entry(file: HubFile) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": "file",
        "oid": file.oid,
        "size": file.content.size,
        "path": file.path,
    }
    if file.lfs:
        entry["lfs"] = lfs_json(file, "oid")
    return entry


def _folder_oid(path: str) -> str:
    return path.encode().hex().ljust(40, "0")[:40]
