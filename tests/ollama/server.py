"""Answers of the registry, made from a few layers."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from tests.hub.contents import Content, RealBytes
from tests.hub.messages import Answer, Request, bytes_answer, json_answer, ranged, redirect
from tests.hub.server import HubServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_REDIRECTED = 100_000
"""Blobs of more bytes lie elsewhere."""


@dataclass(frozen=True)
class OllamaModel:
    """A model: its layers by kind, and what its configuration says."""

    name: str
    """``library/llama3.2``."""
    tag: str
    layers: list[tuple[str, Content]]
    """Kind, as in ``application/vnd.ollama.image.<kind>``, and content."""
    config: dict[str, object] = field(default_factory=dict)

    @cached_property
    def config_blob(self) -> RealBytes:
        """The configuration as a blob."""
        return RealBytes(json.dumps(self.config).encode())

    @cached_property
    def manifest(self) -> bytes:
        """The manifest's bytes, whose hash is the model's digest."""
        layers = [
            _layer(f"application/vnd.ollama.image.{kind}", content) for kind, content in self.layers
        ]
        config = _layer("application/vnd.docker.container.image.v1+json", self.config_blob)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        return json.dumps(manifest).encode()

    @property
    def digest(self) -> str:
        """sha256 of the manifest."""
        return hashlib.sha256(self.manifest).hexdigest()


class OllamaServer(HubServer):
    """The registry and the store that it redirects to."""

    def __init__(self, models: Iterable[OllamaModel] = ()) -> None:
        super().__init__()
        self.models = {(model.name, model.tag): model for model in models}

    def _kind(self, request: Request) -> str:
        if request.origin == "cdn":
            return "file"
        parts = request.segments
        return {"manifests": "manifest", "blobs": "blob"}.get(parts[-2], "other")

    def _answer(self, request: Request) -> Answer:
        if request.origin == "cdn":
            return self._stored(request)
        parts = request.segments
        if len(parts) != 5 or parts[0] != "v2":
            return _unknown("NAME_UNKNOWN")
        name = "/".join(parts[1:3])
        if parts[3] == "manifests":
            model = self.models.get((name, parts[4]))
            if model is None or request.headers.get("accept") != MANIFEST:
                return _unknown("MANIFEST_UNKNOWN")
            return bytes_answer(200, model.manifest, MANIFEST)
        return self._blob(request, parts[4])

    def _blob(self, request: Request, digest: str) -> Answer:
        content = self._find(digest)
        if content is None:
            return _unknown("BLOB_UNKNOWN")
        if content.size <= _REDIRECTED:
            return ranged(request, content, {"content-type": "application/octet-stream"})
        signed = f"X-Amz-Date=20991101T000000Z&X-Amz-Expires=86400&X-Amz-Signature={digest[-8:]}"
        return redirect(307, f"{self.cdn_endpoint}/ollama/{digest}/data?{signed}")

    def _stored(self, request: Request) -> Answer:
        content = self._find(request.segments[1])
        if content is None or "X-Amz-Signature" not in request.query:
            return bytes_answer(403, b"<Error/>", "application/xml")
        return ranged(request, content, {"content-type": "application/octet-stream"})

    def _find(self, digest: str) -> Content | None:
        blobs = [
            content
            for model in self.models.values()
            for content in (model.config_blob, *(content for _, content in model.layers))
        ]
        return next((blob for blob in blobs if f"sha256:{blob.sha256}" == digest), None)


def _layer(media: str, content: Content) -> dict[str, object]:
    return {"mediaType": media, "digest": f"sha256:{content.sha256}", "size": content.size}


def _unknown(code: str) -> Answer:
    return json_answer({"errors": [{"code": code, "message": "not found"}]}, 404)
