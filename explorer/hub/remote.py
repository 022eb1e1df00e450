"""What every hub over HTTP has: one client, one reader of ranges, a title and an account."""

from explorer.hub.answers import Subject
from explorer.hub.client import Client
from explorer.hub.ranges import RangedReader, run
from explorer.hub.source import RepoFile, Transfer
from explorer.spans import Reading, Span, T


class Remote:
    """The part of a ``Source`` that does not depend on what its hub answers."""

    public = ("", "")
    """Address of the public hub, and the name people know it by."""

    def __init__(self, endpoint: str, client: Client) -> None:
        self.endpoint = endpoint
        self._client = client
        self._ranges = RangedReader(client)

    @property
    def title(self) -> str:
        """The public hub's name, or the address of another hub of its kind."""
        address, title = self.public
        return title if self.endpoint == address else self.endpoint

    @property
    def transfer(self) -> Transfer:
        """Requests, bytes and seconds so far."""
        return self._client.transfer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _read_at(self, url: str, file: RepoFile, subject: Subject, reading: Reading[T]) -> T:
        """Run a parser over ranges of the file at ``url``."""

        async def fetch(spans: tuple[Span, ...]) -> tuple[bytes, ...]:
            return await self._ranges.read(url, file.size_bytes, subject, spans)

        return await run(reading, fetch)
