"""What went over the wire, for tests to count."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.hub.messages import Origin


@dataclass(slots=True)
class Exchange:
    """One request and what became of it."""

    origin: Origin
    kind: str
    """On the hub ``list``, ``info``, ``tree``, ``paths``, ``refs``, ``headers`` (of all shards),
    ``resolve``, ``cache`` (small files), ``raw``, ``other``; on the CDN ``file``."""
    method: str
    target: str
    headers: Mapping[str, str]
    """As received, names in lower case."""
    protocol: str
    """``1.1`` or ``2``."""
    status: int = 0
    """0 until answered."""
    sent_bytes: int = 0
    """Body bytes handed to the connection so far."""

    @property
    def range(self) -> str | None:
        """The ``Range`` header."""
        return self.headers.get("range")


@dataclass(slots=True)
class Traffic:
    """Every exchange since the server started, or since ``clear``."""

    exchanges: list[Exchange] = field(default_factory=list)
    connections: dict[Origin, int] = field(default_factory=lambda: {"hub": 0, "cdn": 0})
    in_flight: int = 0
    peak_in_flight: int = 0
    """Most requests that were being answered at once."""

    def clear(self) -> None:
        """Count from here on."""
        self.exchanges = []
        self.connections = {"hub": 0, "cdn": 0}
        self.peak_in_flight = self.in_flight

    def of(self, *, origin: Origin | None = None, kind: str | None = None) -> list[Exchange]:
        """Exchanges of one origin, of one kind, or all."""
        return [
            exchange
            for exchange in self.exchanges
            if origin in {None, exchange.origin} and kind in {None, exchange.kind}
        ]

    def requests(self, *, origin: Origin | None = None, kind: str | None = None) -> int:
        """Number of requests."""
        return len(self.of(origin=origin, kind=kind))

    def sent_bytes(self, *, origin: Origin | None = None, kind: str | None = None) -> int:
        """Body bytes sent."""
        return sum(exchange.sent_bytes for exchange in self.of(origin=origin, kind=kind))

    def ranges(self, *, origin: Origin | None = None) -> list[str]:
        """``Range`` headers received, in order."""
        return [exchange.range for exchange in self.of(origin=origin) if exchange.range]

    def saw_token(self, *, origin: Origin) -> bool:
        """Whether any request to this origin carried credentials."""
        return any(
            "authorization" in exchange.headers or "cookie" in exchange.headers
            for exchange in self.of(origin=origin)
        )

    def begin(self, exchange: Exchange) -> None:
        """Note a request that has arrived."""
        self.exchanges.append(exchange)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def end(self) -> None:
        """Note that one has been answered or given up."""
        self.in_flight -= 1
