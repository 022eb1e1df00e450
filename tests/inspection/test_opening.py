"""Models opened over a loopback hub: what is read, what is wrong with what is there, what is retried."""

import json
import threading
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import HeaderError, Unreachable
from explorer.hub.huggingface import HuggingFace
from explorer.hub.ranges import IN_LOOP_BYTES, run
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import Listing, ModelRef, Repo, RepoFile
from explorer.inspection.documents import json_object, missing_files
from explorer.inspection.model import Model
from explorer.inspection.opening import MOST_SHARDS, open_model, retry_shards
from explorer.spans import Reading, Span
from explorer.weights.layout import lay_out
from tests.hub import Fault, HubFile, HubRepo, HubServer, RealBytes
from tests.hub.builder import llama_like, repo_of
from tests.hub.layouts import Weight, safetensors

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "vocab_size": 256,
    "num_attention_heads": 4,
}
MATRIX = Weight("model.layers.0.w.weight", "BF16", (4, 4))


def weights(path: str, *tensors: Weight) -> HubFile:
    return HubFile(path, safetensors(tensors or (MATRIX,)))


def repo(*files: HubFile, config: object = CONFIG) -> HubRepo:
    return HubRepo("acme/model", [HubFile.of_json("config.json", config), *files])


async def opened(model: HubRepo, **about: Any) -> Model:
    """The model with everything that could be read of it."""
    with HubServer([model], **about) as hub:
        source = HuggingFace(hub.endpoint, token="")
        async with aclosing(open_model(source, ModelRef(model.id))) as models:
            found = [each async for each in models]
        await source.close()
    assert found[0].shards_read == len(found[0].absent)
    return found[-1]


def warned(model: Model) -> str:
    return "\n".join(model.warnings)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("", "model-{:05}-of-00003.safetensors"),
        ("", "model.safetensors-{:05}-of-00003.safetensors"),
        ("", "weights_{:05}-of-00003.safetensors"),
        ("unet/", "model-{:05}-of-00003.safetensors"),
    ],
)
async def test_shards_under_any_usual_name_are_read_in_one_request(folder: str, name: str) -> None:
    tensors = {name.format(i): Weight(f"blk.{i}.w", "BF16", (4, 4)) for i in (1, 2, 3)}
    placed = {tensor.name: path for path, tensor in tensors.items()}
    files = [weights(folder + path, tensor) for path, tensor in tensors.items()]
    index = HubFile.of_json(f"{folder}model.safetensors.index.json", {"weight_map": placed})
    with HubServer([repo(*files, index)]) as hub:
        source = HuggingFace(hub.endpoint, token="")
        async with aclosing(open_model(source, ModelRef("acme/model"))) as models:
            found = [model async for model in models][-1]
        await source.close()
        assert hub.traffic.requests(kind="headers") == 1
        assert hub.traffic.requests(origin="cdn") == 0
    assert {tensor.name for _, tensor in found.checkpoint.tensors()} == set(placed)


async def test_an_index_tells_which_oddly_named_files_are_one_model() -> None:
    parts = {"first": Weight("a.w", "BF16", (4, 4)), "second": Weight("b.w", "BF16", (4, 2))}
    files = [weights(f"{name}.safetensors", weight) for name, weight in parts.items()]
    placed = {weight.name: f"{name}.safetensors" for name, weight in parts.items()}
    index = HubFile.of_json("model.safetensors.index.json", {"weight_map": placed})
    model = await opened(repo(*files, index))
    assert model.checkpoint.counts.parameters == 16 + 8
    assert model.shards_total == 2
    assert model.warnings == ()


async def test_the_index_of_usual_names_is_not_asked_for() -> None:
    with HubServer([llama_like("acme/model", shards=3)], headers_endpoint=False) as hub:
        source = HuggingFace(hub.endpoint, token="")
        async with aclosing(open_model(source, ModelRef("acme/model"))) as models:
            last = [model async for model in models][-1]
        await source.close()
        asked = [exchange.target for exchange in hub.traffic.exchanges]
    assert last.complete
    assert not any("/resolve/" in path and "index.json" in path for path in asked)


