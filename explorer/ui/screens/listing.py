"""How the listing is filled: pages as they are wanted, verdicts and exact rows behind them, an order."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from textual import on, work
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError, UsageError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing, Source
from explorer.ui.judging import Verdicts, judge, order
from explorer.ui.listed import Listed
from explorer.ui.messages import SourceAnswered, own_fault
from explorer.ui.searching import Pages, begin, words_of
from explorer.ui.session import Session
from explorer.ui.widgets.table import VirtualTable

if TYPE_CHECKING:
    from explorer.inspection.refine import Refiner
    from explorer.inspection.rows import Row
    from explorer.inspection.searching import Found


class ListingScreen(Screen[None]):
    """Runs the search, judges the rows that are looked at and makes them exact; shows nothing itself."""

    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    source: reactive[Source | None] = reactive(None)
    source_error: reactive[ExplorerError | None] = reactive(None)
    listed: reactive[Listed] = reactive(Listed)

    table = query_one("#models", VirtualTable)

    @dataclass
    class PageArrived(Message):
        """The source gave a page, or asks to slow down."""

        number: int
        found: "Found"

    @dataclass
    class ListingFailed(Message):
        """The source gave an error instead of a page."""

        number: int
        error: ExplorerError

    @dataclass
    class RowsJudged(Message):
        """Verdicts for the machine and scenario of a stamp."""

        stamp: int
        rows: "tuple[Row, ...]"

    @dataclass
    class RowsOrdered(Message):
        """The rows of a listing in the order of a column."""

        listed: Listed
        rows: "tuple[Row, ...]"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._verdicts = Verdicts()
        self._stamp = 0
        self._judging = False
        self._pages: Pages | None = None
        self._refiner: Refiner | None = None
        self._seen: dict[str, Row] = {}
        self._settled: set[str] = set()
        """Rows that stay estimated whatever was read."""
        self.set_reactive(ListingScreen.listed, Listed(words_of(session.query)))

    # What whoever shows the listing does

    def _show(self) -> None:
        """Show what has been listed."""

    def _preview(self) -> None:
        """Show more of the row under the cursor."""

    def _begin_anew(self, words: str) -> None:
        """The first page of a newer search is there."""

    # What came from above

    def watch_source(self, source: Source | None) -> None:
        """A source was opened: list from it."""
        if source is not None:
            self._verdicts, self._settled = Verdicts(), set()
            self._refine(source)
            self._list(self.listed.words)

    def watch_source_error(self) -> None:
        """The source could not be opened: say so."""
        if self.source_error is not None:
            self.listed = self.listed.fail(self.source_error)

    def watch_machine(self) -> None:
        """Another machine: every row is judged anew as it comes into view."""
        self._judge_anew()

    def watch_scenario(self) -> None:
        """Another context: the same."""
        self._judge_anew()

    def _judge_anew(self) -> None:
        self._verdicts.forget_verdicts()
        self._stamp += 1
        if self.machine is None:
            return
        asks_machine = self._pages is not None and self._pages.asks_machine
        if self.source is not None and asks_machine:
            self._list(self.listed.words)
        else:
            self._show()

    def watch_listed(self, before: Listed, after: Listed) -> None:
        """Another page, another search, an error."""
        self._show()
        if after.order[0] and (before.rows is not after.rows or before.order != after.order):
            self._order(after)

    # Listing

    def _list(self, words: str, pause_seconds: float = 0.0) -> None:
        """Begin a search; the rows of the older one stay until its first page is there."""
        if self.source is None:
            self.listed = self.listed.search(words)
            return
        try:
            pages = begin(
                words, self.source, self.machine, self.scenario, self._session, self._refiner
            )
        except UsageError as error:  # a filter that is not typed to its end
            self.listed = self.listed.search(words).fail(error)
            self.workers.cancel_group(self, "listing")
            return
        self.listed = self.listed.search(words)
        self._pages = pages
        self._fetch(pages, self.listed.number, pause_seconds)

    @work(exclusive=True, group="listing", exit_on_error=False)
    async def _fetch(self, pages: Pages, number: int, pause_seconds: float) -> None:
        """Post a page at a time, each when it is wanted."""
        await asyncio.sleep(pause_seconds)
        try:
            async with aclosing(pages.found) as arriving:
                async for found in arriving:
                    self.post_message(self.PageArrived(number, found))
                    if found.account.resumes_in_seconds is None:
                        await pages.wanted.wait()
                        pages.wanted.clear()
        except ExplorerError as error:
            self.post_message(self.ListingFailed(number, error))

    @on(PageArrived)
    def _add_page(self, message: PageArrived) -> None:
        """Rows of the present search go below; its first page replaces an older listing."""
        if message.number != self.listed.number or self._pages is None:
            return
        self.post_message(SourceAnswered())
        account = message.found.account
        if account.resumes_in_seconds is not None:
            self.listed = self.listed.wait(monotonic() + account.resumes_in_seconds)
            return
        if not self.listed.begun:
            self._begin_anew(self.listed.words)
        self._verdicts.add(message.found.rows)
        came = tuple(row.listing for row in message.found.rows)
        self.listed = self.listed.add(came, account, 2 * self.table.page_rows)
        if self.listed.busy:
            self._pages.wanted.set()

    @on(ListingFailed)
    def _note_failure(self, message: ListingFailed) -> None:
        """Say what went wrong; what was listed stays."""
        if message.number == self.listed.number:
            self.listed = self.listed.fail(message.error)

    @on(VirtualTable.NeedsMore, "#models")
    def _want_more(self) -> None:
        """The end of the list is near: let the next page come."""
        if self.listed.more and not self.listed.busy and self._pages is not None:
            self.listed = self.listed.go_on()
            self._pages.wanted.set()

    def action_stop(self) -> None:
        """Look for no more rows, or go on where it was stopped."""
        if self.listed.busy and self.listed.begun:
            self.listed = self.listed.stop()
        else:
            self._want_more()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told like any other, and the screen stays."""
        if event.state is WorkerState.ERROR:
            self.listed = self.listed.fail(own_fault(event.worker.error))

    # Verdicts

    def _look(self, listing: Listing) -> "Row | None":
        """The verdict of a row that is looked at; one that is not there yet is asked for."""
        row = self._verdicts.row(listing)
        if row is None and self.machine is not None and not self._judging:
            self._judging = True
            self.call_later(self._judge_rows)
        if row is not None and row.estimated and listing.id not in self._settled:
            if not self._seen:
                self.call_later(self._refine_seen)
            self._seen[listing.id] = row
        return row

    @work(group="judging", exit_on_error=False)
    async def _judge_rows(self) -> None:
        """Judge what waits, a few rows at a time in a thread, and post each lot."""
        try:
            while self.machine is not None and self._verdicts.is_waited_for:
                stamp, rows = self._stamp, self._verdicts.take()
                judged = await asyncio.to_thread(judge, rows, self.machine, self.scenario)
                self.post_message(self.RowsJudged(stamp, judged))
        finally:
            self._judging = False

    @on(RowsJudged)
    def _add_verdicts(self, message: RowsJudged) -> None:
        """Fill in the verdicts, unless they are for another machine than the present one."""
        if message.stamp == self._stamp:
            self._verdicts.add_judged(message.rows)
            self.table.repaint_rows()
            self._preview()

    @property
    def refining(self) -> bool:
        """Estimated rows are being made exact at this moment."""
        state = self._refiner.state if self._refiner is not None else None
        if state is None:
            return False
        return bool(
            self._seen or state.in_flight or (state.waiting and not state.resumes_in_seconds)
        )

    def _refine_seen(self) -> None:
        """The estimated rows in view are the next to be made exact."""
        seen, self._seen = tuple(self._seen.values()), {}
        if self._refiner is not None:
            self._refiner.look_at(seen)

    @work(group="refining", exclusive=True, exit_on_error=False)
    async def _refine(self, source: Source) -> None:
        """Post rows as their configurations arrive, judged like the others."""
        from explorer.inspection.refine import Refiner  # loaded with the first listing

        refiner = self._refiner = Refiner(source)
        try:
            async with aclosing(refiner.rows()) as rows:
                async for row in rows:
                    stamp, machine = self._stamp, self.machine
                    if row.estimated:
                        self._settled.add(row.listing.id)
                    if machine is not None:
                        judged = await asyncio.to_thread(judge, (row,), machine, self.scenario)
                        self.post_message(self.RowsJudged(stamp, judged))
        finally:
            refiner.close()

    # Order of the rows that are loaded

    @work(group="ordering", exclusive=True, exit_on_error=False)
    async def _order(self, listed: Listed) -> None:
        """Order in a thread: rows that were never looked at have to be judged for that."""
        rows = self._verdicts.known(listed.rows)
        ordered = await asyncio.to_thread(order, rows, self.machine, self.scenario, *listed.order)
        self.post_message(self.RowsOrdered(listed, tuple(ordered)))

    @on(RowsOrdered)
    def _take_order(self, message: RowsOrdered) -> None:
        if (message.listed.rows, message.listed.order) == (self.listed.rows, self.listed.order):
            self._verdicts.add_described(message.rows)
            self.listed = self.listed.arranged(tuple(row.listing for row in message.rows))
