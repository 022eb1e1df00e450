"""What each command does: ask the core, print the answer."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from explorer.cli import contract, report
from explorer.errors import ModelNotFound
from explorer.fit.values import Answer, Scenario, Verdict
from explorer.hardware.detect import detect
from explorer.hardware.machine import Machine
from explorer.hardware.spec import parse_machine
from explorer.hub.names import ModelName, parse_name
from explorer.hub.options import open_source
from explorer.hub.source import Listing, Query, Source
from explorer.inspection.fitting import answer
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model
from explorer.inspection.rows import Row, judge_row
from explorer.license.terms import Permission
from explorer.weights.tensor_filter import parse_filter
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tree import build

LOOKED_AT_MOST = 5_000
"""Rows looked at for a filter that the source cannot apply, so that a rare one comes to an end."""
DOES_NOT_FIT = 1


def run(options: argparse.Namespace) -> int:
    """Run the command that was asked for and return its exit code."""
    if options.command == "machine":
        return show_machine(options)
    commands: dict[str, Callable[[argparse.Namespace], Awaitable[int]]] = {
        "search": search,
        "show": show,
        "tensors": tensors,
        "fit": fit,
    }

    async def started() -> int:
        return await commands[options.command](options)

    return asyncio.run(started())


def show_machine(options: argparse.Namespace) -> int:
    """``weights machine``."""
    machine = _machine(options)
    if options.json:
        contract.emit(contract.machine_json(machine))
    else:
        report.print_lines(report.machine(machine))
    return 0


async def search(options: argparse.Namespace) -> int:
    """``weights search``."""
    machine, scenario = _machine(options), Scenario(context_tokens=options.context)
    filtered = bool(options.fits or options.license_allows)
    query = Query(
        text=options.query,
        author=options.author,
        task=options.task,
        sort=options.sort,
        limit=LOOKED_AT_MOST if filtered else options.limit,
    )
    rows: list[Row] = []
    looked_at = 0
    async with _source(options) as source:
        async with aclosing(_listings(source, query)) as listings:
            async for listing in listings:
                looked_at += 1
                row = judge_row(listing, machine, scenario)
                if _passes(row, options.fits, options.license_allows):
                    rows.append(row)
                if len(rows) == options.limit:
                    break
        title = source.title
    if options.json:
        contract.emit([contract.row_json(row) for row in rows])
        return 0
    report.print_lines(report.listing(rows))
    if filtered:
        report.note(f"{len(rows)} of {looked_at:,} models looked at pass the filters")
    elif not rows:
        report.note("no model matches; try fewer words, or another spelling")
    report.note(report.listing_footing(rows, machine, title))
    return 0


async def show(options: argparse.Namespace) -> int:
    """``weights show``."""
    async with _source(options, options.model) as source:
        model = await _read(source, parse_name(options.model))
        if options.json:
            contract.emit(contract.model_json(model, source))
        else:
            report.print_lines(report.model(model, source))
    return _exit_code(model)


async def tensors(options: argparse.Namespace) -> int:
    """``weights tensors``."""
    async with _source(options, options.model) as source:
        model = await _read(source, parse_name(options.model))
    table = TensorTable.of(model.checkpoint)
    indices = parse_filter(options.filter).apply(table)
    if options.group:
        groups = build(table, options.group, indices)
        if options.json:
            contract.emit([contract.group_json(node) for node in groups])
        else:
            report.print_lines(report.groups(groups))
    elif options.json:
        contract.emit([contract.tensor_json(table.rows[index]) for index in indices])
    else:
        report.print_lines(report.tensors([table.rows[index] for index in indices]))
    for warning in model.warnings:
        report.note(warning)
    return _exit_code(model)


async def fit(options: argparse.Namespace) -> int:
    """``weights fit``."""
    machine, scenario = _machine(options), _scenario(options)
    answers: list[tuple[Model, Answer]] = []
    documents: list[contract.Json] = []
    code = 0
    for name in options.models:
        async with _source(options, name) as source:
            model = await _read(source, parse_name(name))
            result = answer(model, machine, scenario)
            answers.append((model, result))
            listing = model.repo.listing
            documents.append(
                contract.answer_json(listing.id, model.repo.commit, result, source.transfer)
            )
        code = max(code, _exit_code(model))
        if code == 0 and result.verdict is Verdict.TOO_LARGE:
            code = DOES_NOT_FIT
    if options.json:
        contract.emit(documents)
    else:
        for model, result in answers:
            report.print_lines(report.answer(model, result))
    return code


async def _listings(source: Source, query: Query) -> AsyncGenerator[Listing]:
    """Rows one by one; no page beyond the needed one is asked for."""
    async for page in source.search(query):
        for listing in page.rows:
            yield listing


def _passes(row: Row, fits: bool, license_allows: str | None) -> bool:
    if fits and (row.answer is None or row.answer.verdict is Verdict.TOO_LARGE):
        return False
    allowed = (Permission.YES, Permission.CONDITIONS)
    if license_allows == "commercial":
        return row.terms.commercial in allowed
    if license_allows == "hosting":
        return row.terms.hosting in allowed
    return True


def _machine(options: argparse.Namespace) -> Machine:
    spec: str | None = getattr(options, "machine", None)
    return parse_machine(spec) if spec else detect()


def _scenario(options: argparse.Namespace) -> Scenario:
    return Scenario(
        engine=options.engine,
        context_tokens=options.context,
        sequences=options.sequences,
        quantization=options.quant,
        kv_dtype=options.kv_dtype,
        batch_tokens=options.batch_tokens,
        flash_attention=options.flash_attention == "on",
        gpu_layers=options.gpu_layers,
        reserve_bytes=options.reserve,
    )


@asynccontextmanager
async def _source(options: argparse.Namespace, name: str | None = None) -> AsyncIterator[Source]:
    """The source the options ask for; the disk, if the model's name is a path."""
    local = name is not None and parse_name(name).local
    source = open_source("local" if local else options.source, offline=options.offline)
    try:
        yield source
    finally:
        await source.close()


async def _read(source: Source, name: ModelName) -> Model:
    """A model with every header that could be had; progress goes to stderr if a person watches."""
    latest: Model | None = None
    watched = sys.stderr.isatty()
    try:
        async with aclosing(open_model(source, name.ref, file=name.file)) as models:
            async for model in models:
                latest = model
                if watched and model.shards_total > 1:
                    report.progress(f"headers {model.shards_read} of {model.shards_total}")
    finally:
        if watched:
            report.progress("")
    if latest is None:
        raise ModelNotFound(f"“{name.ref.id}” gave nothing to read")
    return latest


def _exit_code(model: Model) -> int:
    """0, or the code of the first part that could not be read: the rest was still shown."""
    errors = [shard.error for shard in model.checkpoint.shards if shard.error] + [*model.problems]
    return errors[0].exit_code if errors else 0
