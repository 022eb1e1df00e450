"""``weights snapshot`` and ``--source FILE``, ``--hub``: as a shell sees them, against loopback hubs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.cli import main
from tests.hub import Fault, HubServer
from tests.hub.builder import gguf_repo, llama_like
from tests.modelscope import ModelScopeServer

REPOS = [
    llama_like("acme/one", downloads=9),
    llama_like("acme/two", shards=2, downloads=8),
    gguf_repo("acme/three", downloads=7),
    llama_like("acme/closed", hidden=128, gated="manual", downloads=6),
]
NAMES = [repo.id for repo in REPOS]
NOT_THE_MODELS = ("transfer", "source", "provenance", "age_seconds", "commands")
"""What an answer cost, where it was read, and the room on this disk that its commands mention."""


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "MODELSCOPE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(REPOS) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lab.bin"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The JSON that a command printed."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def without_transfer(value: Any) -> Any:
    """A command's answer but for what it cost and where it was read."""
    if isinstance(value, list):
        return [without_transfer(item) for item in value]
    return {k: v for k, v in value.items() if k not in NOT_THE_MODELS}


def test_a_file_answers_as_the_hub_does(
    hub: HubServer, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = printed(capsys, "snapshot", str(file), "--author", "acme")
    assert (made["rows"], made["models"], made["models_with_headers"]) == (4, 4, 3)
    assert made["size_bytes"] == file.stat().st_size
    assert not file.with_name("lab.bin.part").exists()
    machine = ("--machine", "RTX 4090")
    questions = [
        *(("show", name) for name in NAMES[:3]),
        ("tensors", "acme/two"),
        *(("fit", name, *machine, "--engine", "llama.cpp") for name in NAMES[:3]),
    ]
    there = [without_transfer(printed(capsys, *question)) for question in questions]
    hub.traffic.clear()
    source = ("--source", str(file))
    here = [without_transfer(printed(capsys, *question, *source)) for question in questions]
    for question, ours, theirs in zip(questions, here, there, strict=True):
        assert ours == theirs, question
    rows = printed(capsys, "search", "acme", "--sort", "downloads", *machine, *source)
    assert [row["id"] for row in rows] == NAMES
    assert printed(capsys, "show", "acme/one", *source)["source"] == "snapshot"
    assert hub.traffic.requests() == 0


def test_its_provenance_is_shown(
    hub: HubServer, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", str(file)]) == 0
    told = capsys.readouterr()
    assert "3 models with their headers, 4 rows of http" in told.out
    assert "acme/closed" in told.err
    assert f"--source {file}" in told.err
    assert main(["show", "acme/one", "--source", str(file)]) == 0
    assert f"from {hub.endpoint}" in capsys.readouterr().out


def test_search_author_task_and_limit_choose_what_is_in_it(
    hub: HubServer, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--search", "o", "--task", "text-generation", "--sort", "likes", "--limit", "2")
    assert printed(capsys, "snapshot", str(file), *options)["rows"] == 2
    [asked, *_] = hub.traffic.of(kind="list")
    assert "search=o&pipeline_tag=text-generation&sort=likes&limit=2" in asked.target


def test_an_interruption_costs_nothing_twice(
    hub: HubServer,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub.inject(Fault(path="/api/models/acme/three", status=400))
    assert main(["snapshot", str(file)]) == 4
    told = capsys.readouterr().err
    assert "run the same command again" in told
    assert not file.exists()
    partial = file.with_name("lab.bin.part")
    assert partial.exists()
    hub.heal()
    hub.traffic.clear()
    monkeypatch.setenv("WEIGHTS_CACHE", str(tmp_path / "another cache"))
    assert printed(capsys, "snapshot", str(file))["models"] == 4
    # only what had not been read; the listing is not asked for again
    assert hub.traffic.requests(kind="list") == 0
    asked = {exchange.target for exchange in hub.traffic.of(kind="info")}
    assert any("acme/three" in target for target in asked)
    assert not any("acme/one" in target for target in asked)
    assert not partial.exists()


def test_unfinished_work_of_other_options_is_not_mixed_in(
    hub: HubServer, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.inject(Fault(kind="info", status=400))
    assert main(["snapshot", str(file)]) == 4
    capsys.readouterr()
    assert main(["snapshot", str(file), "--limit", "1"]) == 2
    assert "something else" in capsys.readouterr().err


def test_a_damaged_file_says_so(
    hub: HubServer, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", str(file)]) == 0
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    assert main(["show", "acme/one", "--source", str(file)]) == 5
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "acme/one", "--source", "nothing.bin"], 2, "neither a file"),
        (["show", "acme/one", "--hub", "elsewhere"], 2, "elsewhere"),
        (["snapshot"], 2, "FILE"),
        (["snapshot", "no/such/folder/lab.bin"], 2, "no folder"),
    ],
)
def test_mistakes_end_in_a_clear_line(
    hub: HubServer,
    arguments: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments) == code
    assert said in capsys.readouterr().err


def test_offline_reads_what_is_stored_and_asks_nobody(
    hub: HubServer, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", str(file), "--offline"]) == 4
    assert hub.traffic.requests() == 0
    assert main(["snapshot", str(file)]) == 0
    hub.traffic.clear()
    again = file.with_name("again.bin")
    assert main(["snapshot", str(again), "--offline"]) == 0
    assert hub.traffic.requests() == 0
    assert again.stat().st_size == pytest.approx(file.stat().st_size, abs=64)


def test_modelscope_is_searched_shown_and_kept(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ModelScopeServer(REPOS[:3]) as site:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", site.endpoint)
        there = ("--hub", "modelscope")
        rows = printed(capsys, "search", "acme", "--sort", "downloads", *there)
        assert [row["id"] for row in rows] == NAMES[:3]
        shown = printed(capsys, "show", "acme/two", *there)
        assert (shown["source"], shown["tensors"]) == ("modelscope", 21)
        assert printed(capsys, "show", f"{site.endpoint}/models/acme/two/files")["id"] == "acme/two"
        assert printed(capsys, "show", "modelscope://acme/two")["source"] == "modelscope"
        assert printed(capsys, "snapshot", str(file), *there)["models"] == 3
        [fit] = printed(capsys, "fit", "acme/three", *there, "--engine", "llama.cpp")
        assert fit["commands"]["download"]["line"] == (
            "modelscope download acme/three --include llama-tiny-Q4_K_M.gguf --local-dir three"
        )
        line = fit["commands"]["run"][0]["line"]
        assert line.startswith("llama-server -m three/llama-tiny-Q4_K_M.gguf ")
        assert site.traffic.requests()
    kept = printed(capsys, "show", "acme/two", "--source", str(file))
    assert kept["tensors"] == 21
    assert kept["parameters"] == shown["parameters"]
