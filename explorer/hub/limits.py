"""The hub's rate limits as its answers announce them, and how much of them is still there to use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import urlsplit

API = "api"
FILES = "resolvers"
"""The hub's names for its two buckets: answers of the API, and files."""

_LIMIT = re.compile(
    r'"(?P<bucket>\w{1,40})"\s*;\s*r\s*=\s*(?P<left>\d{1,9})\s*;\s*t\s*=\s*(?P<t>\d{1,9})'
)
_QUOTA = re.compile(r'"(?P<bucket>\w{1,40})"\s*;\s*q\s*=\s*(?P<quota>\d{1,9})')
_UNTOLD_SECONDS = 60.0
"""How long a refusal lasts that does not say so."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One bucket as an answer announced it."""

    bucket: str
    left: int
    """Requests that may still be sent in this window."""
    resets_in_seconds: float
    quota: int
    """Requests in a whole window; what is left, where the answer does not tell."""


def read_limit(headers: Mapping[str, str]) -> Limit | None:
    """``RateLimit: "api";r=499;t=295`` and its ``RateLimit-Policy``; None without them."""
    limit = _LIMIT.search(headers.get("ratelimit", ""))
    if limit is None:
        return None
    left = int(limit["left"])
    policies = _QUOTA.finditer(headers.get("ratelimit-policy", ""))
    quotas = [int(policy["quota"]) for policy in policies if policy["bucket"] == limit["bucket"]]
    return Limit(limit["bucket"], left, float(limit["t"]), max([left, *quotas[:1]]))


def resumes_in_seconds(headers: Mapping[str, str]) -> float | None:
    """When a refused request may be sent again, as the answer says; None where it does not.

    ``RateLimit: "api";r=0;t=55`` counts only when nothing is left (the header is on every answer).
    """
    limit = read_limit(headers)
    if limit and limit.left == 0:
        return limit.resets_in_seconds + 1
    after = headers.get("retry-after", "").strip()
    return float(after) + 1 if after.isdecimal() and len(after) < 10 else None


def bucket_of(url: str) -> str:
    """The bucket that a request to the hub's own origin is counted in."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return FILES
    return API if "/api/" in path and "/api/resolve-cache/" not in path else FILES


class Limits:
    """What is left of each bucket, from the latest answers. ``monotonic`` tells the time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._limits: dict[str, tuple[Limit, float]] = {}
        self._refused_until: dict[str, float] = {}

    def note(self, url: str, status: int, headers: Mapping[str, str]) -> None:
        """Read an answer of the hub."""
        limit, now = read_limit(headers), self._monotonic()
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            seconds = resumes_in_seconds(headers) or _UNTOLD_SECONDS
            self._refused_until[limit.bucket if limit else bucket_of(url)] = now + seconds
        if limit is None:
            return
        before = self._limits.get(limit.bucket)
        if before and before[1] + before[0].resets_in_seconds > now:
            # Answers overtake each other: within a window less can only become less.
            limit = replace(limit, left=min(limit.left, before[0].left))
        self._limits[limit.bucket] = limit, now

    def wait_seconds(self, bucket: str, *, keep: float = 0.0, in_flight: int = 0) -> float:
        """Seconds until one more request may go; 0 if it may go now, or nothing is known.

        ``keep`` is the share of a window that is left for others, ``in_flight`` what was sent and is not
        in the hub's figures yet.
        """
        now = self._monotonic()
        refused = max(self._refused_until.get(bucket, now) - now, 0.0)
        if bucket not in self._limits:
            return refused
        limit, noted = self._limits[bucket]
        if limit.left - in_flight > keep * limit.quota:
            return refused
        return max(noted + limit.resets_in_seconds - now, refused)
