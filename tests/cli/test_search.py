"""``weights search`` narrowed down, as a shell sees it."""

import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from explorer.cli import main
from tests.cli.hub import hub_of_this_shell, printed
from tests.hub import Fault, HubServer

__all__ = ["hub_of_this_shell"]

MACHINE = ("--machine", "RTX 4090")


def ids(rows: list[dict[str, object]]) -> list[object]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--min-context", "32k"], ["Llama-8B", "Mixture-30B-A3B", "Llama-8B-GGUF"]),
        (["--active", "..4B", "--params", "20B.."], ["Mixture-30B-A3B"]),
        (["--license-allows", "commercial", "--params", "8B"], ["Llama-8B", "Llama-8B-GGUF"]),
        (["--license", "cc-by-nc-4.0"], ["Llama-8B-Short"]),
        (["--gated"], ["Gated-Tiny"]),
        (["--language", "de"], ["Llama-8B"]),
        (["--format", "gguf"], ["Llama-8B-GGUF"]),
        (["--params", "20B..", "--min-speed", "50"], ["Mixture-30B-A3B"]),
        (["--verdict", "fits", "--no-gated", "--params", "20B.."], ["Mixture-30B-A3B"]),
        (["--since", "2026-01-01"], []),
        (["--created", "2025-01-01..2025-12-31", "--library", "gguf"], ["Llama-8B-GGUF"]),
    ],
)
def test_options_narrow_down(
    hub: HubServer, capsys: pytest.CaptureFixture[str], options: list[str], expected: list[str]
) -> None:
    rows = printed(capsys, "search", "--author", "acme", "--sort", "downloads", *MACHINE, *options)
    assert ids(rows) == [f"acme/{name}" for name in expected]
    assert hub.traffic.requests(kind="list") == 1


def test_words_say_the_same_as_options(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    words = "llama author:acme params:8B context:>=32k license:commercial sort:downloads"
    by_words = printed(capsys, "search", words, *MACHINE)
    by_options = printed(
        capsys, "search", "llama", "--author", "acme", "--params", "8B", "--min-context", "32k",
        "--license-allows", "commercial", "--sort", "downloads", *MACHINE,
    )  # fmt: skip
    assert ids(by_words) == ids(by_options) == ["acme/Llama-8B", "acme/Llama-8B-GGUF"]
    assert hub.traffic.requests(kind="list") == 1


def test_a_search_is_saved_and_begun_with(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = printed(
        capsys, "search", "llama author:acme", "--params", "8B", "--save", "mine", *MACHINE
    )
    kept = tomllib.loads((tmp_path / "config" / "remembered.toml").read_text())
    assert kept["searches"] == {"mine": "llama author:acme params:7.2B..8.8B"}
    assert printed(capsys, "search", "--saved", "mine", *MACHINE) == first
    narrower = printed(capsys, "search", "short", "--saved", "mine", *MACHINE)
    assert ids(narrower) == ["acme/Llama-8B-Short"]
    assert main(["search", "--saved", "other"]) == 2
    assert "mine" in capsys.readouterr().err


def test_the_hub_is_asked_what_it_can_filter(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(
        capsys, "search", "--params", "7B..32B", "--no-gated", "--language", "de", "--format",
        "gguf", "--license", "mit", *MACHINE,
    )  # fmt: skip
    [asked] = hub.traffic.of(kind="list")
    query = parse_qs(urlsplit(asked.target).query)
    assert query["num_parameters"] == ["min:7B,max:32B"]
    assert query["gated"] == ["false"]
    assert query["filter"] == ["license:mit", "de", "gguf"]


def test_the_account_is_told_and_what_is_not_known_is_left_out(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "model- context:>=32k", "--limit", "5", *MACHINE]) == 0
    told = capsys.readouterr().err
    assert "0 of 300 looked at, 300 not known" in told


def test_exact_rows_cost_one_small_file_each(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("search", "acme", "--sort", "downloads", "--limit", "2", *MACHINE)
    assert [row["fit"]["estimated"] for row in printed(capsys, *options)] == [True, True]
    rows = printed(capsys, *options, "--exact")
    assert [row["fit"]["estimated"] for row in rows] == [False, False]
    assert [row["context_tokens"] for row in rows] == [131072, 4096]
    assert hub.traffic.requests(kind="resolve") == 2
    assert hub.traffic.requests(kind="list") == 1


def test_a_hub_that_asks_to_slow_down_is_told_of_and_ends_in_4(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.inject(Fault(kind="list", skip=1, status=429, retry_after_seconds=90))
    assert main(["search", "model- runs", "--limit", "150", *MACHINE]) == 4
    said = capsys.readouterr()
    assert "Model-" in said.out
    assert "slow down" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--params", "many"], "7B"),
        (["--since", "yesterday"], "2026-01-31"),
        (["colour:red"], "colour"),
        (["--verdict", "perhaps"], "offload"),
    ],
)
def test_mistakes_are_usage_errors(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *arguments, "--source", "snapshot"]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""
