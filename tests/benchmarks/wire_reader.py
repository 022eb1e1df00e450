"""What the program does for a model it has not seen, for ``tests.benchmarks.wire`` to measure.

A module of its own, so that nothing is loaded which the program does not load.
"""

import asyncio

from explorer.cli.running import collect_rarely
from explorer.hub.options import open_source
from explorer.hub.source import ModelRef, RepoFile, Source
from explorer.weights.safetensors import parse_header, read_header

INDEX = "model.safetensors.index.json"


async def read_headers(source: Source) -> int:
    """Number of tensors in all headers of the model, read as the program reads them."""
    repo = await source.repo(ModelRef("acme/many-tensors"))
    shards = {file.path: file for file in repo.files if file.path.endswith(".safetensors")}
    if headers := await source.sharded_headers(repo, INDEX):
        parsed = [parse_header(path, headers[path], shards[path].size_bytes) for path in headers]
        return sum(len(header.tensors) for header in parsed)

    async def count(file: RepoFile) -> int:
        reading = read_header(file.path, file.size_bytes)
        return len((await source.read(repo, file, reading)).tensors)

    return sum(await asyncio.gather(*map(count, shards.values())))


async def read_once() -> None:
    """What the program does for a model it has not seen."""
    source = open_source("hub")
    print(await read_headers(source), source.transfer)
    await source.close()


if __name__ == "__main__":
    collect_rarely()
    asyncio.run(read_once())
