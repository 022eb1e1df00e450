"""Things that go wrong on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from urllib.parse import unquote

from tests.hub.messages import Answer, Origin, Request, bytes_answer, refusal


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to requests that match; unset fields leave the honest answer alone."""

    path: str = "*"
    """Glob over the decoded path: ``*/model-00003-of-*``. The CDN's paths end in the file's own."""
    origin: Origin | None = None
    kind: str | None = None
    """A kind of ``Exchange``; None for all."""
    method: str | None = None
    skip: int = 0
    """Let this many matching requests pass first."""
    times: int | None = None
    """Strike this often, then heal; None for ever."""

    status: int | None = None
    """Answer with this error; 404 on a file carries the hub's ``EntryNotFound``."""
    retry_after_seconds: int | None = None
    body: bytes | None = None
    """Send this instead, with an honest length."""
    ignore_range: bool = False
    """Answer 200 and the whole file to a range."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Replace or add headers, such as a wrong ``content-range``; an empty value removes one."""
    drop_after_bytes: int | None = None
    """Cut the connection once this much of the body is sent; 0 before any answer."""
    bytes_per_second: int | None = None
    """Send the body this slowly."""
    latency_seconds: float = 0.0
    """Wait this much longer before answering."""

    def matches(self, request: Request, kind: str) -> bool:
        """Whether this request is one it strikes."""
        return (
            self.origin in {None, request.origin}
            and self.kind in {None, kind}
            and self.method in {None, request.method}
            and fnmatchcase(unquote(request.path), self.path)
        )

    def applied(self, answer: Answer) -> Answer:
        """The answer as it goes out."""
        if self.status is not None:
            answer = self._error(self.status, answer)
        if self.body is not None:
            kind = answer.headers.get("content-type", "application/octet-stream")
            answer = bytes_answer(answer.status, self.body, kind, answer.headers)
        if self.ignore_range and answer.status == 206:
            kept = {
                name: value for name, value in answer.headers.items() if name != "content-range"
            }
            answer = Answer(200, kept, answer.content, 0, answer.content.size)
        if self.headers:
            merged = {**answer.headers, **self.headers}
            answer = replace(answer, headers={name: text for name, text in merged.items() if text})
        return answer

    def _error(self, status: int, answer: Answer) -> Answer:
        limits = {
            name: text for name, text in answer.headers.items() if name.startswith("ratelimit")
        }
        if self.retry_after_seconds is not None:
            limits["retry-after"] = str(self.retry_after_seconds)
        if status == 404:
            error = refusal(404, "Entry not found", "EntryNotFound")
        else:
            error = refusal(
                status, _MESSAGES.get(status, "Internal Error - We're working hard to fix this")
            )
        return replace(error, headers={**error.headers, **limits})


_MESSAGES = {
    403: "Forbidden",
    429: "You have reached your rate limit.",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}


class FaultPlan:
    """Faults in force, the first that matches strikes."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Put one more in force."""
        self._armed.append(_Armed(fault, fault.skip, fault.times))

    def clear(self) -> None:
        """All is well again."""
        self._armed = []

    def strike(self, request: Request, kind: str) -> Fault | None:
        """The fault for this request, counted as used."""
        for armed in self._armed:
            if not armed.fault.matches(request, kind) or armed.left == 0:
                continue
            if armed.skip > 0:
                armed.skip -= 1
                continue
            if armed.left is not None:
                armed.left -= 1
            return armed.fault
        return None


@dataclass(slots=True)
class _Armed:
    fault: Fault
    skip: int
    left: int | None
