"""The main screen: search, filters, the listing, and a preview of the row under the cursor."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer, Input
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError, UsageError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing, ModelRef, Source
from explorer.ui.composed import is_composed
from explorer.ui.filters import CHOICES, WORDS
from explorer.ui.judging import Verdicts, judge, order
from explorer.ui.listed import Listed
from explorer.ui.listing import COLUMNS, HUB_SORTS, JudgedRows, columns_for
from explorer.ui.listing_keys import LISTING_KEYS
from explorer.ui.messages import (
    DiffModels,
    OpenModel,
    Remember,
    SourceAnswered,
    ToggleMark,
    own_fault,
)
from explorer.ui.searching import Pages, begin, chips, words_of, words_with
from explorer.ui.session import Session
from explorer.ui.widgets.chips import Chips
from explorer.ui.widgets.preview import Preview
from explorer.ui.widgets.status import State, Status
from explorer.ui.widgets.table import VirtualTable
from explorer.ui.widgets.title import Title
from explorer.units import seconds
from explorer.userfile import Remembered

if TYPE_CHECKING:
    from explorer.inspection.refine import Refiner
    from explorer.inspection.rows import Row
    from explorer.inspection.searching import Found


class ModelsScreen(Screen[None]):
    """Lists models and says of each row how it does on the machine."""

    HELP = """
    ## Models

    Every row says which quantization is **best here**: the best one that fits this machine with
    the chosen context, the memory it takes and the speed to expect.

    `●` fits  `◐` fits under the reserve  `○` partly on the host  `×` too large  `≈` estimated

    The search takes words of a name and filters: `params:7B..32B` `fits` `speed:>=20`
    `context:>=128k` `license:commercial` `format:gguf` `gated:no` `lang:de` `updated:90d`;
    `+` lists them all. `space` marks models to compare, `d` compares the tensors of two.
    """
    AUTO_FOCUS = "#models"
    BINDINGS: ClassVar[list[BindingType]] = LISTING_KEYS

    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    source: reactive[Source | None] = reactive(None)
    source_title: reactive[str] = reactive("")
    source_error: reactive[ExplorerError | None] = reactive(None)
    marked: reactive[tuple[ModelRef, ...]] = reactive(())
    remembered: reactive[Remembered] = reactive(Remembered)
    listed: reactive[Listed] = reactive(Listed)

    table = query_one("#models", VirtualTable)
    search = query_one("#search", Input)

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
        rows: tuple[Listing, ...]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
        self._session = session
        self._verdicts = Verdicts()
        self._stamp = 0
        self._judging = False
        self._pages: Pages | None = None
        self._refiner: Refiner | None = None
        self._seen: dict[str, Row] = {}
        self._settled: set[str] = set()
        """Rows that stay estimated whatever was read."""
        self.set_reactive(ModelsScreen.listed, Listed(words_of(session.query)))

    def compose(self) -> ComposeResult:
        """Title, search and filters, the listing, the preview, the status line."""
        yield Title().data_bind(
            ModelsScreen.machine, ModelsScreen.scenario, subject=ModelsScreen.source_title
        )
        with Horizontal(id="query"):
            yield Input(
                self.listed.words,
                placeholder="press / for a name, + for filters: params:7B..32B fits",
                id="search",
                compact=True,
                max_length=500,
            )
            yield Chips()
        yield VirtualTable(COLUMNS, empty=self.listed.nothing, widget_id="models")
        yield Preview()
        yield Status()
        yield Footer()

    def on_mount(self) -> None:
        """Show the filters and what the list waits for."""
        self.call_after_refresh(self._show)
        self.set_interval(1.0, self._tick)

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

    def watch_marked(self, marked: tuple[ModelRef, ...]) -> None:
        """Show which rows are marked."""
        if is_composed(self):
            self.table.marked = frozenset(ref.id for ref in marked)
            self._show_status()

    def watch_remembered(self, before: Remembered, after: Remembered) -> None:
        """What was listed last time is listed again, where nothing else is asked for."""
        if after.filters and not before.filters and self.source is None and not self.listed.words:
            self.listed = replace(self.listed, words=after.filters)
            if is_composed(self):
                self.search.value = after.filters

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

    # Showing

    def watch_listed(self, before: Listed, after: Listed) -> None:
        """Another page, another search, an error."""
        self._show()
        if after.order[0] and (before.rows is not after.rows or before.order != after.order):
            self._order(after)

    def _show(self) -> None:
        """Bring the widgets in line with what has been listed."""
        if not is_composed(self):
            return
        listed = self.listed
        self.query_one(Chips).chips = chips(listed.words)
        self._show_status()
        self.table.show_empty(listed.nothing)
        shown = dict(chips(listed.words))
        self.table.sorted_by = listed.order if listed.order[0] else (shown.get("sort", ""), True)
        self.table.set_columns(columns_for(listed.rows))
        self.table.rows = JudgedRows(listed.shown, self._look, self._session.now())
        self._preview()

    def _show_status(self) -> None:
        listed = self.listed
        busy = ("opening the source" if self.source is None else "listing") if listed.busy else ""
        text = [listed.account] if listed.account else []
        if listed.resumes_at is not None:
            left = max(listed.resumes_at - monotonic(), 0.0)
            busy = f"the hub asks to slow down: goes on in {seconds(left)}"
        if self._refiner is not None and self._refiner.state.resumes_in_seconds:
            text.append(f"≈ are made exact in {seconds(self._refiner.state.resumes_in_seconds)}")
        if self.marked:
            pair = ", d compares their tensors" if len(self.marked) == 2 else ""
            text.append(f"{len(self.marked)} marked{pair}")
        self.query_one(Status).state = State(
            text="  ·  ".join(text), busy=busy, age_seconds=listed.age_seconds, error=listed.error
        )

    def _tick(self) -> None:
        """Waiting has an end that comes nearer."""
        if is_composed(self):
            self._show_status()

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
            self.table.restart()
            words = self.listed.words
            if words != self.remembered.filters:
                self.post_message(Remember(lambda now: replace(now, filters=words)))
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
        self.post_message(self.RowsOrdered(listed, tuple(row.listing for row in ordered)))

    @on(RowsOrdered)
    def _take_order(self, message: RowsOrdered) -> None:
        if (message.listed.rows, message.listed.order) == (self.listed.rows, self.listed.order):
            self.listed = self.listed.arranged(message.rows)

    @on(VirtualTable.HeaderClicked, "#models")
    def _sort_by(self, message: VirtualTable.HeaderClicked) -> None:
        """A heading was clicked: the hub sorts by it if it can, otherwise the rows that are loaded."""
        self._sort(message.column)

    def _sort(self, column: str) -> None:
        if column in HUB_SORTS:
            self._apply("sort", column)
        else:
            self.listed = self.listed.ordered_by(column)

    # The row under the cursor

    @on(VirtualTable.Highlighted, "#models")
    def _preview(self) -> None:
        """Show more of the row the cursor came to."""
        here = self._here()
        self.query_one(Preview).row = self._look(here) if here else None

    def _here(self) -> Listing | None:
        rows = self.listed.shown
        return rows[min(self.table.cursor, len(rows) - 1)] if rows else None

    @on(VirtualTable.Selected, "#models")
    def _open(self, message: VirtualTable.Selected) -> None:
        """Look into a model."""
        self.post_message(OpenModel(ModelRef(self.listed.shown[message.index].id)))

    def action_mark(self) -> None:
        """Mark the row for a comparison, or take the mark away, and go to the next."""
        here = self._here()
        if here is not None:
            self.post_message(ToggleMark(ModelRef(here.id)))
            self.table.cursor += 1

    def action_diff(self) -> None:
        """Hold the marked pair against each other, or the marked model against the row."""
        here = self._here()
        pair = list(self.marked[:2])
        if len(pair) == 1 and here is not None and here.id != pair[0].id:
            pair.append(ModelRef(here.id))
        if len(pair) == 2:
            self.post_message(DiffModels(*pair))
        else:
            self.notify("mark two models with space first", markup=False, timeout=3)

    # Search and filters

    def action_search(self) -> None:
        """Put the cursor into the search line."""
        self.set_focus(self.search)  # at once: the next key may be a letter already

    def action_leave_search(self) -> None:
        """Back to the list; a second time clears the search."""
        if self.search.has_focus:
            self.table.focus()
        elif self.search.value:
            self.search.value = ""

    def action_publisher(self) -> None:
        """List what the publisher of the row has; clearing the search comes back to everything."""
        here = self._here()
        author = (here.author or here.id.partition("/")[0]) if here is not None else ""
        if author:
            self.search.value = f"author:{author}"

    def action_reload(self) -> None:
        """Ask the source again."""
        self._list(self.listed.words)

    @on(Input.Changed, "#search")
    def _type(self, event: Input.Changed) -> None:
        """Search once typing rests; the older search is cancelled."""
        words = event.value.strip()
        if words != self.listed.words:
            self._list(words, self._session.pause_seconds if self.search.has_focus else 0.0)

    @on(Input.Submitted, "#search")
    def _leave_for_list(self) -> None:
        """Enter goes on to the rows that were found."""
        self.table.focus()

    @on(Chips.Pressed)
    def _press(self, message: Chips.Pressed) -> None:
        """A filter was clicked."""
        self.action_choose(message.name)

    @work(group="choosing", exclusive=True)
    async def action_choose(self, name: str) -> None:
        """Let the person choose a value of one filter."""
        title, values = CHOICES[name]
        current = dict(chips(self.listed.words)).get(name, "any")
        value = await self._ask(title, list(values.items()), current)
        if value is not None:
            self._apply(name, value)

    @work(group="choosing", exclusive=True)
    async def action_add_filter(self) -> None:
        """Let the person pick a filter, and finish it in the search line."""
        width = max(map(len, WORDS)) + 2
        choices = [(word, f"{word:<{width}}{what}") for word, what in WORDS.items()]
        word = await self._ask("Narrow the listing", choices, "")
        if word is not None:
            value = f"{self.search.value} {word}".strip()
            self.search.value = value
            self.set_focus(self.search)  # at once: the next key may be a letter already

    @work(group="choosing", exclusive=True)
    async def action_order(self) -> None:
        """Let the person choose a column that the loaded rows are ordered by."""
        choices = [(column.key, column.label) for column in columns_for(self.listed.rows)]
        column = await self._ask("Order the rows by", choices, self.listed.order[0])
        if column is not None:
            self._sort(column)

    @work(group="choosing", exclusive=True)
    async def action_recent(self) -> None:
        """Open a model that was opened before."""
        recent = [(model, model) for model in self.remembered.recent]
        if not recent:
            self.notify("no model was opened yet", markup=False, timeout=3)
            return
        model = await self._ask("Opened before", recent, recent[0][0])
        if model is not None:
            self.post_message(OpenModel(ModelRef(model)))

    @work(group="choosing", exclusive=True)
    async def action_searches(self) -> None:
        """Search again for what was saved, or save the present search under a name."""
        saved = self.remembered.searches
        width = max(map(len, saved), default=0) + 2
        choices = [(name, f"{name:<{width}}{words}") for name, words in saved.items()]
        words = self.listed.words
        typed = "type a name to save this search" if words else ""
        name = await self._ask("Saved searches", choices, "", typed=typed)
        if name is not None and name in saved:
            self.search.value = saved[name]
        elif name and words:
            self.post_message(Remember(lambda now: now.save(name, words)))
            self.notify(f"saved as {name}", markup=False, timeout=3)

    async def _ask(
        self, title: str, choices: Sequence[tuple[str, str]], current: str, *, typed: str = ""
    ) -> str | None:
        from explorer.ui.screens.choose import Choice, ChooseScreen  # loaded when first needed

        offered = [Choice(value, label) for value, label in choices]
        check = str if typed else None
        screen = ChooseScreen(title, offered, current, typed=typed, check=check)
        return await self.app.push_screen_wait(screen)

    def _apply(self, name: str, value: str) -> None:
        """List again with one filter changed: the search line says what is asked."""
        self.listed = self.listed.ordered_by("")
        self.search.value = words_with(self.listed.words, name, value)
