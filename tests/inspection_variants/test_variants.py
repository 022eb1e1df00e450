"""Variants of a model found on a loopback hub, and the one to take."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from explorer.errors import Unreachable
from explorer.fit.values import Scenario, Verdict
from explorer.hardware.spec import parse_machine
from explorer.hub.huggingface import HuggingFace
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import Source
from explorer.inspection.best_variant import choose, choose_published
from explorer.inspection.lineage import Lineage
from explorer.inspection.variants import Variants, find_variants, judge_variants
from tests.hub import Fault, HubFile, HubRepo, HubServer
from tests.hub.builder import gguf_repo, llama_like
from tests.hub.contents import ZeroFilled

ORIGINAL = "acme/Llama-8B"
PARAMETERS = 8_030_261_248
"""Of a Llama with 32 layers of 4096, 14336 and 8 KV heads, and a vocabulary of 128256."""
SIZES = {
    "Llama-8B-Q4_K_M.gguf": 4_920_734_272,
    "Llama-8B-Q8_0.gguf": 8_540_771_648,
    "Llama-8B-BF16-00001-of-00002.gguf": 9_000_000_000,
    "Llama-8B-BF16-00002-of-00002.gguf": 7_068_898_944,
    "mmproj-Llama-8B-F16.gguf": 600_000_000,
    "Llama-8B.imatrix.gguf": 5_000_000,
}
SCENARIO = Scenario()


def packed(name: str, quantization: dict[str, object], size: int, **about: object) -> HubRepo:
    file = HubFile("model.safetensors", ZeroFilled(b"", size))
    card = {"base_model": ORIGINAL, "base_model_relation": "quantized", "license": "llama3.1"}
    config = {"model_type": "llama", "quantization_config": quantization}
    tags = ("mlx",) if "mlx" in name.lower() else ()
    return HubRepo(name, [file], card=card, config=config, tags=tags, downloads=5)


def repos() -> Iterable[HubRepo]:
    original = llama_like(
        ORIGINAL, layers=32, hidden=4096, intermediate=14336, vocabulary=128256, heads=32, kv_heads=8,
        context=131072, shards=4, downloads=900,
    )  # fmt: skip
    card = {"base_model": ORIGINAL}
    yield original
    yield gguf_repo("one/Llama-8B-GGUF", sizes=SIZES, card=card, downloads=400)
    few = {"Llama-8B-Q8_0.gguf": 8_540_775_000, "Llama-8B-IQ2_XXS.gguf": 2_400_000_000}
    yield gguf_repo("two/Llama-8B-i1-GGUF", sizes=few, card=card, downloads=800)
    yield packed(
        "three/Llama-8B-AWQ", {"quant_method": "awq", "bits": 4, "group_size": 128}, 5_730_000_000
    )
    yield packed("four/Llama-8B-mlx-4bit", {"bits": 4, "group_size": 64}, 4_520_000_000)


@pytest.fixture(name="hub")
def running_hub() -> Iterator[HubServer]:
    with HubServer(repos()) as hub:
        yield hub


async def find(source: Source, name: str, repositories: int = 24) -> Variants:
    lineage = Lineage(source)
    latest: Variants | None = None
    async for found in find_variants(source, lineage, await lineage.kin(name), repositories):
        latest = found
    await lineage.close()
    assert latest is not None
    return latest


async def on_hub(hub: HubServer, name: str = ORIGINAL, repositories: int = 24) -> Variants:
    source = HuggingFace(hub.endpoint)
    try:
        return await find(source, name, repositories)
    finally:
        await source.close()


def judged(found: Variants, machine: str) -> Variants:
    return judge_variants(found, parse_machine(machine), SCENARIO)


async def test_every_file_of_every_repository_is_a_row_with_its_real_size(hub: HubServer) -> None:
    found = await on_hub(hub)
    rows = [(one.uploader, one.format, one.quantization, one.size_bytes) for one in found.variants]
    assert rows == [
        ("one", "GGUF", "BF16", 9_000_000_000 + 7_068_898_944),
        ("acme", "safetensors", "BF16", rows[1][3]),
        ("two", "GGUF", "Q8_0", 8_540_775_000),
        ("one", "GGUF", "Q8_0", 8_540_771_648),
        ("three", "safetensors", "AWQ 4-bit", 5_730_000_000),
        ("one", "GGUF", "Q4_K_M", 4_920_734_272),
        ("four", "MLX", "MLX 4-bit", 4_520_000_000),
        ("two", "GGUF", "IQ2_XXS", 2_400_000_000),
    ]
    assert found.done
    assert not found.more
    q8 = next(one for one in found.variants if one.quantization == "Q8_0")
    assert q8.bits_per_weight == pytest.approx(8 * 8_540_775_000 / PARAMETERS)
    assert [one.downloads for one in found.variants if one.uploader == "two"] == [800, 800]


async def test_no_header_is_read_and_nothing_is_asked_twice(hub: HubServer) -> None:
    await on_hub(hub)
    assert hub.traffic.requests(kind="list") == 1
    assert hub.traffic.requests(kind="info") == 5
    assert hub.traffic.requests(kind="resolve") <= 1, "the model's configuration"
    assert hub.traffic.requests(origin="cdn") == 0


async def test_a_quantized_model_is_taken_back_to_what_it_was_made_of(hub: HubServer) -> None:
    found = await on_hub(hub, "one/Llama-8B-GGUF")
    assert found.origin.kin.id == ORIGINAL
    assert found.origin.parameters == PARAMETERS
    assert not found.origin.estimated
    assert len(found.variants) == 8


async def test_only_as_many_repositories_as_wanted_are_looked_up(hub: HubServer) -> None:
    found = await on_hub(hub, repositories=1)
    assert {one.uploader for one in found.variants} == {"acme", "two"}
    assert found.more
    assert hub.traffic.requests(kind="info") == 2


async def test_the_best_here_has_the_most_bits_of_what_fits_and_says_why(hub: HubServer) -> None:
    found = judged(await on_hub(hub), "RTX 4070, 32 GB")
    best = choose(found)
    assert best is not None
    assert (best.variant.quantization, best.variant.uploader) == ("Q8_0", "two"), "more downloads"
    assert best.is_published
    assert best.reason.startswith(
        "the highest quality that fits with its reserve at 8K with llama.cpp"
    )
    assert "the next larger, BF16, would run partly on the host" in best.reason
    answer = best.variant.answer
    assert answer is not None
    assert answer.exact
    assert answer.verdict is Verdict.FITS


async def test_where_all_need_the_host_four_bits_are_enough(hub: HubServer) -> None:
    found = judged(await on_hub(hub), "GTX 1650, 32 GB")
    small = replace(found, variants=tuple(v for v in found.variants if v.quantization != "IQ2_XXS"))
    best = choose_published(small)
    assert best is not None
    assert best.variant.quantization == "Q4_K_M"
    assert best.reason.startswith("the smallest of at least four bits")


async def test_on_a_machine_too_small_nothing_is_the_best(hub: HubServer) -> None:
    found = judged(await on_hub(hub), "cpu 2GB")
    assert choose(found) is None
    assert choose_published(found) is None


async def test_a_quantization_that_nobody_published_is_named_with_the_best_that_is(
    hub: HubServer,
) -> None:
    found = judged(await on_hub(hub), "RTX 3070, 32 GB")
    best, published = choose(found), choose_published(found)
    assert best is not None
    assert published is not None
    assert not best.is_published
    assert best.variant.repo == ORIGINAL
    assert best.variant.quantization == "Q5_K_M"
    assert best.reason.endswith("not among what 5 repositories have: to be made")
    assert (published.variant.uploader, published.variant.quantization) == ("one", "Q4_K_M")
    assert "of the 2 that fit at 8K with llama.cpp" in published.reason


async def test_a_16_bit_checkpoint_is_judged_as_llama_cpp_runs_it(hub: HubServer) -> None:
    found = judged(await on_hub(hub), "M4 Max 64GB")
    own = next(one for one in found.variants if one.uploader == "acme")
    assert own.answer is not None
    assert own.answer.scenario.engine == "llama.cpp"
    awq = next(one for one in found.variants if one.uploader == "three")
    assert awq.answer is None
    assert awq.refusal.startswith("vLLM has no device to run on")


async def test_verdicts_of_the_same_machine_are_kept(hub: HubServer) -> None:
    found = await on_hub(hub)
    machine = parse_machine("RTX 4090, 64 GB")
    first = judge_variants(found, machine, SCENARIO)
    second = judge_variants(found, machine, SCENARIO, first)
    assert all(a is b for a, b in zip(first.variants, second.variants, strict=True))


async def test_a_repository_that_cannot_be_had_leaves_the_others(hub: HubServer) -> None:
    hub.inject(Fault(path="*/api/models/one/*", status=404))
    found = await on_hub(hub)
    assert {one.uploader for one in found.variants} == {"acme", "two", "three", "four"}
    assert len(found.problems) == 1
    assert found.looked_at == 5


async def test_a_listing_that_cannot_be_had_is_an_error(hub: HubServer) -> None:
    hub.inject(Fault(kind="list", body=b"{}"))
    with pytest.raises(Unreachable):
        await on_hub(hub)


async def test_a_split_file_with_a_part_missing_is_not_judged() -> None:
    parts = {f"L-Q8_0-0000{i}-of-00003.gguf": 3_000_000_000 for i in (1, 3)}
    broken = gguf_repo("one/x-GGUF", sizes=parts, card={"base_model": ORIGINAL})
    with HubServer([llama_like(ORIGINAL), broken]) as hub:
        found = judged(await on_hub(hub), "RTX 4090")
    [variant] = [one for one in found.variants if one.format == "GGUF"]
    assert variant.note == "2 of 3 parts are there"
    assert variant.answer is None


async def test_the_snapshot_names_what_it_knows_and_says_that_it_has_no_sizes() -> None:
    found = judge_variants(
        await find(Snapshot(), "Qwen/Qwen3-8B"), parse_machine("RTX 4090"), SCENARIO
    )
    own, *named = found.variants
    assert (own.repo, own.quantization, own.size_bytes) == ("Qwen/Qwen3-8B", "BF16", own.size_bytes)
    assert own.size_bytes
    assert named
    assert all(one.size_bytes is None and "only its name" in one.note for one in named)
    assert "the snapshot knows which GGUF repositories" in found.note
