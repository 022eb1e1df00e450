"""A model of 150,000 tensors in 160 shards held open: memory and time a stage, beside huggingface_hub.

    python -m tests.benchmarks.checkpoint

Each line is a process of its own against a loopback hub in this one, without latency: it opens the model,
makes the table and the tree, and stays. "longest stall" is the longest time in which the event loop, which
paints in the UI, had no turn. Nothing is asserted: times are for people.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

import psutil

from explorer.cli.running import collect_rarely
from explorer.hub.options import open_source
from explorer.hub.source import ModelRef
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model
from explorer.inspection.structure import hold_against
from explorer.weights.tensor_filter import parse_filter
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tree import build
from tests.hub import HubServer
from tests.hub.builder import repo_of
from tests.hub.layouts import Weight
from tests.hub.repositories import HubRepo

NAME = "acme/large"
SHAPES = (("150,000 tensors, 160 shards", 150_000, 160), ("100,000 tensors, 1 file", 100_000, 1))
KINDS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("weight", "U8", (7168, 1024)),
    ("weight_scale", "F8_E4M3", (7168, 128)),
    ("global_scale", "F32", (1,)),
)
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 80,
    "hidden_size": 7168,
    "intermediate_size": 2048,
    "vocab_size": 128_000,
    "num_attention_heads": 64,
    "quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"},
}
TICK_SECONDS = 0.001
T = TypeVar("T")

_PEER = """
import gc, json, time, psutil
started = time.perf_counter()
from huggingface_hub import {function} as get
found = get("{name}")
seconds = time.perf_counter() - started
gc.collect()
print(json.dumps({{"opened, s": seconds, "resident, MB": psutil.Process().memory_info().rss / 1e6}}))
"""


def large(tensors: int, shards: int) -> HubRepo:
    """A mixture of experts in 4 bits, which has three tensors and a long name for each matrix."""
    return repo_of(NAME, list(_weights(tensors)), CONFIG, shards=shards)


def _weights(tensors: int) -> Iterator[Weight]:
    for number in range(tensors):
        matrix, kind = divmod(number, len(KINDS))
        expert, projection = divmod(matrix, 3)
        layer, expert = divmod(expert, 256)
        module = f"{('gate', 'up', 'down')[projection]}_proj.nvfp4_quantized_linear_module"
        suffix, dtype, shape = KINDS[kind]
        yield Weight(
            f"language_model.model.layers.{layer}.mlp.experts.{expert}.{module}.{suffix}",
            dtype,
            shape,
        )


class Stalls:
    """The longest time an event loop was busy with one thing."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Ask for a turn every millisecond and note how late it comes; until cancelled."""
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            self.longest = max(self.longest, time.perf_counter() - asked - TICK_SECONDS)


async def opened() -> tuple[Model, float]:
    """The model with all headers, and the longest stall meanwhile."""
    source, stalls = open_source("hub"), Stalls()
    watch = asyncio.create_task(stalls.watch())
    latest: Model | None = None
    async with aclosing(open_model(source, ModelRef(NAME))) as models:
        async for model in models:
            latest = model
    watch.cancel()
    await source.close()
    assert latest is not None
    assert latest.complete
    return latest, stalls.longest


def hold_open() -> None:
    """Do what the program does for a model that is looked into, and print what it took."""
    collect_rarely()
    taken: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        result = work()
        taken[f"{name}, s"] = time.perf_counter() - started
        return result

    model, stall = timed("opened", lambda: asyncio.run(opened()))
    taken["longest stall, s"] = stall
    table = timed("table", lambda: TensorTable.of(model.checkpoint))
    tree = timed("tree", lambda: build(table))
    timed("filter", lambda: parse_filter("experts.17. down_proj").apply(table))
    gc.collect()
    taken["resident, MB"] = psutil.Process().memory_info().rss / 1e6
    timed("diff with itself", lambda: hold_against(model, model))
    assert sum(node.tensors for node in tree) == len(table.rows)
    print(json.dumps(taken))


def measure(command: Sequence[str], endpoint: str, cache: str) -> dict[str, float]:
    """The figures one process prints."""
    environment: Mapping[str, str] = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": cache,
        "WEIGHTS_CACHE": cache,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(ran.stdout)
    return figures


def main() -> None:
    """Measure every shape and print a table."""
    ours = [sys.executable, "-m", "tests.benchmarks.checkpoint", "hold"]
    for title, tensors, shards in SHAPES:
        model = large(tensors, shards)
        headers = sum(
            int.from_bytes(file.content.read(0, 8), "little")
            for file in model.files
            if file.path.endswith(".safetensors")
        )
        print(f"\n{title}, {headers / 1e6:.1f} MB of headers")
        with HubServer([model]) as hub, tempfile.TemporaryDirectory() as folder:
            for name, command in {"explorer": ours, "huggingface_hub": _peer(shards)}.items():
                for second in (False, True):
                    figures = measure(command, hub.endpoint, str(Path(folder, name)))
                    look = "again" if second else ""
                    print(f"  {name} {look}")
                    for label, value in figures.items():
                        print(f"    {label:22}{value:9.3f}")


def _peer(shards: int) -> list[str]:
    one = "get_safetensors_metadata" if shards == 1 else "get_sharded_safetensors_metadata"
    return [sys.executable, "-c", _PEER.format(function=one, name=NAME)]


if __name__ == "__main__":
    if sys.argv[1:] == ["hold"]:
        hold_open()
    else:
        main()
