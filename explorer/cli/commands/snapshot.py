"""``weights snapshot``: a file of listings, configs and headers for machines without a network."""

import argparse
import asyncio
import json
import sys
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from explorer import units
from explorer.cli import contract, report
from explorer.cli.asked import source_of
from explorer.errors import ExplorerError, HubError, RateLimited
from explorer.hub.snapshot_codec import Origin, write_portable
from explorer.hub.snapshot_journal import Journal, open_journal, write_file
from explorer.hub.source import Listing, Query, Source, Transfer
from explorer.inspection.collecting import collect
from explorer.safetext import safe_line

BAR_CELLS = 24
LINES_TOLD = 10
"""Models that could not be had are named up to so many."""


async def run(options: argparse.Namespace) -> int:
    """``weights snapshot``. What was read stays in FILE.part until FILE is complete."""
    # The bundled snapshot is nothing to fall back on: what is asked for is what the hub has now.
    live = options.source == "auto"
    asked = argparse.Namespace(**{**vars(options), "source": "hub" if live else options.source})
    query = Query(
        text=options.search or "",
        author=options.author,
        task=options.task,
        sort=options.sort,
        limit=options.limit,
    )
    async with source_of(asked) as source:
        title = source.title
        selection = _selection(query, title, options.documents)
        journal = open_journal(options.file, selection, datetime.now(UTC).date().isoformat())
        try:
            await _fill(journal, source, query, options)
        except HubError as error:
            error.hint = f"{_kept(journal)} {error.hint}".strip()
            raise
        except asyncio.CancelledError:
            report.note(_kept(journal))
            raise
        finally:
            journal.close()
        transfer = source.transfer
    size = _write(options.file, journal, title, selection)
    if options.json:
        contract.emit(_json(options.file, journal, title, size, transfer))
    else:
        _tell(options.file, journal, title, size)
    return 0


def _write(path: Path, journal: Journal, title: str, selection: str) -> int:
    """The finished file in place of the journal; returns its size in bytes."""
    origin = Origin(title, selection, journal.listings, journal.left_out)
    size = write_file(path, write_portable(journal.date, origin, journal.ordered))
    journal.remove()
    return size


def _json(
    path: Path, journal: Journal, title: str, size: int, transfer: Transfer
) -> dict[str, contract.Json]:
    return {
        "schema_version": contract.SCHEMA_VERSION,
        "path": str(path),
        "date": journal.date,
        "source": title,
        "rows": len(journal.listings),
        "models": len(journal.models),
        "models_with_headers": sum(bool(model.headers) for model in journal.ordered),
        "left_out": dict(journal.left_out),
        "size_bytes": size,
        "transfer": contract.transfer_json(transfer),
    }


def _tell(path: Path, journal: Journal, title: str, size: int) -> None:
    complete = sum(bool(model.headers) for model in journal.ordered)
    held = f"{complete} models with their headers, {len(journal.listings)} rows of {title}"
    report.print_lines([f"{path}: {held}, {units.file_size(size)}"])
    without = [
        f"no header of {model.id}: {'; '.join(model.texts.notes) or 'no weights'}"
        for model in journal.ordered
        if not model.headers
    ]
    without += [f"only the listing of {name}: {why}" for name, why in journal.left_out.items()]
    for line in without[:LINES_TOLD]:
        report.note(line)
    if len(without) > LINES_TOLD:
        report.note(f"and {len(without) - LINES_TOLD} more models without headers")
    report.note(f"use it with --source {path}")


async def _fill(
    journal: Journal, source: Source, query: Query, options: argparse.Namespace
) -> None:
    """Read what the journal does not have yet, writing down each model as it arrives."""
    if not journal.listings:
        journal.begin(await _listed(source, query))
    left = journal.remaining
    total = len(journal.listings)
    if left and len(left) < total:
        report.note(f"going on with {journal.path}: {total - len(left)} of {total} are there")
    collected = collect(source, left, documents=options.documents, waiting=_waiting)
    watched = sys.stderr.isatty()
    try:
        async with aclosing(collected) as outcomes:
            async for name, outcome in outcomes:
                if isinstance(outcome, ExplorerError):
                    journal.leave_out(name, str(outcome.title))
                else:
                    journal.add(outcome)
                if watched:
                    done = total - len(journal.remaining)
                    report.progress(f"{_bar(done, total)} {done} of {total}  {safe_line(name)}")
    finally:
        if watched:
            report.progress("")


async def _listed(source: Source, query: Query) -> tuple[Listing, ...]:
    rows: dict[str, Listing] = {}
    async for page in source.search(query):
        rows |= {row.id: row for row in page.rows}
        if sys.stderr.isatty():
            report.progress(f"listing: {len(rows)}")
    return tuple(rows.values())


def _selection(query: Query, title: str, documents: bool) -> str:
    """What was asked for, as one text that is the same for the same options."""
    said = {name: value for name, value in asdict(query).items() if value}
    return json.dumps({"of": title, **said, "documents": documents}, sort_keys=True)


def _bar(done: int, total: int) -> str:
    filled = BAR_CELLS * done // max(total, 1)
    return f"[{'#' * filled}{'.' * (BAR_CELLS - filled)}]"


def _waiting(limit: RateLimited) -> None:
    report.note(f"{limit.title}: going on in {limit.retry_after_seconds or 0:.0f} s")


def _kept(journal: Journal) -> str:
    """How to go on with what is not finished; empty if nothing has been read yet."""
    if not journal.listings:
        return ""
    done = len(journal.models) + len(journal.left_out)
    return (
        f"{done} of {len(journal.listings)} models are kept in {journal.path}: "
        "run the same command again to go on."
    )
