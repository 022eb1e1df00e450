"""Filters: the words for them, what is asked of the hub, and which rows pass."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import UsageError
from explorer.fit.values import Scenario, Verdict
from explorer.hardware.spec import parse_machine
from explorer.hub.source import GgufSummary, Listing, Query
from explorer.inspection.filter_words import (
    format_filters,
    parse_filters,
)
from explorer.inspection.filters import Bounds, Filters, Period
from explorer.inspection.rows import judge_row

TODAY = date(2026, 11, 23)
BILLION = 1_000_000_000
MACHINE = parse_machine("RTX 4090")
LLAMA = Listing(
    "acme/Llama-8B",
    author="acme",
    task="text-generation",
    library="transformers",
    license="apache-2.0",
    parameters=8_030_261_248,
    parameters_by_dtype={"BF16": 8_030_261_248},
    tags=("transformers", "safetensors", "en", "de"),
    languages=("en",),
    created=datetime(2025, 5, 1, tzinfo=UTC),
    updated=datetime(2026, 10, 1, tzinfo=UTC),
    config={
        "model_type": "llama",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
    },
)


def passes(words: str, listing: Listing = LLAMA) -> bool | None:
    return parse_filters(words, TODAY).judge(judge_row(listing, MACHINE, Scenario()))


def test_the_words_of_a_person() -> None:
    words = (
        "instruct params:7B..32B fits context:>=32k license:commercial lang:de gated:no "
        "sort:likes author:qwen updated:90d"
    )
    filters = parse_filters(words, TODAY)
    assert filters == Filters(
        text="instruct",
        author="qwen",
        parameters=Bounds(7 * BILLION, 32 * BILLION),
        allows=("commercial",),
        verdict=Verdict.TIGHT,
        context_tokens=32768,
        gated=False,
        language="de",
        updated=Period(since=date(2026, 8, 25)),
        sort="likes",
    )
    assert format_filters(filters) == (
        "instruct author:qwen params:7B..32B context:>=32k license:commercial fits gated:no "
        "lang:de updated:2026-08-25.. sort:likes"
    )


def test_what_the_hub_can_filter_is_asked_of_the_hub() -> None:
    words = "qwen author:Qwen task:text-generation params:7B..32B license:mit lang:de format:gguf"
    assert parse_filters(f"{words} library:vllm gated:yes fits speed:20 sort:likes").to_query() == (
        Query(
            text="qwen",
            author="Qwen",
            task="text-generation",
            tags=("vllm", "license:mit", "de", "gguf"),
            sort="likes",
            parameters_least=7 * BILLION,
            parameters_most=32 * BILLION,
            gated=True,
        )
    )


@pytest.mark.parametrize(
    "words",
    [
        "", "params:7B..32B", "params:8B", "params:<=9B", "params:>=8B", "active:..9B",
        "context:>=128k", "context:32k", "license:commercial license:hosting license:outputs",
        "license:apache-2.0", "fits", "verdict:fits", "runs", "speed:20", "format:safetensors",
        "quant:q4_k", "gated:no", "lang:de", "lang:en", "updated:90d", "updated:2026-10-01",
        "created:2025-01-01..2025-12-31", "author:ACME", "library:transformers",
        "task:text-generation", "unchecked words are the source's",
    ],
)  # fmt: skip
def test_a_row_passes_what_holds(words: str) -> None:
    assert passes(words) is True


def test_one_of_several_licenses_is_found_and_all_of_them_hold() -> None:
    both = replace(LLAMA, license="Apache-2.0,cc-by-nc-4.0")
    assert passes("license:apache-2.0", both) is True
    assert passes("license:mit", both) is False
    assert passes("license:commercial", both) is False


@pytest.mark.parametrize(
    "words",
    [
        "params:9B..", "params:7B", "active:..1B", "context:256k", "license:mit", "speed:100000",
        "format:gguf", "quant:Q9", "gated:yes", "lang:fr", "updated:10d", "created:<=2025-04-30",
        "author:other", "library:diffusers", "task:text-to-image",
    ],
)  # fmt: skip
def test_a_row_does_not_pass_what_does_not_hold(words: str) -> None:
    assert passes(words) is False


@pytest.mark.parametrize(
    "words",
    [
        "params:7B", "active:7B", "context:2k", "license:commercial", "fits", "speed:1", "quant:q4",
        "lang:de", "updated:90d", "created:90d", "task:text-generation", "format:gguf",
        "library:transformers", "license:mit",
    ],
)  # fmt: skip
def test_what_is_not_known_never_passes(words: str) -> None:
    bare = Listing("a/b")
    assert passes(words, bare) is None
    assert not parse_filters(words, TODAY).passes(judge_row(bare, MACHINE, Scenario()))


def test_a_model_too_large_for_the_machine_is_not_quick() -> None:
    large = replace(LLAMA, parameters=10**13, parameters_by_dtype={}, config={})
    assert passes("runs", large) is False
    assert passes("speed:1", large) is False


def test_a_source_that_does_not_say_what_is_gated_is_not_believed_either_way() -> None:
    snapshot = replace(LLAMA, provenance="snapshot of 2026-11")
    assert passes("gated:no", snapshot) is passes("gated:yes", snapshot) is None


def test_formats_are_found_in_whatever_says_them() -> None:
    packed = {"quantization_config": {"quant_method": "awq"}}
    assert passes("format:awq", Listing("a/b", config=packed)) is True
    assert passes("format:gguf", Listing("a/b", gguf=GgufSummary(1))) is True


@pytest.mark.parametrize(
    "words",
    [
        "params:", "params:many", "params:..", "params:9B..7B", "context:long", "license:",
        "verdict:too_large", "gated:maybe", "updated:yesterday", "updated:2026-13-01", "sort:name",
        "speed:fast", "nonsense:1", "updated:99999y", "x" * 3000,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(words: str) -> None:
    with pytest.raises(UsageError):
        parse_filters(words, TODAY)


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
counts = st.none() | st.integers(0, 10**13)
days = st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1))
licenses = names.filter(lambda name: name not in ("commercial", "hosting", "outputs"))
filters_values = st.builds(
    Filters,
    text=st.lists(names | st.sampled_from(["fits", "a:b", "Runs"]), max_size=3).map(" ".join),
    author=names | st.just(""),
    task=names | st.just(""),
    library=names | st.just(""),
    parameters=st.builds(Bounds, counts, st.none()) | st.builds(Bounds, st.none(), counts),
    active=st.builds(Bounds, st.integers(0, 10**9), st.integers(10**9, 10**12)),
    license=licenses | st.just(""),
    allows=st.lists(
        st.sampled_from(["commercial", "hosting", "outputs"]), max_size=3, unique=True
    ).map(tuple),
    verdict=st.sampled_from([None, Verdict.FITS, Verdict.TIGHT, Verdict.OFFLOAD]),
    speed=st.none() | st.integers(0, 999).map(lambda tenths: tenths / 10),
    context_tokens=st.none() | st.integers(1, 10**7),
    format=names | st.just(""),
    quantization=names | st.just(""),
    gated=st.sampled_from([None, True, False]),
    language=names | st.just(""),
    updated=st.builds(Period, days, days),
    created=st.builds(Period, days, days),
    sort=st.sampled_from(["trending", "downloads", "likes", "updated", "created"]),
)


@given(filters_values)
def test_filters_come_back_from_their_words(filters: Filters) -> None:
    assert parse_filters(format_filters(filters)) == filters


@given(st.text(max_size=40) | st.text('params:.><="7Bfits lic', max_size=30))
def test_any_text_is_filters_or_a_usage_error(text: str) -> None:
    try:
        filters = parse_filters(text, TODAY)
    except UsageError:
        return
    assert parse_filters(format_filters(filters), TODAY) == filters
