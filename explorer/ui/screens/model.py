"""One model: how it fits, what is in it, its files and its card, filled in while it is read."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive, var
from textual.screen import Screen
from textual.widgets import Footer, Static, TabbedContent, TabPane
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing, ModelRef, Source
from explorer.inspection.lineage import Lineage
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model, retry_shards
from explorer.inspection.rows import Row
from explorer.ui.composed import is_composed
from explorer.ui.messages import Looked, SourceAnswered, ToggleWatch, own_fault
from explorer.ui.tabs.card import CardTab
from explorer.ui.tabs.files import FilesTab
from explorer.ui.tabs.fit import FitTab
from explorer.ui.tabs.license import LicenseTab
from explorer.ui.tabs.lineage import LineageTab
from explorer.ui.tabs.variants import VariantsTab
from explorer.ui.tabs.weights import WeightsTab
from explorer.ui.widgets.heatmap import HeatMap
from explorer.ui.widgets.identity import Identity
from explorer.ui.widgets.status import State, Status, told_in_full
from explorer.ui.widgets.table import VirtualTable
from explorer.ui.widgets.title import Title
from explorer.userfile import Remembered


class ModelScreen(Screen[None]):
    """Opens a model and shows it as it arrives."""

    AUTO_FOCUS = "HeatMap"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="model.back", tooltip="Back to the list"),
        Binding("1", "tab('fit')", "Fit", show=False, id="model.fit", tooltip="Show how it fits"),
        Binding(
            "2",
            "tab('weights')",
            "Weights",
            show=False,
            id="model.weights",
            tooltip="Show its tensors",
        ),
        Binding(
            "3",
            "tab('variants')",
            "Variants",
            show=False,
            id="model.variants",
            tooltip="Show every published quantization",
        ),
        Binding(
            "4",
            "tab('lineage')",
            "Lineage",
            show=False,
            id="model.lineage",
            tooltip="Show what it was made of and what was made of it",
        ),
        Binding(
            "5",
            "tab('license')",
            "License",
            show=False,
            id="model.license",
            tooltip="Show on what terms it may be used",
        ),
        Binding(
            "6", "tab('files')", "Files", show=False, id="model.files", tooltip="Show its files"
        ),
        Binding("7", "tab('card')", "Card", show=False, id="model.card", tooltip="Show its card"),
        Binding(
            "asterisk",
            "watch",
            "Watch",
            show=False,
            key_display="*",
            id="model.watch",
            tooltip="Keep an eye on the model, or no longer",
        ),
        Binding(
            "R", "retry", "Retry", show=False, id="model.retry", tooltip="Read again what failed"
        ),
    ]

    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    source: reactive[Source | None] = reactive(None)
    source_title: reactive[str] = reactive("")
    source_error: reactive[ExplorerError | None] = reactive(None)
    model: var[Model | None] = var(None)
    lineage: reactive[Lineage | None] = reactive(None)
    """Whom the tabs ask for the model's relatives, so that nothing is asked for twice."""
    looked_at: reactive[frozenset[str]] = reactive(frozenset)
    """Tabs that are, or were, in front: they ask for what they show only then."""
    error: reactive[ExplorerError | None] = reactive(None)
    """Why the model, or a part of it, could not be read."""
    busy: reactive[bool] = reactive(True)
    remembered: reactive[Remembered] = reactive(Remembered)

    tabs = query_one(TabbedContent)
    status = query_one(Status)

    @dataclass
    class ModelRead(Message):
        """The model as far as it has been read."""

        model: Model

    @dataclass
    class ReadingEnded(Message):
        """Everything was read that could be, or nothing because of an error."""

        error: ExplorerError | None = None

    def __init__(self, ref: ModelRef, row: Row | None = None) -> None:
        """``row`` is what the list knows of it, which is shown until the model itself says it."""
        super().__init__()
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall"), (50, "-high")]
        self._ref = ref
        self._row = row

    def compose(self) -> ComposeResult:
        """Title, the model in a line, the tabs, the status line."""
        yield Title().data_bind(
            ModelScreen.machine, ModelScreen.scenario, subject=ModelScreen.source_title
        )
        yield Identity(self._ref, self._row)
        yield Static(Content(""), id="failure")
        with TabbedContent(id="tabs"):
            with TabPane("Fit", id="fit"):
                yield FitTab(self._row.answer if self._row else None).data_bind(
                    ModelScreen.model,
                    ModelScreen.machine,
                    ModelScreen.scenario,
                    ModelScreen.source,
                    ModelScreen.busy,
                )
            with TabPane("Weights", id="weights"):
                yield WeightsTab().data_bind(ModelScreen.model)
            yield from self._compose_relatives()
            with TabPane("Files", id="files-pane"):
                yield FilesTab().data_bind(ModelScreen.model)
            with TabPane("Card", id="card"):
                yield CardTab().data_bind(
                    ModelScreen.model, ModelScreen.source, ModelScreen.looked_at
                )
        yield Status()
        yield Footer()

    def _compose_relatives(self) -> ComposeResult:
        """The tabs that ask for other models than this one."""
        with TabPane("Variants", id="variants-pane"):
            yield VariantsTab().data_bind(
                ModelScreen.model,
                ModelScreen.machine,
                ModelScreen.scenario,
                ModelScreen.source,
                ModelScreen.lineage,
                ModelScreen.looked_at,
            )
        with TabPane("Lineage", id="lineage"):
            yield LineageTab().data_bind(
                ModelScreen.model,
                ModelScreen.machine,
                ModelScreen.scenario,
                ModelScreen.lineage,
                ModelScreen.looked_at,
            )
        with TabPane("License", id="license"):
            yield LicenseTab().data_bind(
                ModelScreen.model, ModelScreen.source, ModelScreen.lineage, ModelScreen.looked_at
            )

    def on_mount(self) -> None:
        """Say what is under way."""
        self.call_after_refresh(self._show_status)

    # Reading

    def watch_source(self, source: Source | None) -> None:
        """There is a source now: open the model."""
        if source is not None:
            self.lineage = Lineage(source)
            self._read(source)

    async def on_unmount(self) -> None:
        """End the listings of relatives that were begun."""
        if self.lineage is not None:
            await self.lineage.close()

    def watch_source_error(self, error: ExplorerError | None) -> None:
        """There is no source."""
        if error is not None:
            self.busy, self.error = False, error

    @work(group="reading", exclusive=True, exit_on_error=False)
    async def _read(self, source: Source) -> None:
        """Post the model each time another part of it is there."""
        models = open_model(source, self._ref)
        try:
            async for model in models:
                self.post_message(self.ModelRead(model))
        except ExplorerError as error:
            self.post_message(self.ReadingEnded(error))
        else:
            self.post_message(self.ReadingEnded())
        finally:
            if isinstance(models, AsyncGenerator):
                await models.aclose()

    @work(group="reading", exclusive=True, exit_on_error=False)
    async def _read_again(self, source: Source, model: Model) -> None:
        """Post the model with each of the missing shards that can be read now."""
        try:
            async for grown in retry_shards(source, model):
                self.post_message(self.ModelRead(grown))
        except ExplorerError as error:
            self.post_message(self.ReadingEnded(error))
        else:
            self.post_message(self.ReadingEnded())

    @on(ModelRead)
    def _take_model(self, message: ModelRead) -> None:
        if self.model is None:
            self.post_message(SourceAnswered())
            self.post_message(Looked((message.model.repo.listing,)))
        self.model = message.model

    @on(ReadingEnded)
    def _end(self, message: ReadingEnded) -> None:
        self.busy, self.error = False, message.error

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told like any other, and the screen stays."""
        if event.state is WorkerState.ERROR:
            self.busy, self.error = False, own_fault(event.worker.error)

    # Showing

    def watch_model(self) -> None:
        """Another part of the model is there."""
        if is_composed(self):
            self._identify()
            self._show_status()

    def watch_remembered(self) -> None:
        """It is watched now, or no longer."""
        if is_composed(self):
            self._identify()

    def _identify(self) -> None:
        identity = self.query_one(Identity)
        identity.model = self.model
        identity.watched = self._ref.id in self.remembered.watched

    def watch_busy(self) -> None:
        """Reading began or ended."""
        self._show_status()

    def watch_error(self) -> None:
        """Something went wrong, or is right again."""
        self._show_status()

    def _show_status(self) -> None:
        if not is_composed(self):
            return
        model = self.model
        busy = ""
        if self.busy:
            busy = "looking it up" if model is None else "reading headers"
        error = self.error
        text = ""
        if model is not None:
            error = error or next(iter(model.errors), None)
            text = "" if self.busy else "  ·  ".join(model.warnings[:1] if error is None else [])
        age = model.repo.age_seconds if model else 0.0
        self.status.state = State(text=text, busy=busy, age_seconds=age, error=error)
        self._show_failure(error if model is None and not self.busy else None)

    def _show_failure(self, error: ExplorerError | None) -> None:
        """Of a model of which nothing could be read, why stands in place of the tabs."""
        had = self.has_class("-failed")
        self.set_class(error is not None, "-failed")
        if error is not None:
            told = Content("\n").join(
                [*told_in_full(error), Content("R tries again, esc goes back")]
            )
            self.query_one("#failure", Static).update(told)
        elif had:
            self.call_after_refresh(self._focus, self.tabs.active_pane)

    @on(TabbedContent.TabActivated)
    def _look_at(self, event: TabbedContent.TabActivated) -> None:
        """Give the keys to what the tab shows; fetch the card when it is first looked at."""
        self.looked_at |= {(event.pane.id or "").removesuffix("-pane")}
        self._focus(event.pane)

    def _focus(self, pane: TabPane | None) -> None:
        if pane is None:
            return
        for kind in (HeatMap, VirtualTable):
            for widget in pane.query(kind):
                widget.focus()
                return
        for scroll in pane.query("VerticalScroll"):
            scroll.focus()

    # Actions

    def action_tab(self, name: str) -> None:
        """Show a tab."""
        self.tabs.active = f"{name}-pane" if name in {"files", "variants"} else name

    def action_watch(self) -> None:
        """Keep an eye on the model, or no longer."""
        known = self.model.repo.listing if self.model is not None else Listing(self._ref.id)
        self.post_message(ToggleWatch(replace(known, id=self._ref.id)))

    def action_retry(self) -> None:
        """Read again what failed, or the whole model if nothing came."""
        if self.source is None or self.busy:
            return
        self.busy, self.error = True, None
        if self.model is None:
            self._read(self.source)
        else:
            self._read_again(self.source, self.model)

    def action_back(self) -> None:
        """Step out of a filter first, then back to the list."""
        active = self.tabs.active_pane
        if active is not None and (
            any(tab.leave() for tab in active.query(FitTab))
            or any(tab.leave() for tab in active.query(WeightsTab))
        ):
            return
        self.dismiss()
