"""What the hub's answers mean: which error.

The statuses and headers are those of huggingface_hub 2.4.0 (``utils/_http.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from explorer.errors import (
    BadToken,
    FileNotFound,
    Garbled,
    Gated,
    HubError,
    ModelNotFound,
    RateLimited,
    RevisionNotFound,
    Unreachable,
)
from explorer.hub.limits import read_limit, resumes_in_seconds

__all__ = [
    "RETRIED",
    "Subject",
    "failure",
    "garbled",
    "rate_limited",
    "resumes_in_seconds",
    "unreachable",
]

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_BAD_CREDENTIALS = "Invalid credentials in Authorization header"
_DISABLED = "Access to this resource is disabled."


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request was about, to word its failure."""

    model: str = ""
    """``org/name``; empty for a listing."""
    revision: str | None = None
    path: str = ""
    """File within the model; empty for the model itself."""
    endpoint: str = ""
    """The hub's address."""

    def __str__(self) -> str:
        """``config.json of org/name@main``, or ``the listing``."""
        at = f"@{self.revision}" if self.revision else ""
        name = f"{self.model}{at}" if self.model else "the listing"
        return f"{self.path} of {name}" if self.path else name


def failure(
    status: int, headers: Mapping[str, str], subject: Subject, *, with_token: bool
) -> HubError:
    """The error an answer of 400 or above stands for."""
    code = headers.get("x-error-code", "")
    message = headers.get("x-error-message", "").strip()[:300]
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        limit = read_limit(headers)
        bucket, seconds = limit.bucket if limit else "", resumes_in_seconds(headers)
        return rate_limited(bucket, seconds, with_token=with_token)
    if code == "GatedRepo":
        return _gated(subject, with_token=with_token)
    if code in ("RevisionNotFound", "EntryNotFound"):
        return _absent(code, subject)
    if status == HTTPStatus.UNAUTHORIZED and message.startswith(_BAD_CREDENTIALS):
        return BadToken(
            "The hub does not accept the token",
            message,
            "make a new one at https://huggingface.co/settings/tokens and set HF_TOKEN, or unset it",
        )
    return _by_status(status, message, subject, with_token=with_token)


def unreachable(subject: Subject, reason: str) -> Unreachable:
    """The hub did not answer, or not in a way that can be understood."""
    return Unreachable(
        f"{subject.endpoint or 'The hub'} could not be reached",
        f"{subject}: {reason}",
        "check the network and the proxy; what was seen before and the snapshot work with --offline",
    )


def garbled(subject: Subject, reason: str) -> Garbled:
    """The hub answered with something that cannot be understood."""
    return Garbled(
        f"{subject.endpoint or 'The hub'} gave an answer that cannot be understood",
        f"{subject}: {reason}",
        "something between here and the hub may have answered in its place; "
        "what was seen before and the snapshot work with --offline",
    )


def rate_limited(bucket: str, seconds: float | None, *, with_token: bool) -> RateLimited:
    """The limit of a bucket is reached, for so long."""
    when = (
        "try again in a few minutes" if seconds is None else f"it answers again in {seconds:.0f} s"
    )
    return RateLimited(
        "The hub asks to slow down",
        f"the limit of “{bucket}” is reached" if bucket else "too many requests",
        when + ("" if with_token else "; with HF_TOKEN set the limits are higher"),
        retry_after_seconds=seconds,
    )


def _by_status(status: int, message: str, subject: Subject, *, with_token: bool) -> HubError:
    if not subject.model and status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return BadToken("The hub does not accept the token", message, "check HF_TOKEN")
    if message == _DISABLED:
        return ModelNotFound(f"The hub has disabled access to {subject.model}", message)
    if status == HTTPStatus.FORBIDDEN:
        return BadToken(
            f"The token gives no access to {subject.model}",
            message,
            "give the token the right to read this model at https://huggingface.co/settings/tokens",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        if subject.path and status != HTTPStatus.UNAUTHORIZED:
            return FileNotFound(f"There is no {subject}")
        own = (
            "the token of HF_TOKEN may not see it"
            if with_token
            else "set HF_TOKEN if it is private"
        )
        return ModelNotFound(
            f"There is no model {subject.model}, or it is private",
            hint=f"check the spelling (weights search finds names); {own}",
        )
    return Unreachable(
        f"The hub failed to answer about {subject}",
        f"status {status}" + (f": {message}" if message else ""),
        "try again later" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "",
    )


def _absent(code: str, subject: Subject) -> HubError:
    if code == "EntryNotFound":
        return FileNotFound(f"There is no {subject}")
    return RevisionNotFound(
        f"{subject.model} has no revision “{subject.revision}”",
        hint="name a branch, a tag or a commit; without “@” the default branch is read",
    )


def _gated(subject: Subject, *, with_token: bool) -> Gated:
    page = f"{subject.endpoint}/{subject.model}"
    steps = (
        f"ask for access at {page}; the account of the present HF_TOKEN does not have it"
        if with_token
        else f"accept the terms at {page}, then set HF_TOKEN (or run: hf auth login)"
    )
    return Gated(f"{subject.model} is gated: its terms must be accepted first", hint=steps)
