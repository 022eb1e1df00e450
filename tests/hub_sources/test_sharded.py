"""The hub's answer with all headers: taken apart without its index, which names every tensor, being read."""

import json

import pytest

from explorer.hub.sharded import read_sharded
from explorer.hub.source import RepoFile

HEADER = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
TEXT = json.dumps(HEADER)


def taken_apart(index: object, spaces: int | None = None) -> object:
    files = [RepoFile("m.safetensors", 8 + len(TEXT) + 4)]
    body = (
        f'{{"index": {json.dumps(index, indent=spaces)}, "headers": {{"m.safetensors": {TEXT}}}}}'
    )
    return read_sharded(body.encode(), "model.safetensors.index.json", files)


@pytest.mark.parametrize(
    "index",
    [
        None,
        {},
        {"weight_map": {}},
        {"metadata": {"total_size": 4, "parts": [{"of": "it"}]}, "weight_map": {"a": 1}},
        {"weight_map": {f'layers.{n}."quoted"\\{{': "m.safetensors" for n in range(2000)}},
        {"weight_map": {"a": "m.safetensors", "b": ["no", "string"]}},
    ],
)
@pytest.mark.parametrize("spaces", [None, 2])
def test_whatever_the_index_holds_the_headers_behind_it_are_found(
    index: object, spaces: int | None
) -> None:
    assert taken_apart(index, spaces) == {"m.safetensors": TEXT.encode()}


def test_an_answer_that_is_cut_off_is_none() -> None:
    body = f'{{"index": {{"weight_map": {{"a": "m.safetensors"}}}}, "headers": {{"m.safetensors": {TEXT}'
    for end in range(len(body)):
        assert read_sharded(body[:end].encode(), "i", [RepoFile("m.safetensors", 8)]) is None
