"""``/{id}/resolve/{rev}/{path}`` on the hub's origin, and the signed links it gives to the CDN's."""

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote

from tests.hub.access import Catalog, find_file
from tests.hub.api import file_headers
from tests.hub.messages import Answer, Request, bytes_answer, ranged, redirect, refusal
from tests.hub.repositories import HubFile, HubRepo

_SECRET = b"loopback"


class FileLinks:
    """Answers for files, on both origins."""

    def __init__(
        self, catalog: Catalog, cdn_endpoint: Callable[[], str], clock: Callable[[], float]
    ) -> None:
        self._catalog = catalog
        self._cdn_endpoint = cdn_endpoint
        self._clock = clock
        self._linked: dict[str, HubFile] = {}
        self._generation = 0
        self.lifetime_seconds = 3600

    def expire_all(self) -> None:
        """Links given so far are no longer good."""
        self._generation += 1

    def kind(self, request: Request) -> str:
        """The kind of exchange this is, for counting."""
        if request.origin == "cdn":
            return "file"
        parts = request.segments
        verbs = [part for part in parts[1:3] if part in {"resolve", "raw"}]
        return verbs[0] if verbs else "other"

    def resolve(self, request: Request) -> Answer:
        """A file, or a redirect to where it is."""
        parts = request.segments
        at = next((i for i in (1, 2) if parts[i : i + 1] in (["resolve"], ["raw"])), None)
        if at is None or len(parts) < at + 3:
            return refusal(404, "Not Found")
        if refused := self._catalog.refuse_token(request):
            return refused
        repo = self._catalog.find(request, "/".join(parts[:at]))
        if isinstance(repo, Answer):
            return repo
        if refused := self._catalog.refuse_files(request, repo):
            return refused
        found = find_file(repo, parts[at + 1], "/".join(parts[at + 2 :]))
        if isinstance(found, Answer):
            return found
        commit, file = found
        if parts[at] == "raw":
            return _raw(request, file, commit)
        return self._large(file, commit) if file.lfs else _small(repo, file, commit)

    def cdn(self, request: Request) -> Answer:
        """A file by its signed link: 403 in XML when the link is not, or no longer, good."""
        key = request.path
        query = request.query
        expires = query.get("Expires", ["0"])[0]
        signature = query.get("Signature", [""])[0]
        genuine = hmac.compare_digest(signature, self._signature(key, expires))
        if key not in self._linked or not genuine or int(expires) <= self._clock():
            text = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>'
            return bytes_answer(403, text, "application/xml")
        file = self._linked[key]
        headers = {
            "content-type": "application/octet-stream",
            "etag": f'"{file.content.sha256}"',
            "content-disposition": f'attachment; filename="{file.path.rpartition("/")[2]}"',
        }
        return ranged(request, file.content, headers)

    def _large(self, file: HubFile, commit: str) -> Answer:
        digest = file.content.sha256
        key = f"/repos/{digest[:2]}/{digest[2:4]}/{digest}/{quote(file.path.rpartition('/')[2])}"
        self._linked[key] = file
        expires = str(int(self._clock()) + self.lifetime_seconds)
        signed = f"Expires={expires}&Signature={self._signature(key, expires)}&Key-Pair-Id=LOOPBACK"
        headers = {
            "x-repo-commit": commit,
            "x-linked-etag": f'"{digest}"',
            "x-linked-size": str(file.content.size),
            "accept-ranges": "bytes",
        }
        return redirect(302, f"{self._cdn_endpoint()}{key}?{signed}", headers)

    def _signature(self, key: str, expires: str) -> str:
        signed = f"{key} {expires} {self._generation}".encode()
        return hmac.new(_SECRET, signed, hashlib.sha256).hexdigest()


def _small(repo: HubRepo, file: HubFile, commit: str) -> Answer:
    """Small files move to a cached address on the same origin, given as a path."""
    location = (
        f"/api/resolve-cache/models/{repo.id}/{commit}/{quote(file.path, safe='/')}"
        f"?etag={quote(chr(34) + file.oid + chr(34))}"
    )
    headers = {"x-repo-commit": commit, "x-linked-etag": f'"{file.oid}"'}
    return redirect(307, location, headers)


def _raw(request: Request, file: HubFile, commit: str) -> Answer:
    if file.lfs:
        return bytes_answer(200, file.pointer, "text/plain", file_headers(file, commit))
    return ranged(request, file.content, file_headers(file, commit))
