"""The same question has the same answer wherever it is asked: list, map, variants, comparison, commands."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from explorer.cli import main
from explorer.fit.values import Answer, Scenario
from explorer.hardware.machine import Machine
from explorer.hardware.spec import parse_machine
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import ModelRef
from explorer.inspection.best_variant import choose
from explorer.inspection.comparing import judge_one
from explorer.inspection.fitting import answer_subject, grid_of, subject
from explorer.inspection.lineage import Lineage
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model
from explorer.inspection.rows import judge_row
from explorer.inspection.variants import find_variants, judge_variants, opened

QUESTIONS = [
    ("Qwen/Qwen3-30B-A3B", "RTX 4090, 64 GB", None),
    ("Qwen/Qwen3-30B-A3B", "RTX 4090, 64 GB", 24576),
    ("Qwen/Qwen3-30B-A3B", "M4 Max 36GB 32-core", 100_000),
    ("Qwen/Qwen3-8B", "RTX 3060 12GB, 32 GB", 100),
    ("Qwen/Qwen3-8B", "cpu 32GB", None),
    ("Qwen/Qwen3-8B-AWQ", "RTX 4090, 64 GB", 16384),
    ("Qwen/Qwen2.5-0.5B-Instruct-AWQ", "RTX 4090, 64 GB", None),
    ("openai/gpt-oss-20b", "RTX 4080, 32 GB", None),
    ("google/gemma-2-9b-it", "RTX 3060 12GB, 32 GB", 8192),
    ("BAAI/bge-small-en-v1.5", "RTX 4090, 64 GB", None),
    ("nomic-ai/nomic-embed-text-v1.5", "RTX 4090, 64 GB", 24576),
    ("meta-llama/Llama-3.1-8B-Instruct", "RTX 4070, 32 GB", 200_000),
]


class Said(NamedTuple):
    """What a face says of a model."""

    quantization: str | None
    engine: str | None
    verdict: str
    context_tokens: int | None


def said(answer: Answer | None) -> Said:
    assert answer is not None
    scenario = answer.scenario
    return Said(
        scenario.quantization, scenario.engine, answer.verdict.value, scenario.context_tokens
    )


async def faces(name: str, machine: Machine, scenario: Scenario) -> dict[str, Said]:
    source = Snapshot()
    repo = await source.repo(ModelRef(name))
    async with aclosing(open_model(source, ModelRef(name))) as models:
        model = [each async for each in models][-1]
    found = subject(model, scenario)
    fit = answer_subject(found, machine)
    grid = grid_of(found, machine)
    row = grid.quantizations.index(fit.scenario.quantization or "")
    return {
        "fit": said(fit),
        "map": said(grid.cells[row][grid.chosen]),
        "list": said(judge_row(repo.listing, machine, scenario).answer),
        "comparison": said(judge_one(model, machine, scenario).answer),
        **await variants(source, model, machine, scenario),
    }


async def variants(
    source: Snapshot, model: Model, machine: Machine, scenario: Scenario
) -> dict[str, Said]:
    """By the listing alone, and by the headers."""
    lineage = Lineage(source)
    async with aclosing(find_variants(source, lineage, lineage.add(model.repo))) as growing:
        found = [each async for each in growing][-1]
    await lineage.close()
    listed = choose(judge_variants(found, machine, scenario))
    read = replace(found, origin=opened(found.origin, model))
    headers = choose(judge_variants(read, machine, scenario))
    assert listed is not None
    assert headers is not None
    return {
        "variants by listing": said(listed.variant.answer),
        "variants by headers": said(headers.variant.answer),
    }


@pytest.mark.parametrize(("name", "machine", "context"), QUESTIONS)
def test_every_face_says_the_same(name: str, machine: str, context: int | None) -> None:
    found = asyncio.run(faces(name, parse_machine(machine), Scenario(context_tokens=context)))
    assert set(found.values()) == {found["fit"]}, found


@pytest.mark.parametrize(("name", "machine", "context"), QUESTIONS[:2])
def test_every_command_says_the_same(
    name: str, machine: str, context: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--machine", machine, "--source", "snapshot", "--json"]
    options += ["--context", str(context)] if context else []

    def asked(*words: str) -> Any:
        main([*words, *options])
        return json.loads(capsys.readouterr().out)

    [fit] = asked("fit", name)
    quantization, verdict = fit["scenario"]["quantization"], fit["verdict"]
    [row] = [row for row in asked("search", name, "--limit", "40") if row["id"] == name]
    assert (row["fit"]["quantization"], row["fit"]["verdict"]) == (quantization, verdict)
    assert row["fit"]["engine"] == fit["scenario"]["engine"]
    best = asked("variants", name)["best"]
    assert (best["quantization"], best["fit"]["verdict"]) == (quantization, verdict)
    [compared] = asked("compare", name)["models"]
    assert compared["fit"]["quantization"] == quantization
