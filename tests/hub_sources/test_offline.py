"""Offline means that no socket is opened; unreachable falls back to the store, then to the snapshot."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.errors import Offline
from explorer.hub.options import open_source
from explorer.hub.source import ModelRef, Query
from tests.hub import Fault, HubServer
from tests.hub.builder import generate_listing, llama_like
from tests.hub_sources.readings import look_up, pages_of

QWEN = "Qwen/Qwen3-8B"
"""A model that the bundled snapshot has with its files."""


@pytest.fixture(name="hub")
def running_hub() -> Iterator[HubServer]:
    with HubServer([llama_like(), *generate_listing(10)]) as hub:
        yield hub


GUARDED = """
import asyncio, os, socket, sys

class Opened(BaseException):
    pass

def refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("Opened", event, arguments, file=sys.stderr)  # whoever may catch what is raised
        raise Opened

sys.addaudithook(refuse)
from explorer.cli import main
print("code", main(sys.argv[1:]))
"""


def guarded(hub: HubServer, cache: Path, *arguments: str, **environment: str) -> str:
    """What a command says in a process that is killed by any connection, even a look-up of a name."""
    import os

    ran = subprocess.run(
        [sys.executable, "-c", GUARDED, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "WEIGHTS_CACHE": str(cache),
            **environment,
        },
    )
    assert "Opened" not in ran.stderr, ran.stderr
    return ran.stdout + ran.stderr


async def test_the_guard_sees_a_connection(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Opened"):
        await asyncio.to_thread(guarded, hub, tmp_path, "search", "--source", "hub")


@pytest.mark.parametrize(
    ("options", "environment"),
    [(["--offline"], {}), ([], {"HF_HUB_OFFLINE": "1"}), ([], {"TRANSFORMERS_OFFLINE": "yes"})],
)
async def test_no_socket_is_opened_offline(
    hub: HubServer, tmp_path: Path, options: list[str], environment: dict[str, str]
) -> None:
    for command, words in (
        (["search", "qwen3-8b", "--limit", "3", "--exact", "--machine", "RTX 4090"], QWEN),
        (["fit", QWEN, "--machine", "RTX 4090"], "fits"),
        (["show", "acme/llama-tiny"], "code 4"),
    ):
        said = await asyncio.to_thread(guarded, hub, tmp_path, *command, *options, **environment)
        assert words in said
    assert hub.traffic.connections == {"hub": 0, "cdn": 0}


async def test_offline_the_store_comes_first_and_the_snapshot_after_it(
    hub: HubServer, tmp_path: Path
) -> None:
    online = open_source("auto", endpoint=hub.endpoint, cache=tmp_path)
    [page] = await pages_of(online, Query("llama", limit=5))
    await online.config(page.rows[0])
    await online.close()
    hub.traffic.clear()
    source = open_source("auto", endpoint=hub.endpoint, cache=tmp_path, offline=True)
    assert await pages_of(source, Query("llama", limit=5))
    assert source.name == "hub"
    assert await source.config(page.rows[0])
    assert (await look_up(source, QWEN)).ref == ModelRef(QWEN)
    assert source.name == "snapshot"
    with pytest.raises(Offline):
        await look_up(source, "acme/never-seen")
    assert hub.traffic.requests() == 0
    assert hub.traffic.connections == {"hub": 0, "cdn": 0}
    await source.close()


async def test_unreachable_falls_back_in_the_same_order(hub: HubServer, tmp_path: Path) -> None:
    online = open_source("auto", endpoint=hub.endpoint, cache=tmp_path)
    [page] = await pages_of(online, Query("llama", limit=5))
    await online.close()
    hub.inject(Fault(origin="hub", drop_after_bytes=0))
    source = open_source("auto", endpoint=hub.endpoint, cache=tmp_path)
    assert [p.rows for p in await pages_of(source, Query("llama", limit=5))] == [page.rows]
    assert source.name == "hub"
    assert await pages_of(source, Query("qwen3", limit=5))
    assert source.name == "snapshot"
    assert "could not be reached" in source.title
    await source.close()
