"""A request and the answer to it, whatever version of HTTP carries them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import parse_qs, unquote

from tests.hub.contents import Content, RealBytes

Origin = Literal["hub", "cdn"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for."""

    origin: Origin
    method: str
    target: str
    """Path and query as sent."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    protocol: str = "1.1"

    @property
    def path(self) -> str:
        """Path as sent, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def segments(self) -> list[str]:
        """Decoded parts of the path: an encoded slash stays within its part."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def query(self) -> dict[str, list[str]]:
        """Decoded query; ``expand[]`` is read as ``expand``."""
        parsed = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        merged: dict[str, list[str]] = {}
        for name, values in parsed.items():
            merged.setdefault(name.removesuffix("[]"), []).extend(values)
        return merged

    @property
    def token(self) -> str | None:
        """The bearer token, if one was sent."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sends back: a slice of some content, which is never held whole."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Content = field(default_factory=lambda: RealBytes(b""))
    start: int = 0
    stop: int = 0

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.stop - self.start

    def with_headers(self, **headers: str) -> "Answer":
        """The same with further headers; underscores stand for hyphens."""
        added = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **added})


def bytes_answer(
    status: int, data: bytes, kind: str, headers: Mapping[str, str] | None = None
) -> Answer:
    """An answer whose body is at hand."""
    return Answer(status, {"content-type": kind, **(headers or {})}, RealBytes(data), 0, len(data))


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """An answer in JSON."""
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return bytes_answer(status, data, "application/json; charset=utf-8", headers)


def refusal(status: int, message: str, code: str | None = None, **headers: str) -> Answer:
    """An error as the hub words it: JSON body, ``X-Error-Message`` and, if it has one, ``X-Error-Code``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["x-error-message"] = message
    if code:
        named["x-error-code"] = code
    return json_answer({"error": message}, status, named)


def redirect(status: int, location: str, headers: Mapping[str, str] | None = None) -> Answer:
    """A redirect with the short text body that the hub sends along."""
    text = f"Redirecting to {location}".encode()
    return bytes_answer(
        status, text, "text/plain; charset=utf-8", {**(headers or {}), "location": location}
    )


def ranged(request: Request, content: Content, headers: Mapping[str, str]) -> Answer:
    """The content, or the one range of it that was asked for: 200, 206 or 416."""
    size = content.size
    common = {**headers, "accept-ranges": "bytes"}
    asked = request.headers.get("range")
    if asked is None:
        return Answer(200, common, content, 0, size)
    span = _parse_range(asked, size)
    if span is None:
        return refusal(416, "Requested range not satisfiable", content_range=f"bytes */{size}")
    start, stop = span
    return Answer(
        206, {**common, "content-range": f"bytes {start}-{stop - 1}/{size}"}, content, start, stop
    )


def _parse_range(header: str, size: int) -> tuple[int, int] | None:
    unit, _, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not (first or last):
        return None
    if not all(part.isdigit() for part in (first, last) if part):
        return None
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    return (start, stop) if start < stop else None
