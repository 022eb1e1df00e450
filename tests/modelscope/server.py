"""Answers of ModelScope over the repositories of the loopback hub."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from tests.hub.messages import Answer, Request, json_answer, ranged, redirect
from tests.hub.repositories import HubFile, HubRepo
from tests.hub.server import HubServer

MOST_ROWS = 3_000
MOST_ENTRIES = 3_000
_SORTS = {
    "downloads": lambda repo: -repo.downloads,
    "likes": lambda repo: -repo.likes,
    "last_modified": lambda repo: -repo.updated.timestamp(),
}


def walked(files: Iterable[HubFile]) -> list[tuple[str, HubFile | None]]:
    """Entries of a tree in its order: each folder before what is in it; None stands for a folder."""
    entries: dict[str, HubFile | None] = {}
    for file in sorted(files, key=lambda file: file.path):
        parts = file.path.split("/")
        for depth in range(1, len(parts)):
            entries.setdefault("/".join(parts[:depth]), None)
        entries[file.path] = file
    return sorted(entries.items())


class ModelScopeServer(HubServer):
    """ModelScope on two ports: its site, and the store of large files.

    ``token`` opens gated and private models, as a bearer or as the session's cookie.
    """

    def __init__(self, repos: Sequence[HubRepo] = (), *, token: str = "ms-loopback") -> None:
        super().__init__()
        self.repos = {repo.id: repo for repo in repos}
        self.token = token
        self.most_entries = MOST_ENTRIES
        self.names_commit = True
        """Whether the list of files names its commit, if only by its beginning."""
        self._stored: dict[str, HubFile] = {}

    def _kind(self, request: Request) -> str:
        if request.origin == "cdn":
            return "file"
        parts = request.segments
        if parts[:3] == ["openapi", "v1", "models"]:
            return "list" if len(parts) == 3 else "info"
        if parts[-2:] == ["repo", "files"]:
            return "tree"
        return "resolve" if parts[-1] == "repo" else "other"

    def _answer(self, request: Request) -> Answer:
        if request.origin == "cdn":
            file = self._stored.get(request.path)
            if file is None or int(request.query.get("Expires", ["0"])[0]) < time.time():
                return json_answer({"Code": "AccessDenied"}, 403)
            return ranged(request, file.content, {"content-type": "application/octet-stream"})
        parts = request.segments
        if parts[:3] == ["openapi", "v1", "models"]:
            return self._open(request, "/".join(parts[3:]))
        if parts[:3] == ["api", "v1", "models"] and len(parts) > 5:
            return self._older(request, "/".join(parts[3:5]), parts[5:])
        return _missing()

    def _open(self, request: Request, name: str) -> Answer:
        if not name:
            return self._listing(request)
        repo = self.repos.get(name)
        if repo is None or (repo.private and not self._knows(request)):
            return _missing()
        return json_answer({"success": True, "request_id": "1", "data": _model_json(repo)})

    def _listing(self, request: Request) -> Answer:
        query = {name: values[0] for name, values in request.query.items()}
        number, size = int(query.get("page_number", 1)), int(query.get("page_size", 10))
        if number * size > MOST_ROWS:
            return _error(400, "InputParameterError", "page_number * page_size must be <= 3000")
        rows = [repo for repo in self.repos.values() if not repo.private and _asked(repo, query)]
        if query.get("sort") in _SORTS:
            rows.sort(key=_SORTS[query["sort"]])
        page = rows[(number - 1) * size : number * size]
        data = {
            "models": [_model_json(repo) for repo in page],
            "total_count": len(rows),
            "page_number": number,
            "page_size": size,
        }
        return json_answer({"success": True, "request_id": "1", "data": data})

    def _older(self, request: Request, name: str, rest: list[str]) -> Answer:
        repo = self.repos.get(name)
        if repo is None or (repo.private and not self._knows(request)):
            return json_answer({"Code": 10010205001, "Message": "model not found"}, 404)
        revision = request.query.get("Revision", ["master"])[0]
        tree = repo.files_at("main" if revision == "master" else revision)
        if rest == ["repo", "files"]:
            return self._files(request, tree)
        if tree is None or rest != ["repo"]:
            return json_answer({"Code": 10010204001, "Message": "revision not found"}, 404)
        if repo.gated and not self._knows(request):
            return json_answer({"Code": 10990101010, "Message": "log in first"}, 403)
        path = request.query["FilePath"][0]
        file = next((file for file in tree[1] if file.path == path), None)
        if file is None:
            return json_answer({"Code": 10010204002, "Message": "file not found"}, 404)
        if not file.lfs:
            return ranged(request, file.content, {"content-type": "application/octet-stream"})
        key = f"/{file.content.sha256}/{quote(path.rpartition('/')[2])}"
        self._stored[key] = file
        return redirect(302, f"{self.cdn_endpoint}{key}?Expires={int(time.time()) + 3600}&Sign=x")

    def _files(self, request: Request, tree: tuple[str, Sequence[HubFile]] | None) -> Answer:
        if tree is None:
            # The site's own way: a success with nothing in it.
            data: dict[str, object] = {"Files": None, "IsVisual": 0, "LatestCommitter": None}
            return json_answer({"Code": 200, "Success": True, "Data": data})
        commit, files = tree
        root = request.query.get("Root", [""])[0]
        recursive = request.query.get("Recursive", ["False"])[0] == "True"
        entries = [
            (path, file)
            for path, file in walked(files)
            if (path.startswith(f"{root}/") if root else True)
            and (recursive or "/" not in path[len(root) + 1 if root else 0 :])
        ]
        items = [_entry(path, file, commit) for path, file in entries[: self.most_entries]]
        latest = {"ShortId": commit[:8], "Name": "someone"} if self.names_commit else None
        data = {"Files": items, "IsVisual": 0, "LatestCommitter": latest}
        return json_answer({"Code": 200, "Success": True, "Data": data})

    def _knows(self, request: Request) -> bool:
        cookies = request.headers.get("cookie", "").split("; ")
        return request.token == self.token or f"m_session_id={self.token}" in cookies


def _asked(repo: HubRepo, query: dict[str, str]) -> bool:
    license_id = query.get("filter.license")
    return (
        query.get("search", "").lower() in repo.id.lower()
        and query.get("owner", repo.author) == repo.author
        and query.get("filter.task", repo.task) == repo.task
        and (license_id is None or license_id == repo.card.get("license"))
    )


def _model_json(repo: HubRepo) -> dict[str, object]:
    return {
        "id": repo.id,
        "display_name": repo.id.rpartition("/")[2],
        "description": "",
        "downloads": repo.downloads,
        "likes": repo.likes,
        "created_at": repo.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "last_modified": repo.updated.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "license": str(repo.card.get("license", "")),
        "tasks": [repo.task] if repo.task else [],
        "tags": list(repo.listed_tags),
        "file_size": sum(file.content.size for file in repo.files),
        "private": repo.private,
        "gated": repo.gated is not None,
    }


def _entry(path: str, file: HubFile | None, commit: str) -> dict[str, object]:
    name = path.rpartition("/")[2]
    if file is None:
        return {"Path": path, "Name": name, "Type": "tree", "Size": 0}
    size = file.content.size
    # LFS files have the hash of their content, as have the others; made-up ones that of a description.
    sha256 = (
        file.content.sha256 if file.lfs else hashlib.sha256(file.content.read(0, size)).hexdigest()
    )
    return {
        "Path": path,
        "Name": name,
        "Type": "blob",
        "Size": size,
        "Sha256": sha256,
        "IsLFS": file.lfs,
        "Revision": commit,
        "CommittedDate": 1_760_000_000,
    }


def _missing() -> Answer:
    return _error(404, "ResourceNotFound", "model not found")


def _error(status: int, code: str, message: str) -> Answer:
    return json_answer({"success": False, "code": code, "message": message}, status)