@pytest.mark.parametrize(
    ("shard", "said"),
    [
        ("../other/model.safetensors", "../other/model.safetensors is missing"),
        ("/etc/passwd", "/etc/passwd is missing"),
        ("%2e%2e%2fsecret.safetensors", "%2e%2e%2fsecret.safetensors is missing"),
        ("gone.safetensors", "gone.safetensors is missing"),
        (["not", "a", "name"], "names 1 files that are not there. ['not', 'a', 'name']"),
    ],
)
async def test_an_index_that_points_elsewhere_reads_nothing_there(shard: Any, said: str) -> None:
    index = {"weight_map": {"a.w": shard, "b.w": "other.safetensors"}}
    files = [weights("other.safetensors"), HubFile.of_json("x.safetensors.index.json", index)]
    with HubServer([repo(*files)]) as hub:
        source = HuggingFace(hub.endpoint, token="")
        async with aclosing(open_model(source, ModelRef("acme/model"))) as models:
            model = [each async for each in models][-1]
        await source.close()
        asked = " ".join(exchange.target for exchange in hub.traffic.exchanges)
    assert said in warned(model)
    assert not model.complete or not isinstance(shard, str)
    assert not any(word in asked for word in ("passwd", "secret", "gone", "/other/"))
    assert model.checkpoint.counts.parameters == 16


@pytest.mark.parametrize("index", [{}, {"weight_map": ["a"]}, {"weight_map": {}}, {"tensors": {}}])
async def test_an_index_of_another_format_is_said_to_be_one(index: dict[str, Any]) -> None:
    model = await opened(
        repo(weights("a.safetensors"), HubFile.of_json("a.safetensors.index.json", index))
    )
    assert "a.safetensors.index.json is no index of shards" in warned(model)
    assert model.complete


async def test_an_index_of_files_that_are_not_read_is_no_concern() -> None:
    model = await opened(
        repo(
            weights("model.safetensors"),
            HubFile.of_json("pytorch_model.bin.index.json", {"weight_map": {"a": "gone.bin"}}),
        )
    )
    assert model.warnings == ()


async def test_shards_that_their_names_promise_are_missed() -> None:
    files = [weights(f"model-0000{n}-of-00005.safetensors") for n in (1, 4)]
    model = await opened(repo(*files))
    for number in (2, 3, 5):
        assert f"model-0000{number}-of-00005.safetensors is missing" in warned(model)
    assert model.checkpoint.counts.tensors == 2
    assert not model.complete


async def test_no_more_headers_are_read_than_any_model_has() -> None:
    one = safetensors([MATRIX])
    total = MOST_SHARDS + 8001
    files = [HubFile(f"model-{n:05d}-of-{total:05d}.safetensors", one) for n in range(1, total + 1)]
    with HubServer([repo(*files)]) as hub:
        source = HuggingFace(hub.endpoint, token="")
        async with aclosing(open_model(source, ModelRef("acme/model"))) as models:
            model = await anext(models)
        await source.close()
        assert hub.traffic.requests() < 20
    assert model.shards_total == MOST_SHARDS
    assert "10,001 files, of which the first 2,000 are looked into" in warned(model)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"[1, 2]", "config.json is not a JSON object"),
        (b'"llama"', "config.json is not a JSON object"),
        (b"\xff\xfe", "config.json is not JSON"),
        (b"[" * 100_000, "config.json cannot be read. it is nested too deep"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "config.json cannot be read"),
        (
            b'{"a": "' + b"x" * 10_000_001 + b'"}',
            "config.json was not read. it has 10,000,010 bytes",
        ),
        (b'{"num_hidden_layers": ' + b"9" * 5000 + b"}", "config.json is not JSON"),
    ],
    ids=["list", "string", "not text", "nested lists", "nested objects", "10 MB", "long number"],
)
async def test_a_config_that_is_none_is_a_warning(config: bytes, said: str) -> None:
    files = [HubFile("config.json", RealBytes(config)), weights("model.safetensors")]
    model = await opened(HubRepo("acme/model", files))
    assert said in warned(model)
    assert model.checkpoint.counts.parameters == 16
    assert model.architecture is None


async def test_parts_that_a_pipeline_names_and_has_not() -> None:
    index = {
        "_class_name": "FluxPipeline",
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "safety_checker": [None, None],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    }
    files = [
        HubFile.of_json("model_index.json", index),
        weights("transformer/diffusion_pytorch_model.safetensors"),
    ]
    model = await opened(HubRepo("acme/model", files))
    assert "model_index.json names parts that are not there. vae" in warned(model)
    assert not any(name in warned(model) for name in ("safety_checker", "tokenizer", "scheduler"))
    assert model.checkpoint.counts.by_component == {"transformer": 16}


async def test_a_snapshot_that_leaves_tokenizers_out_misses_nothing() -> None:
    source = Snapshot()
    async with aclosing(open_model(source, ModelRef("black-forest-labs/FLUX.1-schnell"))) as models:
        model = [each async for each in models][-1]
    await source.close()
    assert "tokenizer" in model.documents["model_index.json"]
    assert model.problems == ()


