"""The hub's answer with all headers, however it is written: held against the hub's own client."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from huggingface_hub import HfApi

from explorer.hub.sharded import index_of, read_sharded
from explorer.hub.source import RepoFile
from explorer.weights.safetensors import parse_header
from tests.hub import Fault, HubServer
from tests.hub.builder import llama_like
from tests.hub.layouts import Weight, header_bytes

INDEX = "model.safetensors.index.json"
WRITINGS: Mapping[str, Mapping[str, Any]] = {
    "compact": {"separators": (",", ":"), "ensure_ascii": False},
    "spaced": {},
    "indented": {"indent": 4},
    "escaped": {"separators": (",", ":"), "ensure_ascii": True},
}
SHARDS = {
    "model-00001-of-00002.safetensors": [Weight("blöcke.0.w", "BF16", (4, 4)), Weight("b", "F32", ())],
    "model-00002-of-00002.safetensors": [Weight(f"blk.{n}.w", "F16", (8, 2)) for n in range(40)],
}  # fmt: skip


def written(**how: Any) -> tuple[bytes, list[RepoFile], dict[str, bytes]]:
    """An answer written that way, the files it is about, and the beginning of each."""
    heads = {path: header_bytes(weights) for path, weights in SHARDS.items()}
    headers = {path: json.loads(head[8:]) for path, (head, _) in heads.items()}
    files = [RepoFile(path, len(head) + data) for path, (head, data) in heads.items()]
    answer = {"index": {"metadata": {"total_size": 1}}, "headers": headers}
    return (
        json.dumps(answer, **how).encode(),
        files,
        {path: head for path, (head, _) in heads.items()},
    )


@pytest.mark.parametrize("how", WRITINGS.values(), ids=WRITINGS)
def test_headers_are_read_however_the_answer_is_spaced(how: Mapping[str, Any]) -> None:
    body, files, heads = written(**how)
    found = read_sharded(body, INDEX, files)
    assert found is not None
    for file in files:
        head = heads[file.path]
        assert json.loads(found[file.path]) == json.loads(head[8:])
        # Data begins where it does in the file.
        assert len(found[file.path]) == len(head) - 8
        header = parse_header(file.path, found[file.path], file.size_bytes)
        assert header.data_start == len(head)
        assert not header.problems


@pytest.mark.parametrize("how", WRITINGS.values(), ids=WRITINGS)
async def test_the_hubs_own_client_reads_the_same_answer(how: Mapping[str, Any]) -> None:
    body, files, _ = written(**how)
    with HubServer([llama_like(shards=2)]) as hub:
        hub.inject(Fault(kind="headers", body=body))
        client = HfApi(hub.endpoint, token=False)
        theirs = client.get_sharded_safetensors_metadata("acme/llama-tiny").files_metadata
    ours = read_sharded(body, INDEX, files)
    assert ours is not None
    for file in files:
        header = parse_header(file.path, ours[file.path], file.size_bytes)
        assert {
            tensor.name: (tensor.dtype, list(tensor.shape), tensor.start - header.data_start)
            for tensor in header.tensors
        } == {
            name: (tensor.dtype, tensor.shape, tensor.data_offsets[0])
            for name, tensor in theirs[file.path].tensors.items()
        }


@pytest.mark.parametrize("how", WRITINGS.values(), ids=WRITINGS)
def test_an_answer_about_other_files_is_none(how: Mapping[str, Any]) -> None:
    body, files, _ = written(**how)
    for size in (7, files[0].size_bytes // 3, files[0].size_bytes * 1000):
        assert read_sharded(body, INDEX, [RepoFile(files[0].path, size), files[1]]) is None


def test_a_name_that_is_there_twice_stays_so_for_the_headers_parser_to_say() -> None:
    entry = '{ "dtype" : "F32", "shape" : [ 1 ], "data_offsets" : [ 0, 4 ] }'
    body = f'{{ "headers" : {{ "m.safetensors" : {{ "a" : {entry}, "a" : {entry} }} }} }}'
    found = read_sharded(body.encode(), INDEX, [RepoFile("m.safetensors", 8 + 120 + 4)])
    assert found is not None
    header = parse_header("m.safetensors", found["m.safetensors"], 132)
    assert "“a” is there more than once" in header.problems


@pytest.mark.parametrize(
    ("path", "indices", "index"),
    [
        ("model-00001-of-00002.safetensors", [INDEX], INDEX),
        ("model.safetensors-00001-of-00002.safetensors", [INDEX], INDEX),
        ("unet/model-00001-of-00002.safetensors", [INDEX], None),
        ("unet/model-1-of-2.safetensors", [INDEX, f"unet/{INDEX}"], f"unet/{INDEX}"),
        (
            "consolidated-1-of-2.safetensors",
            [INDEX, "consolidated.safetensors.index.json"],
            "consolidated.safetensors.index.json",
        ),
        ("other-1-of-2.safetensors", [INDEX], INDEX),
        ("other-1-of-2.safetensors", [INDEX, "consolidated.safetensors.index.json"], None),
        ("pytorch_model-00001-of-00002.bin", [INDEX], None),
        ("model-1-of-2.safetensors", [], None),
    ],
)
def test_the_index_of_a_shard_is_found_among_the_files(
    path: str, indices: list[str], index: str | None
) -> None:
    assert index_of(path, indices) == index
