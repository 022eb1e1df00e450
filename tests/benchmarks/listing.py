"""Rows of a listing described and judged a second: ``python -m tests.benchmarks.listing [MACHINE]``.

The bundled snapshot's rows that state a size, under other names until there are 20,000, every second one
with the type alone left of its configuration, as the live hub's listings mostly are. Prints rows a second
for the first description, for the first judgement and for one after another context was chosen; and how
much of it is estimated. Seconds are of the processor's time.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from explorer.cli.running import collect_rarely
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hardware.spec import parse_machine
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import Listing, Query
from explorer.inspection.rows import Row, describe, judge_again

ROWS = 20_000
BUDGET = 20_000
TYPE_ALONE = ("model_type", "architectures", "quantization_config")


async def _listed() -> list[Listing]:
    source = Snapshot()
    rows = [row async for page in source.search(Query()) for row in page.rows]
    await source.close()
    return [row for row in rows if row.parameters or row.gguf]


def sample(rows: int = ROWS) -> list[Listing]:
    """Rows of the snapshot, repeated under other names, half of them without their configuration."""
    listed = asyncio.run(_listed())
    repeated = itertools.islice(itertools.cycle(listed), rows)
    return [
        replace(
            row,
            id=f"{row.id}-{number}",
            config=dict(row.config)
            if number // len(listed) % 2
            else {key: row.config[key] for key in TYPE_ALONE if key in row.config},
        )
        for number, row in enumerate(repeated)
    ]


def timed(what: str, work: Callable[[], list[Row]]) -> list[Row]:
    """The rows, after printing how many a second there were."""
    begun = time.process_time()
    rows = work()
    seconds = time.process_time() - begun
    rate = len(rows) / seconds
    print(f"{what:38s} {rate:9,.0f} rows/s  {1e6 / rate:6.1f} us  {rate / BUDGET:5.2f} of budget")
    return rows


def judged(rows: Sequence[Row], machine: Machine, scenario: Scenario) -> list[Row]:
    return [judge_again(row, machine, scenario) for row in rows]


def main() -> None:
    """Print the rates."""
    collect_rarely()  # as the program does
    machine = parse_machine(sys.argv[1] if len(sys.argv) > 1 else "RTX 4090")
    listings = sample()
    print(f"{len(listings):,} rows on {machine.name}")
    rows = timed("described", lambda: [describe(row) for row in listings])
    found = timed("judged", lambda: judged(rows, machine, Scenario()))
    longer = Scenario(context_tokens=16384)
    timed("judged for another context", lambda: judged(rows, machine, longer))
    timed("judged for it again", lambda: judged(rows, machine, longer))
    answered = [row for row in found if row.answer is not None]
    estimated = sum(row.estimated for row in answered)
    print(f"{len(answered) / len(rows):.0%} have an answer, {estimated / len(rows):.0%} estimated")


if __name__ == "__main__":
    main()