async def test_modules_of_sentence_transformers_are_counted() -> None:
    modules = [{"idx": 0, "path": ""}, {"idx": 1, "path": "1_Dense"}]
    dense = Weight("linear.weight", "F32", (2, 4))
    files = [
        HubFile.of_json("modules.json", modules),
        weights("model.safetensors"),
        weights("1_Dense/model.safetensors", dense),
    ]
    model = await opened(repo(*files))
    assert model.layout.kind == "sentence-transformers"
    assert model.checkpoint.counts.parameters == 16 + 8
    assert model.documents["modules.json"] == {"modules": modules}
    broken = await opened(repo(HubFile.of_json("modules.json", {}), weights("model.safetensors")))
    assert "modules.json is not a list of modules" in warned(broken)


async def test_the_hubs_total_is_held_against_what_a_loader_takes_only() -> None:
    small, large = Weight("a.w", "BF16", (4, 4)), Weight("a.w", "F32", (4, 5))
    model = repo_of("acme/model", [small], CONFIG)
    twin = HubFile("model.fp32.safetensors", safetensors([large]))
    files = [*model.files, twin]
    with HubServer([HubRepo("acme/model", files, safetensors={"total": 16})]) as hub:
        source = HuggingFace(hub.endpoint, token="")
        for file, parameters in (("model.safetensors", 16), ("model.fp32.safetensors", 20)):
            ref = ModelRef("acme/model")
            async with aclosing(open_model(source, ref, file=file)) as models:
                last = [each async for each in models][-1]
            assert last.checkpoint.counts.parameters == parameters
            assert last.warnings == ()
        await source.close()


async def test_files_that_failed_are_asked_for_again_and_the_rest_is_kept() -> None:
    model = llama_like("acme/model", shards=4)
    with HubServer([model], headers_endpoint=False) as hub:
        hub.inject(Fault("*model-00002-of-00004.safetensors", status=500))
        source = HuggingFace(hub.endpoint, token="", pause=no_pause)
        async with aclosing(open_model(source, ModelRef("acme/model"))) as models:
            partial = [each async for each in models][-1]
        assert partial.checkpoint.missing == ("model-00002-of-00004.safetensors",)
        failed = [shard for shard in partial.checkpoint.shards if shard.error]
        assert [type(shard.error) for shard in failed] == [Unreachable]

        async with aclosing(retry_shards(source, partial)) as models:
            still = [each async for each in models][-1]
        assert not still.complete

        hub.heal()
        before = hub.traffic.requests()
        async with aclosing(retry_shards(source, still)) as models:
            (whole,) = [each async for each in models]
        assert hub.traffic.requests() - before <= 2
        async with aclosing(retry_shards(source, whole)) as models:
            assert [each async for each in models] == []
        await source.close()
    assert whole.complete
    assert whole.checkpoint.counts == (await opened(model)).checkpoint.counts


async def no_pause(_: float) -> None:
    """Wait for nothing between attempts."""


def _noting(size: int, threads: list[int]) -> Reading[int]:
    (body,) = yield (Span(0, size),)
    threads.append(threading.get_ident())
    return len(body)


@pytest.mark.parametrize(("size", "in_loop"), [(IN_LOOP_BYTES, True), (IN_LOOP_BYTES + 1, False)])
async def test_large_headers_are_parsed_beside_the_event_loop(size: int, in_loop: bool) -> None:
    threads: list[int] = []

    async def fetch(spans: tuple[Span, ...]) -> tuple[bytes, ...]:
        return tuple(b"x" * span.size for span in spans)

    assert await run(_noting(size, threads), fetch) == size
    assert (threads == [threading.get_ident()]) is in_loop


async def test_what_a_parser_raises_in_a_thread_arrives() -> None:
    def refuse() -> Reading[None]:
        yield (Span(0, 1),)
        raise Unreachable("nothing to read")

    async def fetch(_: tuple[Span, ...]) -> tuple[bytes, ...]:
        return (b"x" * (IN_LOOP_BYTES + 1),)

    with pytest.raises(Unreachable, match="nothing to read"):
        await run(refuse(), fetch)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(json_values, json_values)
def test_any_documents_leave_a_layout_and_sentences(index: Any, pipeline: Any) -> None:
    """What strangers write into the two documents that name files never raises."""
    names = {"x.safetensors.index.json": index, "model_index.json": pipeline}
    documents = {}
    for path, value in names.items():
        try:
            documents[path] = json_object(path, json.dumps(value))
        except HeaderError:
            assert not isinstance(value, dict)
    files = tuple(RepoFile(path, 10) for path in (*names, "a.safetensors", "unet/b.safetensors"))
    layout = lay_out([(file.path, file.size_bytes) for file in files], documents)
    found = missing_files(
        Repo(ModelRef("a/b"), Listing("a/b"), None, files), documents, layout.default
    )
    assert all(problem.title for problem in found)
