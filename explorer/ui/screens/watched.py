"""The watch list: models a person keeps an eye on, and what changed since they were looked at."""

from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing, ModelRef, Source
from explorer.inspection.watching import Watched, look
from explorer.ui.composed import is_composed
from explorer.ui.messages import (
    WATCHED_SCREEN,
    Looked,
    OpenModel,
    SourceAnswered,
    ToggleWatch,
    own_fault,
)
from explorer.ui.session import Session
from explorer.ui.watched_rows import COLUMNS, WatchedRows
from explorer.ui.widgets.status import State, Status
from explorer.ui.widgets.table import VirtualTable
from explorer.ui.widgets.title import Title
from explorer.userfile import Remembered


class WatchedScreen(Screen[None]):
    """Asks for every watched model once, and again on request."""

    HELP = """
    ## Watched models

    What changed in each since you last looked at it: a new commit, quantizations made of it, downloads in
    30 days. Opening a model counts as looking at it; `s` says so of all that are listed. `*` here, in the
    listing and in a model watches one or no longer does.
    """
    AUTO_FOCUS = "#watched"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="watched.back", tooltip="Back to where you came from"),
        Binding("s", "seen", "Seen", id="watched.seen", tooltip="All of this has been looked at"),
        Binding(
            "asterisk",
            "unwatch",
            "Unwatch",
            key_display="*",
            id="watched.unwatch",
            tooltip="Watch this model no longer",
        ),
        Binding("r", "reload", "Reload", id="watched.reload", tooltip="Ask for what is not fresh"),
    ]

    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    source: reactive[Source | None] = reactive(None)
    source_title: reactive[str] = reactive("")
    remembered: reactive[Remembered] = reactive(Remembered)
    models: reactive[tuple[Watched, ...]] = reactive(())
    busy: reactive[bool] = reactive(True)
    fault: reactive[ExplorerError | None] = reactive(None)

    table = query_one("#watched", VirtualTable)
    status = query_one(Status)

    @dataclass
    class Answered(Message):
        """One model was had, or could not be."""

        model: Watched

    @dataclass
    class AllAnswered(Message):
        """Every model was asked for."""

    def __init__(self, session: Session) -> None:
        super().__init__(id=WATCHED_SCREEN)
        self._session = session

    def compose(self) -> ComposeResult:
        """Title, the models, the status line."""
        yield Title().data_bind(
            WatchedScreen.machine, WatchedScreen.scenario, subject=WatchedScreen.source_title
        )
        yield VirtualTable(
            COLUMNS, empty="no model is watched: * in the listing watches one", widget_id="watched"
        )
        yield Status()
        yield Footer()

    def on_mount(self) -> None:
        """Show the names, and ask."""
        self.call_after_refresh(self._show)

    # What came from above

    def watch_source(self, source: Source | None) -> None:
        """There is somebody to ask."""
        if source is not None:
            self._ask(source)

    def watch_remembered(self, remembered: Remembered) -> None:
        """A model was looked at, or is watched no longer."""
        known = {one.id: one for one in self.models}
        self.models = tuple(
            replace(known.get(model, Watched(model, None)), seen=remembered.seen.get(model))
            for model in remembered.watched
        )

    # Asking

    @work(group="watching", exclusive=True, exit_on_error=False)
    async def _ask(self, source: Source) -> None:
        """Post the models as they are had."""
        self.busy = True
        names, seen = self.remembered.watched, self.remembered.seen
        async with aclosing(look(source, names, seen, self._now)) as models:
            async for model in models:
                self.post_message(self.Answered(model))
        self.post_message(self.AllAnswered())

    @on(Answered)
    def _take(self, message: Answered) -> None:
        came = message.model
        self.models = tuple(
            replace(came, seen=one.seen) if one.id == came.id else one for one in self.models
        )

    @on(AllAnswered)
    def _end(self) -> None:
        self.busy = False
        self.post_message(SourceAnswered())

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told like any other, and the screen stays."""
        if event.state is WorkerState.ERROR:
            self.busy, self.fault = False, own_fault(event.worker.error)

    # Showing

    def watch_models(self) -> None:
        """Another model was had."""
        self._show()

    def watch_busy(self) -> None:
        """Asking began or ended."""
        self._show()

    def watch_fault(self) -> None:
        """Something is wrong with the program."""
        self._show()

    def _show(self) -> None:
        if not is_composed(self):
            return
        self.table.rows = WatchedRows(self.models, self._now)
        new = sum(one.changes.worth_a_look for one in self.models)
        news = f"{new:,} with something new" if new else "nothing new"
        text = f"{len(self.models):,} watched, {news}" if self.models else ""
        self.status.state = State(
            text=text,
            busy="asking for the watched models" if self.busy and self.models else "",
            age_seconds=max((one.age_seconds for one in self.models), default=0.0),
            error=self.fault,
        )

    @property
    def _now(self) -> datetime:
        return self._session.now()

    # Actions

    def _here(self) -> Watched | None:
        return self.models[self.table.cursor] if self.models else None

    @on(VirtualTable.Selected, "#watched")
    def _open(self) -> None:
        """Look into a model."""
        here = self._here()
        if here is not None:
            self.post_message(OpenModel(ModelRef(here.id)))

    def action_unwatch(self) -> None:
        """Watch the model under the cursor no longer."""
        here = self._here()
        if here is not None:
            self.post_message(ToggleWatch(here.listing or Listing(here.id)))

    def action_seen(self) -> None:
        """Everything that is listed has been looked at: what comes next is held against it."""
        self.post_message(Looked(tuple(one.listing for one in self.models if one.listing)))

    def action_reload(self) -> None:
        """Ask again."""
        if self.source is not None:
            self._ask(self.source)

    def action_back(self) -> None:
        """Back to where the person came from."""
        self.dismiss()
