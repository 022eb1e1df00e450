"""The app: opens the source, reads the machine, and hands both down to the screens."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from textual import on, work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import ModelRef, Source
from explorer.ui.filters import CONTEXTS
from explorer.ui.messages import (
    COMPARE_SCREEN,
    MACHINE_SCREEN,
    DiffModels,
    OpenModel,
    SourceAnswered,
    ToggleMark,
    UseMachine,
    own_fault,
)
from explorer.ui.screens.models import ModelsScreen
from explorer.ui.session import Session
from explorer.units import parse_tokens


class WeightsApp(App[None]):
    """Browses the models of one source, judged for one machine in one scenario."""

    TITLE = "weights"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "machine", "Machine", id="app.machine", tooltip="Judge for another machine"),
        Binding(
            "c", "context", "Context", id="app.context", tooltip="How long a context to judge for"
        ),
        Binding(
            "C",
            "compare",
            "Compare",
            show=False,
            id="app.compare",
            tooltip="Put the marked models side by side",
        ),
        Binding(
            "question_mark",
            "help",
            "Help",
            key_display="?",
            id="app.help",
            tooltip="Keys and what the screen shows",
        ),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Leave weights"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True, id="app.quit_always"),
    ]

    source: reactive[Source | None] = reactive(None)
    source_title: reactive[str] = reactive("")
    source_error: reactive[ExplorerError | None] = reactive(None)
    detected: reactive[Machine | None] = reactive(None)
    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    marked: reactive[tuple[ModelRef, ...]] = reactive((), bindings=True)
    """Models to compare, in the order they were marked."""

    @dataclass
    class SourceOpened(Message):
        """The source can be asked now."""

        source: Source
        title: str

    @dataclass
    class SourceFailed(Message):
        """There is no source to ask."""

        error: ExplorerError

    @dataclass
    class MachineRead(Message):
        """The detector is done."""

        machine: Machine

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.set_reactive(WeightsApp.machine, session.machine)
        self.set_reactive(WeightsApp.scenario, session.scenario)

    def get_default_screen(self) -> Screen[None]:
        """The listing."""
        return ModelsScreen(self._session).data_bind(
            WeightsApp.machine,
            WeightsApp.scenario,
            WeightsApp.source,
            WeightsApp.source_title,
            WeightsApp.source_error,
            WeightsApp.marked,
        )

    def on_mount(self) -> None:
        """Nothing is opened or read before the first frame is on the screen."""
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._open_source()
        self._read_machine()
        if self._session.model is not None:
            self.post_message(OpenModel(self._session.model))

    @work(group="source", exit_on_error=False)
    async def _open_source(self) -> None:
        """Open the source in a thread: its client takes a while to import."""
        try:
            source = await asyncio.to_thread(self._session.open_source)
            title = await asyncio.to_thread(lambda: source.title)
        except ExplorerError as error:
            self.post_message(self.SourceFailed(error))
        else:
            self.post_message(self.SourceOpened(source, title))

    @work(group="machine", exit_on_error=False)
    async def _read_machine(self) -> None:
        """Read this machine in a thread: drivers may take their time."""
        self.post_message(self.MachineRead(await asyncio.to_thread(self._session.detect)))

    @on(SourceOpened)
    def _use_source(self, message: SourceOpened) -> None:
        self.source_title = message.title
        self.source = message.source

    @on(SourceAnswered)
    def _note_answer(self) -> None:
        """A source that falls back on another says so in its title."""
        if self.source is not None:
            self.source_title = self.source.title

    @on(SourceFailed)
    def _tell_failure(self, message: SourceFailed) -> None:
        self.source_error = message.error

    @on(MachineRead)
    def _note_machine(self, message: MachineRead) -> None:
        self.detected = message.machine
        if self.machine is None:
            self.machine = message.machine

    @on(UseMachine)
    def _use_machine(self, message: UseMachine) -> None:
        self.machine = message.machine or self.detected

    @on(ToggleMark)
    def _mark(self, message: ToggleMark) -> None:
        others = tuple(ref for ref in self.marked if ref != message.ref)
        self.marked = (*self.marked, message.ref) if others == self.marked else others

    @on(OpenModel)
    def _open_model(self, message: OpenModel) -> None:
        from explorer.ui.screens.model import ModelScreen  # loaded when a model is first opened

        self.push_screen(
            ModelScreen(message.ref).data_bind(
                WeightsApp.machine,
                WeightsApp.scenario,
                WeightsApp.source,
                WeightsApp.source_title,
                WeightsApp.source_error,
            )
        )

    @on(DiffModels)
    def _diff(self, message: DiffModels) -> None:
        from explorer.ui.screens.diff import DiffScreen  # loaded when a pair is first compared

        self.push_screen(
            DiffScreen(message.first, message.second).data_bind(
                WeightsApp.machine,
                WeightsApp.scenario,
                WeightsApp.source,
                WeightsApp.source_title,
            )
        )

    def action_machine(self) -> None:
        """Show the machine, and let another be picked."""
        from explorer.ui.screens.machine import MachineScreen  # loaded when it is first asked for

        self.push_screen(
            MachineScreen().data_bind(WeightsApp.machine, WeightsApp.detected, WeightsApp.scenario)
        )

    def action_compare(self) -> None:
        """Put the marked models side by side."""
        from explorer.ui.screens.compare import CompareScreen  # loaded when it is first asked for

        self.push_screen(
            CompareScreen().data_bind(
                WeightsApp.machine,
                WeightsApp.scenario,
                WeightsApp.source,
                WeightsApp.source_title,
                WeightsApp.marked,
            )
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The machine screen is not offered on itself, nor a comparison of nothing."""
        if action == "machine" and self.screen.id == MACHINE_SCREEN:
            return False
        if action == "compare" and (not self.marked or self.screen.id == COMPARE_SCREEN):
            return False
        return super().check_action(action, parameters)

    @work(group="context", exclusive=True)
    async def action_context(self) -> None:
        """Ask for how much context everything is judged."""
        from explorer.ui.screens.choose import Choice, ChooseScreen  # loaded when first needed

        choices = [Choice(value, label) for value, label in CONTEXTS.values.items()]
        now = str(self.scenario.context_tokens or "default")
        answer = await self.push_screen_wait(
            ChooseScreen(CONTEXTS.title, choices, now, typed="or type 24k", check=parse_tokens)
        )
        if answer is not None:
            context = None if answer == "default" else parse_tokens(answer)
            self.scenario = replace(self.scenario, context_tokens=context)

    def action_help(self) -> None:
        """Show or hide the help beside the screen."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The stock commands, and one for every key that does something here."""
        yield from super().get_system_commands(screen)
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.id and binding.show and active.enabled and binding.action != "quit":
                run = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description, binding.tooltip, run)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told, and nothing is lost."""
        if event.state is WorkerState.ERROR:
            self.source_error = own_fault(event.worker.error)

    async def on_unmount(self) -> None:
        """Let the source close its connections."""
        if self.source is not None:
            await self.source.close()
