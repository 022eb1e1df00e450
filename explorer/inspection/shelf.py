"""Models on disk as rows: their headers are at hand, so that nothing in a row is an estimate."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from explorer.errors import ExplorerError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import GgufSummary, Listing, ModelRef, Source
from explorer.inspection.fitting import answer
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model
from explorer.inspection.rows import Row, judge_row

_AT_ONCE = 4


async def judge_shelf(
    source: Source, listings: Sequence[Listing], machine: Machine, scenario: Scenario
) -> list[Row]:
    """Rows of models on disk in the same order, each opened and judged as it lies there."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def judge(listing: Listing) -> Row:
        async with turn:
            return await _judge(source, listing, machine, scenario)

    return await asyncio.gather(*(judge(listing) for listing in listings))


async def _judge(source: Source, listing: Listing, machine: Machine, scenario: Scenario) -> Row:
    model = await _opened(source, listing)
    if model is None or not model.checkpoint.counts.parameters:
        return judge_row(listing, machine, scenario)
    row = judge_row(_filled(listing, model), machine, scenario)
    row = replace(row, active=model.active_parameters)
    try:
        found = await asyncio.to_thread(answer, model, machine, scenario)
    except ExplorerError:
        return row
    return replace(row, answer=found, estimated=False)


async def _opened(source: Source, listing: Listing) -> Model | None:
    latest = None
    try:
        async with aclosing(open_model(source, ModelRef(listing.id))) as models:
            async for model in models:
                latest = model
    except ExplorerError:
        return None
    return latest


def _filled(listing: Listing, model: Model) -> Listing:
    """The listing with what the headers say."""
    shape = model.architecture
    parameters = model.checkpoint.counts.parameters
    if shape is None:
        return replace(listing, parameters=parameters)
    summary = GgufSummary(parameters, shape.name, shape.context_tokens)
    return replace(listing, parameters=parameters, gguf=summary)
