"""A hub that takes a connection and then says nothing."""

import pytest

from explorer.errors import Unreachable
from explorer.hub.answers import Subject
from explorer.hub.client import Client
from tests.hub import Fault, HubServer


async def at_once(_seconds: float) -> None:
    """Waits for nothing, so that retries follow each other."""


async def test_a_silent_hub_is_asked_twice_and_the_silence_is_named() -> None:
    with HubServer([]) as hub:
        hub.inject(Fault(latency_seconds=0.5))
        client = Client(hub.endpoint, token="", pause=at_once, quiet_seconds=0.05)
        try:
            with pytest.raises(Unreachable) as raised:
                await client.get(
                    f"{hub.endpoint}/api/models", Subject(endpoint=hub.endpoint), limit=1024
                )
        finally:
            await client.close()
        assert "nothing came for 0.05 seconds" in str(raised.value.detail)
        assert client.transfer.requests == 2
