"""Scrolling, filtering and refining at once on a hub of 100,000 models, and what a kill leaves of it."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from explorer.fit.values import Scenario
from explorer.hardware.spec import parse_machine
from explorer.hub.huggingface import HuggingFace
from explorer.hub.source import Listing, Query, Source
from explorer.hub.store import Store
from explorer.hub.stored import FRESH_SECONDS, Stored
from explorer.inspection.filter_words import parse_filters
from explorer.inspection.refine import Refiner
from explorer.inspection.rows import Row, judge_again
from explorer.inspection.searching import Judge, search
from tests.hub import Fault, HubFile, HubRepo, HubServer, RateLimits
from tests.hub.builder import generate_listing
from tests.inspection_listing.desk import Time, stored_source

ROWS = 100_000
SCROLLED = 1_000
SCREEN = 40
FEW_SCREENS = 5
"""A flick of the wheel passes so many pages; the rows of the last are seen for long enough."""
MATCHES = 40
LATENCY_SECONDS = 0.005
LIMITS = RateLimits(api=12, resolvers=240, window_seconds=20)
JUDGE: Judge = partial(judge_again, machine=parse_machine("RTX 4090"), scenario=Scenario())
CONTEXTS = {"7B": 8192, "8B": 131072}


def config_file(context: int) -> HubFile:
    config = {
        "model_type": "llama",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": context,
    }
    return HubFile.of_json("config.json", config)


def models() -> Iterator[HubRepo]:
    """The generated listing; every model has a config.json."""
    files = {size: (config_file(context),) for size, context in CONTEXTS.items()}
    others = (config_file(4096),)
    for repo in generate_listing(ROWS):
        yield replace(repo, files=files.get(repo.id.rpartition("-")[2], others))


@pytest.fixture(name="models", scope="module")
def all_models() -> list[HubRepo]:
    return list(models())


@dataclass
class Desk:
    """A person before the listing: the pages scrolled past, the filter, the rows made exact."""

    source: Source
    time: Time
    refiner: Refiner
    scrolled: list[str] = field(default_factory=list)
    looked_at: set[str] = field(default_factory=set)
    matches: list[str] = field(default_factory=list)
    sifted: int = 0
    exact: dict[str, Row] = field(default_factory=dict)

    async def scroll(self) -> None:
        """Far down the listing, stopping now and then."""
        found = search(self.source, parse_filters("sort:downloads"), JUDGE, pause=self.time.pause)
        pages = 0
        async with aclosing(found) as parts:
            async for part in parts:
                self.scrolled += [row.listing.id for row in part.rows]
                pages += bool(part.rows)
                if part.rows and pages % FEW_SCREENS == 0:
                    self.look_at(part.rows[:SCREEN])
                if len(self.scrolled) >= SCROLLED:
                    break

    def look_at(self, rows: Sequence[Row]) -> None:
        self.refiner.look_at(rows)
        self.looked_at |= {row.listing.id for row in rows}

    async def sift(self) -> None:
        """A filter that only configurations answer, until a screen is full."""
        filters = parse_filters("params:7B..9B context:>=32k sort:likes")
        found = search(self.source, filters, JUDGE, refiner=self.refiner, pause=self.time.pause)
        async with aclosing(found) as parts:
            async for part in parts:
                self.matches += [row.listing.id for row in part.rows]
                self.sifted = part.account.looked_at
                assert part.account.unknown == 0, "a row held back is not a row unknown"
                if len(self.matches) >= MATCHES:
                    break

    async def refine(self) -> None:
        """In the background, until every row that was looked at is exact."""
        async with aclosing(self.refiner.rows()) as rows:
            async for row in rows:
                self.exact[row.listing.id] = row
                if len(self.exact) == SCROLLED // 50 // FEW_SCREENS * SCREEN:
                    break


async def use(hub: HubServer, time: Time, folder: Path) -> Desk:
    """Everything at once, over one source and one store."""
    source = stored_source(hub, time, folder)
    desk = Desk(source, time, Refiner(source, pause=time.pause, monotonic=time))
    async with asyncio.TaskGroup() as tasks:
        for work in (desk.scroll(), desk.sift(), desk.refine()):
            tasks.create_task(work)
    desk.refiner.close()
    await source.close()
    return desk


def expected(models: Sequence[HubRepo]) -> tuple[list[str], list[str]]:
    """What is scrolled past, and what the filter lets pass, by hand: the listing comes most popular first."""
    scrolled = [repo.id for repo in models[:SCROLLED]]
    wanted = [repo.id for repo in models if repo.id.endswith("-8B")]
    return scrolled, wanted


def configs_asked(hub: HubServer) -> list[str]:
    """Models whose config.json was asked for."""
    return ["/".join(e.target.split("/")[1:3]) for e in hub.traffic.of(kind="resolve")]


REFUSALS = (
    (),
    (
        Fault(kind="list", skip=5, times=1, status=429, retry_after_seconds=15),
        Fault(kind="resolve", skip=30, times=1, status=429, retry_after_seconds=15),
    ),
)


@pytest.mark.parametrize("faults", REFUSALS, ids=["within the limits", "refused twice"])
async def test_scrolling_filtering_and_refining_at_once(
    models: list[HubRepo], faults: Sequence[Fault], tmp_path: Path
) -> None:
    time = Time()
    with HubServer(models, limits=LIMITS, latency_seconds=LATENCY_SECONDS, clock=time) as hub:
        for fault in faults:
            hub.inject(fault)
        begun = time.now
        desk = await use(hub, time, tmp_path)
        assert time.now - begun < FRESH_SECONDS, "so that nothing may be asked for twice"

        statuses = [exchange.status for exchange in hub.traffic.exchanges]
        assert statuses.count(429) == len(faults), "none but those that were injected"
        # A redirect is no answer: where a refusal comes before its target is read, it is asked again.
        answered = [e.target for e in hub.traffic.exchanges if e.status == 200]
        assert len(set(answered)) == len(answered), "nothing is asked for twice"
        assert time.waits

        scrolled, wanted = expected(models)
        assert desk.scrolled == scrolled
        assert desk.matches == wanted[: len(desk.matches)]
        assert set(desk.exact) == desk.looked_at
        assert {row.context_tokens for row in desk.exact.values()} == {4096, 8192, 131072}

        # Pages of what was scrolled and sifted, configurations of what was seen or had to be.
        refused = sum(fault.kind == "list" for fault in faults)
        pages = len(desk.scrolled) // 50 + desk.sifted // 50
        assert hub.traffic.requests(kind="list") == pages + refused
        sifted = [repo.id for repo in models if repo.id.endswith(tuple(CONTEXTS))][: desk.sifted]
        assert set(configs_asked(hub)) == desk.looked_at | set(sifted)
        assert hub.traffic.requests(kind="info") == hub.traffic.requests(kind="tree") == 0

        hub.traffic.clear()
        again = await use(hub, time, tmp_path)
        assert (again.scrolled, again.matches) == (desk.scrolled, desk.matches)
        assert hub.traffic.requests() == 0, "a second look costs nothing"


LISTER = """
import asyncio, sys
from functools import partial
from pathlib import Path
from explorer.hub.options import open_source
from explorer.inspection.filter_words import parse_filters
from explorer.inspection.refine import Refiner
from explorer.inspection.searching import search

