"""Rate limits as the hub announces them on every answer: fixed windows, a bucket each for API and files."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.hub.messages import Answer, Request, refusal


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests allowed per window."""

    api: int = 100_000
    resolvers: int = 100_000
    window_seconds: int = 300

    @classmethod
    def anonymous(cls) -> "RateLimits":
        """What the hub grants without a token."""
        return cls(api=500, resolvers=3000)


class RateMeter:
    """Counts requests in the current window."""

    def __init__(self, limits: RateLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._opened = clock()
        self._used = {"api": 0, "resolvers": 0}

    def admit(self, request: Request, answer: Callable[[], Answer]) -> Answer:
        """The answer with its rate-limit headers, or 429 when the bucket is empty."""
        now = self._clock()
        if now - self._opened >= self.limits.window_seconds:
            self._opened = now
            self._used = dict.fromkeys(self._used, 0)
        bucket = _bucket(request)
        quota = self.limits.api if bucket == "api" else self.limits.resolvers
        refused = self._used[bucket] >= quota
        self._used[bucket] = min(self._used[bucket] + 1, quota)
        left = max(int(self._opened + self.limits.window_seconds - now), 0)
        given = refusal(429, _TOO_MANY) if refused else answer()
        headers = {
            "ratelimit": f'"{bucket}";r={quota - self._used[bucket]};t={left}',
            "ratelimit-policy": f'"fixed window";"{bucket}";q={quota};w={self.limits.window_seconds}',
        }
        return replace(given, headers={**given.headers, **headers})


_TOO_MANY = "You have reached your rate limit. Please retry later or authenticate."


def _bucket(request: Request) -> str:
    if request.path.startswith("/api/") and not request.path.startswith("/api/resolve-cache/"):
        return "api"
    return "resolvers"
