"""The main screen: search, filters, the listing, and a preview of the row under the cursor."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer, Input
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing, ModelRef, Page, Query, Sort, Source
from explorer.ui.composed import is_composed
from explorer.ui.filters import CHOICES
from explorer.ui.judging import Verdicts, judge
from explorer.ui.listed import FITS, Listed
from explorer.ui.listing import COLUMNS, JudgedRows
from explorer.ui.messages import OpenModel, SourceAnswered, own_fault
from explorer.ui.session import Session
from explorer.ui.widgets.chips import Chips
from explorer.ui.widgets.preview import Preview
from explorer.ui.widgets.status import State, Status
from explorer.ui.widgets.table import VirtualTable
from explorer.ui.widgets.title import Title

if TYPE_CHECKING:
    from explorer.inspection import Row

SORTS: dict[str, Sort] = {
    "trending": "trending",
    "downloads": "downloads",
    "likes": "likes",
    "updated": "updated",
    "created": "created",
}


class ModelsScreen(Screen[None]):
    """Lists models and says of each row how it does on the machine."""

    HELP = """
    ## Models

    Every row says which quantization is **best here**: the best one that fits this machine with
    the chosen context, the memory it takes and the speed to expect.

    `●` fits  `◐` fits under the reserve  `○` partly on the host  `×` too large  `≈` estimated
    """
    AUTO_FOCUS = "#models"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash", "search", "Search", id="models.search", tooltip="Look for a model by name"
        ),
        Binding("s", "choose('sort')", "Sort", id="models.sort", tooltip="Order of the listing"),
        Binding(
            "f",
            "choose('fits')",
            "Fits",
            show=False,
            id="models.fits",
            tooltip="Only what runs here",
        ),
        Binding(
            "t", "choose('task')", "Task", show=False, id="models.task", tooltip="Only one task"
        ),
        Binding(
            "l",
            "choose('license')",
            "License",
            show=False,
            id="models.license",
            tooltip="Only one license",
        ),
        Binding("r", "reload", "Reload", show=False, id="models.reload", tooltip="List again"),
        Binding(
            "escape",
            "leave_search",
            "List",
            show=False,
            id="models.list",
            tooltip="Back to the list",
        ),
    ]

    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    source: reactive[Source | None] = reactive(None)
    source_title: reactive[str] = reactive("")
    source_error: reactive[ExplorerError | None] = reactive(None)
    listed: reactive[Listed] = reactive(Listed)

    table = query_one("#models", VirtualTable)
    search = query_one("#search", Input)

    @dataclass
    class PageArrived(Message):
        """The source gave a page."""

        number: int
        page: Page
        kept: tuple[Listing, ...]
        """The rows that pass the fits filter."""

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

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
        self._session = session
        self._verdicts = Verdicts()
        self._stamp = 0
        self._judging = False
        self._wanted = asyncio.Event()
        self.set_reactive(ModelsScreen.listed, Listed(session.query))

    def compose(self) -> ComposeResult:
        """Title, search and filters, the listing, the preview, the status line."""
        yield Title().data_bind(
            ModelsScreen.machine, ModelsScreen.scenario, subject=ModelsScreen.source_title
        )
        with Horizontal(id="query"):
            yield Input(
                self._session.query.text,
                placeholder="press / and type to search",
                id="search",
                compact=True,
                max_length=200,
            )
            chips = Chips()
            chips.chips = self._filters()
            yield chips
        yield VirtualTable(COLUMNS, empty=self.listed.nothing, widget_id="models")
        yield Preview()
        yield Status()
        yield Footer()

    def on_mount(self) -> None:
        """Show the filters and what the list waits for."""
        self.call_after_refresh(self._show)

    # What came from above

    def watch_source(self, source: Source | None) -> None:
        """A source was opened: list from it."""
        if source is not None:
            self._list(self.listed.query, self.listed.fits)

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
        if self.listed.fits != "any" and self.source is not None:
            self._list(self.listed.query, self.listed.fits)
        else:
            self._show()

    def watch_listed(self) -> None:
        """Another page, another search, an error."""
        self._show()

    def _show(self) -> None:
        """Bring the widgets in line with what has been listed."""
        if not is_composed(self):
            return
        listed = self.listed
        query = listed.query
        self.query_one(Chips).chips = self._filters()
        busy = "opening the source" if self.source is None else "listing"
        self.query_one(Status).state = State(
            text=listed.account,
            busy=busy if listed.busy else "",
            age_seconds=listed.age_seconds,
            error=listed.error,
        )
        self.table.show_empty(listed.nothing)
        self.table.sorted_by = (query.sort, True)
        self.table.rows = JudgedRows(listed.rows, self._look, self._session.now())
        self._preview()

    def _filters(self) -> tuple[tuple[str, str], ...]:
        """The filters with their present values."""
        listed = self.listed
        return (
            ("sort", listed.query.sort),
            ("task", listed.query.task or "any"),
            ("license", listed.license),
            ("fits", listed.fits),
        )

    # Listing

    def _list(self, query: Query, fits: str, pause_seconds: float = 0.0) -> None:
        """Begin a search; the rows of the older one stay until its first page is there."""
        self.listed = self.listed.search(query, fits)
        if self.source is not None:
            self._fetch(self.source, query, self.listed.number, pause_seconds)

    @work(exclusive=True, group="listing", exit_on_error=False)
    async def _fetch(self, source: Source, query: Query, number: int, pause_seconds: float) -> None:
        """Post a page at a time, each when it is wanted."""
        await asyncio.sleep(pause_seconds)
        wanted = self._wanted = asyncio.Event()
        pages = source.search(query)
        try:
            async for page in pages:
                kept = await asyncio.to_thread(self._matching, page.rows)
                self.post_message(self.PageArrived(number, page, kept))
                await wanted.wait()
                wanted.clear()
        except ExplorerError as error:
            self.post_message(self.ListingFailed(number, error))
        finally:
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()

    @on(PageArrived)
    def _add_page(self, message: PageArrived) -> None:
        """Rows of the present search go below; its first page replaces an older listing."""
        if message.number != self.listed.number:
            return
        self.post_message(SourceAnswered())
        if not self.listed.begun:
            self.table.restart()
        wanted = 2 * self.table.page_rows
        self.listed = self.listed.add(message.page, message.kept, wanted)
        if self.listed.busy:
            self._wanted.set()

    def _matching(self, rows: tuple[Listing, ...]) -> tuple[Listing, ...]:
        """The rows that pass the fits filter. Runs in a thread."""
        allowed = FITS[self.listed.fits]
        if self.listed.fits == "any" or self.machine is None:
            return rows
        judged = judge(rows, self.machine, self.scenario)
        return tuple(row.listing for row in judged if row.answer and row.answer.verdict in allowed)

    @on(ListingFailed)
    def _note_failure(self, message: ListingFailed) -> None:
        """Say what went wrong; what was listed stays."""
        if message.number == self.listed.number:
            self.listed = self.listed.fail(message.error)

    @on(VirtualTable.NeedsMore, "#models")
    def _want_more(self) -> None:
        """The end of the list is near: let the next page come."""
        if self.listed.more and not self.listed.busy:
            self.listed = replace(self.listed, busy=True)
            self._wanted.set()

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
            self._verdicts.add(message.rows)
            self.table.repaint_rows()
            self._preview()

    # The row under the cursor

    @on(VirtualTable.Highlighted, "#models")
    def _preview(self) -> None:
        """Show more of the row the cursor came to."""
        rows = self.listed.rows
        at = min(self.table.cursor, len(rows) - 1)
        self.query_one(Preview).row = self._look(rows[at]) if rows else None

    @on(VirtualTable.Selected, "#models")
    def _open(self, message: VirtualTable.Selected) -> None:
        """Look into a model."""
        listing = self.listed.rows[message.index]
        self.post_message(OpenModel(ModelRef(listing.id)))

    # Search and filters

    def action_search(self) -> None:
        """Put the cursor into the search line."""
        self.search.focus()

    def action_leave_search(self) -> None:
        """Back to the list; a second time clears the search."""
        if self.search.has_focus:
            self.table.focus()
        elif self.search.value:
            self.search.value = ""

    def action_reload(self) -> None:
        """Ask the source again."""
        self._list(self.listed.query, self.listed.fits)

    @on(Input.Changed, "#search")
    def _type(self, event: Input.Changed) -> None:
        """Search once typing rests; the older search is cancelled."""
        text = event.value.strip()
        if text != self.listed.query.text:
            query = replace(self.listed.query, text=text)
            self._list(query, self.listed.fits, self._session.pause_seconds)

    @on(Input.Submitted, "#search")
    def _leave_for_list(self) -> None:
        """Enter goes on to the rows that were found."""
        self.table.focus()

    @on(VirtualTable.HeaderClicked, "#models")
    def _sort_by(self, message: VirtualTable.HeaderClicked) -> None:
        """A heading that the source can sort by was clicked."""
        if message.column in SORTS:
            self._apply("sort", message.column)

    @on(Chips.Pressed)
    def _press(self, message: Chips.Pressed) -> None:
        """A filter was clicked."""
        self.action_choose(message.name)

    @work(group="choosing", exclusive=True)
    async def action_choose(self, name: str) -> None:
        """Let the person choose a value of one filter."""
        from explorer.ui.screens.choose import Choice, ChooseScreen  # loaded when first needed

        current = dict(self._filters())
        title, values = CHOICES[name]
        choices = [Choice(value, label) for value, label in values.items()]
        value = await self.app.push_screen_wait(ChooseScreen(title, choices, current[name]))
        if value is not None:
            self._apply(name, value)

    def _apply(self, name: str, value: str) -> None:
        """List again with one filter changed."""
        query, fits = self.listed.query, self.listed.fits
        chosen = None if value == "any" else value
        if name == "sort":
            query = replace(query, sort=SORTS[value])
        elif name == "task":
            query = replace(query, task=chosen)
        elif name == "license":
            others = tuple(tag for tag in query.tags if not tag.startswith("license:"))
            query = replace(query, tags=(*others, f"license:{chosen}") if chosen else others)
        else:
            fits = value
        self._list(query, fits)