async def scroll(source, refiner, words, mark):
    async for part in search(source, parse_filters(words), lambda row: row, refiner=refiner):
        refiner.look_at(part.rows)
        print(mark, *(row.listing.id for row in part.rows), flush=True)

async def refine(refiner):
    async for row in refiner.rows():
        print("exact", row.listing.id, row.context_tokens, flush=True)

async def main():
    source = open_source("hub", endpoint=sys.argv[1], cache=Path(sys.argv[2]))
    refiner = Refiner(source)
    await asyncio.gather(
        scroll(source, refiner, "sort:downloads", "scrolled"),
        scroll(source, refiner, "params:7B..9B context:>=32k sort:likes", "sifted"),
        refine(refiner),
    )

asyncio.run(main())
"""
KILLS = 3
MOST_LINES = 120


def killed_after(lines: int, hub: HubServer, folder: Path) -> list[list[str]]:
    """What a listing program said before it was killed, the words of each whole line."""
    command = [sys.executable, "-c", LISTER, hub.endpoint, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    return [line.split() for line in said if line.endswith("\n")]


async def test_a_kill_at_any_point_leaves_the_store_readable(
    models: list[HubRepo], tmp_path: Path
) -> None:
    chance = random.Random(5)
    shown: list[str] = []
    exact: dict[str, int] = {}
    with HubServer(models, latency_seconds=LATENCY_SECONDS) as hub:
        for _ in range(KILLS):
            said = killed_after(chance.randint(1, MOST_LINES), hub, tmp_path)
            pages = [words[1:] for words in said if words[0] == "scrolled"]
            shown = max(shown, [name for page in pages for name in page], key=len)
            exact |= {words[1]: int(words[2]) for words in said if words[0] == "exact"}
        endpoint = hub.endpoint
    # The hub is gone: whatever was shown is still there, from its first page to its last.
    store = Store(tmp_path)
    nowhere = HuggingFace(endpoint, offline=True)
    source = Stored(nowhere, store, scope=nowhere.endpoint)
    names: list[str] = []
    stored = source.search(Query(sort="downloads"))
    while len(names) < len(shown):
        names += [row.id for row in (await anext(stored)).rows]
    assert names[: len(shown)] == shown
    assert shown == [repo.id for repo in models[: len(shown)]]
    commits = {repo.id: repo.commits["main"] for repo in models[:20_000]}
    assert exact
    for name, context in exact.items():
        config = await source.config(Listing(name, sha=commits[name]))
        assert json.loads(config or "{}")["max_position_embeddings"] == context
    assert store.notices == ()
    await source.close()
