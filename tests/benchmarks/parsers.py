"""How fast headers are parsed, beside other decoders: ``python -m tests.benchmarks.parsers``.

The input is a model of 150,000 tensors in 160 shards, and the same in one file. Each figure is the
best of five runs in this process, with the garbage collector at work as in the program. The decoders
only turn JSON into dicts (or structs); the parser of the project goes on to check every tensor.

"longest wait" is what another thread, such as the one that paints, had to wait for the interpreter:
the longest gap between its turns while a header was parsed.
"""

import importlib
import json
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable
from types import ModuleType

from explorer.spans import drive
from explorer.weights.gguf import read_header as read_gguf
from explorer.weights.safetensors import parse_header
from tests.weights.formats.writers import Gguf

Shard = list[tuple[str, str, list[int], int]]


def model(shards: int = 160, tensors: int = 150_000) -> list[bytes]:
    """JSON headers of a mixture of experts in 4 bits, which has three tensors for each matrix."""
    kinds: tuple[tuple[str, str, list[int]], ...] = (
        ("weight", "U8", [7168, 1024]),
        ("weight_scale", "F8_E4M3", [7168, 128]),
        ("global_scale", "F32", []),
    )
    entries: Shard = []
    matrix = 0
    while len(entries) < tensors:
        layer, expert = divmod(matrix // 3, 256)
        name = (
            f"model.layers.{layer}.mlp.experts.{expert}.{('gate', 'up', 'down')[matrix % 3]}_proj"
        )
        for kind, dtype, shape in kinds:
            size = 4 if dtype == "F32" else shape[0] * shape[1]
            entries.append(
                (
                    f"language_model.{name}.nvfp4_quantized_linear_module_with_scales_for_dispatch.{kind}",
                    dtype,
                    shape,
                    size,
                )
            )
        matrix += 1
    step = -(-tensors // shards)
    return [_json(entries[at : at + step]) for at in range(0, tensors, step)]


def _json(entries: Shard) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, dtype, shape, size in entries:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
    return json.dumps(header, separators=(",", ":")).encode()


def best(work: Callable[[], object], runs: int = 5) -> float:
    """Shortest of some runs, in seconds."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def longest_wait(work: Callable[[], object]) -> float:
    """Longest time for which another thread could not run while ``work`` did, in seconds."""
    worker = threading.Thread(target=work)
    longest, last = 0.0, time.perf_counter()
    worker.start()
    while worker.is_alive():
        time.sleep(0.0005)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


def decoders() -> dict[str, Callable[[bytes], object]]:
    """Ways to read a header's JSON; those that are not installed are left out."""
    found: dict[str, Callable[[bytes], object]] = {
        "this project, checked tensors": lambda data: parse_header("model", data, None),
        "json.loads": json.loads,
    }
    if orjson := _installed("orjson"):
        found["orjson.loads"] = orjson.loads
    if msgspec := _installed("msgspec"):
        found["msgspec.json.decode"] = msgspec.json.decode
    return found


def _installed(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def memory(shards: Iterable[bytes]) -> int:
    """Bytes that the headers of all shards keep in memory."""
    tracemalloc.start()
    kept = [parse_header("model", shard, None) for shard in shards]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept
    return size


def vocabulary(words: int = 250_000) -> bytes:
    """A GGUF header of 13 MB, nearly all of it tokens and merges."""
    written = Gguf().text("general.architecture", "llama")
    written.strings("tokenizer.ggml.tokens", [f"token{i:07d}" for i in range(words)])
    written.strings("tokenizer.ggml.merges", [f"tok{i:07d} en{i:07d}" for i in range(words)])
    for block in range(100):
        written.tensor(f"blk.{block}.ffn_up.weight", 12, [4096, 1024], 0)
    return written.file()


def main() -> None:
    """Print everything, with ratios to this project's parser."""
    shards, (whole,) = model(), model(shards=1)
    sizes = f"{sum(map(len, shards)) / 1e6:.1f} MB of headers, 150,000 tensors"
    print(f"safetensors: {sizes}; in {len(shards)} shards, and in one file")
    print(f"{'':32}{'shards':>9}{'ratio':>8}{'one file':>10}{'ratio':>8}{'longest wait':>15}")
    ours: tuple[float, float] | None = None
    for name, decode in decoders().items():

        def parse_all(decode: Callable[[bytes], object] = decode) -> list[object]:
            return [decode(shard) for shard in shards]

        def parse_one(decode: Callable[[bytes], object] = decode) -> object:
            return decode(whole)

        seconds, one = best(parse_all), best(parse_one)
        ours = ours or (seconds, one)
        wait = min(longest_wait(parse_one) for _ in range(3))
        print(
            f"{name:32}{seconds * 1e3:6.0f} ms{seconds / ours[0]:8.2f}{one * 1e3:7.0f} ms"
            f"{one / ours[1]:8.2f}{wait * 1e3:12.0f} ms"
        )
    print(f"kept in memory: {memory(shards) / 1e6:.0f} MB")
    data = vocabulary()
    spent = best(
        lambda: drive(read_gguf("m", len(data)), lambda span: data[span.start : span.stop])
    )
    print(
        f"gguf: {len(data) / 1e6:.1f} MB header with 500,000 strings passed over in {spent * 1e3:.0f} ms"
    )
    print(f"python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
