"""All headers of a sharded model, over a loopback hub at 50 ms a request: whole processes, side by side.

    python -m tests.benchmarks.wire

Each client runs in a process of its own against a hub in this one. hf-mem takes part where it is installed
(``pip install -e '.[bench]'``); the public hub's address, which is written into it, is replaced as each of
its requests is built, and nothing else of it is touched. Nothing is asserted: times are for people.
"""

import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.hub import HubServer
from tests.hub.builder import many_tensors

LATENCY_SECONDS = 0.05
RUNS = 3
SHAPES = (("160 shards x 585 tensors", 160, 585), ("40 shards x 975 tensors", 40, 975))
REFERENCE = "huggingface_hub, by ranges"

_RANGES = "from huggingface_hub import get_safetensors_metadata as get; get('acme/many-tensors')"
_ONE = (
    "from huggingface_hub import get_sharded_safetensors_metadata as get; get('acme/many-tensors')"
)
_HF_MEM = """
import os, sys, httpx2
build = httpx2.AsyncClient.build_request
def here(self, method, url, **options):
    url = str(url).replace("https://huggingface.co", os.environ["HF_ENDPOINT"])
    return build(self, method, url, **options)
httpx2.AsyncClient.build_request = here
from hf_mem.cli import main
sys.argv = ["hf-mem", "--model-id", "acme/many-tensors"]
main()
"""


@dataclass(frozen=True)
class Client:
    """A command that reads all headers, and whether the hub offers them in one request."""

    name: str
    command: Sequence[str]
    endpoint: bool
    keeps_store: bool = False


class Measured(NamedTuple):
    """One line of the table."""

    seconds: float
    processor_seconds: float
    requests: int
    megabytes: float


def clients() -> list[Client]:
    """Everyone who takes part."""
    ours = [sys.executable, "-m", "tests.benchmarks.wire_reader"]
    peers = []
    if importlib.util.find_spec("hf_mem") is not None:
        peers.append(Client("hf-mem", [sys.executable, "-c", _HF_MEM], endpoint=False))
    return [
        Client("explorer, by ranges", ours, endpoint=False),
        Client("explorer, one request", ours, endpoint=True),
        Client("explorer, second look", ours, endpoint=False, keeps_store=True),
        Client(REFERENCE, [sys.executable, "-c", _RANGES], endpoint=False),
        Client("huggingface_hub, one request", [sys.executable, "-c", _ONE], endpoint=True),
        *peers,
    ]


def measure(client: Client, hub: HubServer, folder: Path) -> Measured:
    """What a client takes, in the median of several runs."""
    hub.api.headers_endpoint = client.endpoint
    taken = []
    for run in range(RUNS + client.keeps_store):
        cache = folder / (client.name if client.keeps_store else f"{client.name} {run}")
        hub.traffic.clear()
        taken.append(_run(client.command, hub.endpoint, cache))
    sent = sum(exchange.sent_bytes for exchange in hub.traffic.exchanges)
    wall, processor = map(statistics.median, zip(*taken[client.keeps_store :], strict=True))
    return Measured(wall, processor, hub.traffic.requests(), sent / 1e6)


def _run(command: Sequence[str], endpoint: str, cache: Path) -> tuple[float, float]:
    """Seconds on the wall and of the processor."""
    # Compiled modules are kept, as they are where a program is installed.
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "WEIGHTS_CACHE": str(cache),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, processor


def main() -> None:
    """Measure every client on every shape and print a table."""
    if importlib.util.find_spec("hf_mem") is None:
        print("hf-mem is not installed and does not take part")
    for title, shards, per_shard in SHAPES:
        model = many_tensors(shards=shards, per_shard=per_shard)
        print(f"\n{title}, {LATENCY_SECONDS * 1000:.0f} ms a request, whole process")
        with (
            HubServer([model], latency_seconds=LATENCY_SECONDS) as hub,
            tempfile.TemporaryDirectory() as folder,
        ):
            results = {c.name: measure(c, hub, Path(folder)) for c in clients()}
        reference = results[REFERENCE].seconds
        for name, it in results.items():
            print(
                f"  {name:30}{it.seconds:6.2f} s {reference / it.seconds:5.1f} x"
                f"{it.processor_seconds:6.2f} s cpu{it.requests:6} requests{it.megabytes:8.1f} MB"
            )


if __name__ == "__main__":
    main()
