"""Compare: marked models side by side on the same machine, filled in as each of them arrives."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import ModelRef, Source
from explorer.inspection.comparing import Compared, judge_one, side_by_side
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model
from explorer.ui.compare_sheet import sheet
from explorer.ui.composed import is_composed
from explorer.ui.messages import COMPARE_SCREEN, OpenModel, ToggleMark, own_fault
from explorer.ui.widgets.sidebyside import SideBySide
from explorer.ui.widgets.status import State, Status
from explorer.ui.widgets.title import Title

AT_ONCE = 3
"""Models that are read at the same time."""


class CompareScreen(Screen[None]):
    """Opens every model, judges each on the machine, and lays the figures side by side."""

    HELP = """
    ## Compare

    The marked models on the same machine. `*` is clearly best at it; on the right the largest
    figure over the smallest, the largest differences in bold. `enter` opens a model.
    """
    AUTO_FOCUS = "SideBySide"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="compare.back", tooltip="Back to where you were"),
        Binding("space", "unmark", "Unmark", id="compare.unmark", tooltip="Leave this model out"),
    ]

    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    source: reactive[Source | None] = reactive(None)
    source_title: reactive[str] = reactive("")
    marked: reactive[tuple[ModelRef, ...]] = reactive(())
    models: reactive[Mapping[ModelRef, Model]] = reactive(dict)
    """What has been read."""
    compared: reactive[Mapping[ModelRef, Compared]] = reactive(dict)
    """What has been judged for the present machine and scenario."""
    errors: reactive[Mapping[ModelRef, ExplorerError]] = reactive(dict)
    """Why a model could not be read."""

    table = query_one(SideBySide)

    @dataclass
    class ModelRead(Message):
        """A model is there with every header that could be had."""

        ref: ModelRef
        model: Model

    @dataclass
    class ModelFailed(Message):
        """A model could not be read."""

        ref: ModelRef
        error: ExplorerError

    @dataclass
    class ModelJudged(Message):
        """A model was judged for a machine in a scenario."""

        ref: ModelRef
        machine: Machine
        scenario: Scenario
        compared: Compared

    def __init__(self, source_of: Callable[[ModelRef], Awaitable[Source]]) -> None:
        super().__init__(id=COMPARE_SCREEN)
        self._source_of = source_of
        self._begun: set[ModelRef] = set()
        self._free = asyncio.Semaphore(AT_ONCE)

    def compose(self) -> ComposeResult:
        """Title, the sheet, the status line."""
        yield Title().data_bind(
            CompareScreen.machine, CompareScreen.scenario, subject=CompareScreen.source_title
        )
        with VerticalScroll(id="compare", can_focus=False):
            yield SideBySide()
        yield Status()
        yield Footer()

    def on_mount(self) -> None:
        """Show the names, and begin to read."""
        self.call_after_refresh(self._begin)

    def watch_source(self) -> None:
        """There is a source now."""
        self._begin()

    def watch_marked(self) -> None:
        """A model was marked, or its mark taken away."""
        self._begin()

    def _begin(self) -> None:
        """Read every marked model that was not begun yet."""
        if self.source is not None and is_composed(self):
            for ref in self.marked:
                if ref not in self._begun:
                    self._begun.add(ref)
                    self._read(ref)
        self._show()

    @work(group="reading", exit_on_error=False)
    async def _read(self, ref: ModelRef) -> None:
        """Post the model once every header is there that can be had."""
        latest: Model | None = None
        try:
            async with self._free:
                source = await self._source_of(ref)
                async with aclosing(open_model(source, ref)) as models:
                    async for model in models:
                        latest = model
        except ExplorerError as error:
            self.post_message(self.ModelFailed(ref, error))
        if latest is not None:
            self.post_message(self.ModelRead(ref, latest))

    @on(ModelRead)
    def _take_model(self, message: ModelRead) -> None:
        self.models = {**self.models, message.ref: message.model}
        if self.machine is not None:
            self._judge(message.ref, message.model, self.machine, self.scenario)

    @on(ModelFailed)
    def _take_error(self, message: ModelFailed) -> None:
        self.errors = {**self.errors, message.ref: message.error}

    def watch_machine(self) -> None:
        """Another machine: every model is judged anew."""
        self._judge_all()

    def watch_scenario(self) -> None:
        """Another context: the same."""
        self._judge_all()

    def _judge_all(self) -> None:
        self.compared = {}
        if self.machine is not None:
            for ref, model in self.models.items():
                self._judge(ref, model, self.machine, self.scenario)

    @work(group="judging", exit_on_error=False)
    async def _judge(
        self, ref: ModelRef, model: Model, machine: Machine, scenario: Scenario
    ) -> None:
        """Judge one model in a thread."""
        compared = await asyncio.to_thread(judge_one, model, machine, scenario)
        self.post_message(self.ModelJudged(ref, machine, scenario, compared))

    @on(ModelJudged)
    def _take_judged(self, message: ModelJudged) -> None:
        if message.machine is self.machine and message.scenario is self.scenario:
            self.compared = {**self.compared, message.ref: message.compared}

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told, and what was compared stays."""
        if event.state is WorkerState.ERROR:
            self.query_one(Status).state = State(error=own_fault(event.worker.error))

    def watch_compared(self) -> None:
        """Another model was judged."""
        self._show()

    def watch_errors(self) -> None:
        """A model could not be read."""
        self._show()

    @on(SideBySide.Moved)
    def _show(self) -> None:
        if not is_composed(self):
            return
        judged = [ref for ref in self.marked if ref in self.compared]
        comparison = None
        if judged and self.machine is not None:
            comparison = side_by_side(self.machine, [self.compared[ref] for ref in judged])
        problems = {ref: str(error) for ref, error in self.errors.items()}
        self.table.sheet = sheet(self.marked, comparison, judged, problems)
        self.query_one(Status).state = self._state(len(judged))

    def _state(self, judged: int) -> State:
        if not self.marked:
            return State(text="no models are marked: space marks one in the list")
        here = self.marked[min(self.table.cursor, len(self.marked) - 1)]
        waited = len(self.marked) - judged - len([r for r in self.errors if r in self.marked])
        problem = self.table.sheet.problems[self.marked.index(here)]
        return State(
            text="* is clearly best; on the right the largest over the smallest",
            busy=f"reading {waited} of {len(self.marked)}" if waited > 0 else "",
            error=self.errors.get(here) or (ExplorerError(problem) if problem else None),
        )

    @on(SideBySide.Opened)
    def _open(self, message: SideBySide.Opened) -> None:
        """Look into a model."""
        self.post_message(OpenModel(self.marked[message.index], marked=True))

    def action_unmark(self) -> None:
        """Leave the model under the cursor out."""
        if self.marked:
            self.post_message(ToggleMark(self.marked[self.table.cursor]))

    def action_back(self) -> None:
        """Back to where the person was; the marks stay."""
        self.dismiss()
