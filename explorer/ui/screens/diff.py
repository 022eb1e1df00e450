"""Two models held against each other: which tensors differ in structure, never in values."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import ModelRef, Source
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model
from explorer.inspection.structure import Structure, hold_against
from explorer.ui.composed import is_composed
from explorer.ui.diff_rows import (
    DIFF_COLUMNS,
    ROLE_COLUMNS,
    change_details,
    diff_rows,
    differing,
    role_rows,
    side,
    summary,
)
from explorer.ui.messages import OpenModel, own_fault
from explorer.ui.widgets.status import State, Status
from explorer.ui.widgets.table import VirtualTable
from explorer.ui.widgets.title import Title

MOST_NAME = 60
LABELS = ("before", "after")


class DiffTable(VirtualTable):
    """The table of differences, which are not opened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Open", show=False, id="diff.select", tooltip="Nothing to open"),
    ]


class DiffScreen(Screen[None]):
    """Reads both models, then says what differs."""

    HELP = """
    ## Diff

    What the second model has, lacks, or holds in another shape or dtype than the first, equal
    layers folded into one line. Quantized weights are compared by what they stand for. Only
    structure is compared: values are never read.
    """
    AUTO_FOCUS = "#differences"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="diff.back", tooltip="Back to the list"),
        Binding("s", "swap", "Swap", id="diff.swap", tooltip="The second against the first"),
        Binding("1", "open(0)", "Open first", id="diff.first", tooltip="Open the first model"),
        Binding("2", "open(1)", "Open second", id="diff.second", tooltip="Open the second model"),
        Binding("R", "retry", "Retry", show=False, id="diff.retry", tooltip="Read both again"),
    ]

    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    source: reactive[Source | None] = reactive(None)
    source_title: reactive[str] = reactive("")
    refs: reactive[tuple[ModelRef, ModelRef]] = reactive(
        (ModelRef(""), ModelRef("")), init=False, layout=False
    )
    models: reactive[tuple[Model | None, Model | None]] = reactive((None, None))
    found: reactive[Structure | None] = reactive(None)
    error: reactive[ExplorerError | None] = reactive(None)
    busy: reactive[str] = reactive("")

    table = query_one("#differences", VirtualTable)

    @dataclass
    class ModelRead(Message):
        """More of one of the models is there."""

        place: int
        model: Model

    @dataclass
    class Held(Message):
        """Both were compared."""

        found: Structure

    @dataclass
    class Failed(Message):
        """One of them cannot be read."""

        error: ExplorerError

    def __init__(
        self,
        first: ModelRef,
        second: ModelRef,
        source_of: Callable[[ModelRef], Awaitable[Source]],
    ) -> None:
        super().__init__()
        self._source_of = source_of
        self.set_reactive(DiffScreen.refs, (first, second))

    def compose(self) -> ComposeResult:
        """Title, both models, the answer in a line, the differences, one of them in full."""
        yield Title().data_bind(
            DiffScreen.machine, DiffScreen.scenario, subject=DiffScreen.source_title
        )
        yield Static(Content(""), id="diff-sides")
        yield Static(Content(""), id="diff-summary")
        yield DiffTable(DIFF_COLUMNS, empty="reading headers …", widget_id="differences")
        yield Static(Content(""), id="diff-details")
        yield Status()
        yield Footer()

    def on_mount(self) -> None:
        """Name what is compared before anything is read."""
        self.call_after_refresh(self._show)

    # Reading and comparing

    def watch_source(self, source: Source | None) -> None:
        """There is a source: read both."""
        if source is not None:
            self._begin()

    def _begin(self) -> None:
        self.models, self.found, self.error = (None, None), None, None
        self.busy = "reading headers"
        self._read(self.refs)

    @work(group="reading", exclusive=True, exit_on_error=False)
    async def _read(self, refs: tuple[ModelRef, ModelRef]) -> None:
        """Post both models as they arrive, then what differs."""
        tasks = [asyncio.create_task(self._read_one(place, ref)) for place, ref in enumerate(refs)]
        try:
            first, second = await asyncio.gather(*tasks)
            found = await asyncio.to_thread(hold_against, first, second)
        except ExplorerError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.Held(found))
        finally:
            for task in tasks:
                task.cancel()

    async def _read_one(self, place: int, ref: ModelRef) -> Model:
        source = await self._source_of(ref)
        latest: Model | None = None
        async with aclosing(open_model(source, ref)) as models:
            async for model in models:
                latest = model
                self.post_message(self.ModelRead(place, model))
        if latest is None:
            raise ExplorerError(f"{ref.id} gave nothing to read")
        return latest

    @on(ModelRead)
    def _take_model(self, message: ModelRead) -> None:
        first, second = self.models
        self.models = (message.model, second) if message.place == 0 else (first, message.model)

    @on(Held)
    def _take_answer(self, message: Held) -> None:
        self.busy, self.found = "", message.found

    @on(Failed)
    def _take_error(self, message: Failed) -> None:
        self.busy, self.error = "", message.error

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told like any other, and the screen stays."""
        if event.state is WorkerState.ERROR:
            self.busy, self.error = "", own_fault(event.worker.error)

    # Showing

    def watch_models(self) -> None:
        """More headers are there."""
        self._show_sides()

    def watch_found(self) -> None:
        """Both were compared."""
        self._show()

    def watch_error(self) -> None:
        """Something went wrong."""
        self._show()

    def watch_busy(self) -> None:
        """Reading began or ended."""
        self._show()

    def _show_sides(self) -> None:
        if not is_composed(self):
            return
        room = min(max(len(ref.id) for ref in self.refs) + 2, MOST_NAME)
        sides = zip(LABELS, self.refs, self.models, strict=True)
        self.query_one("#diff-sides", Static).update(
            Content("\n").join(side(label, ref.id, model, room=room) for label, ref, model in sides)
        )

    def _show(self) -> None:
        if not is_composed(self):
            return
        self._show_sides()
        found = self.found
        warnings = found.warnings if found is not None else ()
        self.query_one(Status).state = State(
            text="  ·  ".join(warnings[:1]), busy=self.busy, error=self.error
        )
        self.query_one("#diff-summary", Static).update(summary(found) if found else Content(""))
        self.table.show_empty(self._nothing())
        by_role = found is not None and not found.difference.comparable
        self.table.set_columns(ROLE_COLUMNS if by_role else DIFF_COLUMNS)
        if found is None:
            self.table.rows = diff_rows(())
        else:
            self.table.rows = role_rows(found.roles) if by_role else diff_rows(differing(found))
        self._describe()

    def _nothing(self) -> str:
        if self.error is not None:
            return "they could not be compared: R tries again, esc goes back"
        return "nothing differs" if self.found is not None else "reading headers …"

    @on(VirtualTable.Highlighted, "#differences")
    def _describe(self) -> None:
        details, found = Content(""), self.found
        if found is not None and found.difference.comparable:
            lines = differing(found)
            details = change_details(lines[self.table.cursor]) if lines else details
        self.query_one("#diff-details", Static).update(details)

    # Actions

    def action_swap(self) -> None:
        """Hold the second against the first."""
        self.refs = (self.refs[1], self.refs[0])
        self._begin()

    def action_open(self, place: int) -> None:
        """Look into one of the models."""
        self.post_message(OpenModel(self.refs[place], marked=True))

    def action_retry(self) -> None:
        """Read both again."""
        if not self.busy:
            self._begin()

    def action_back(self) -> None:
        """Back to where the pair was marked."""
        self.dismiss()
