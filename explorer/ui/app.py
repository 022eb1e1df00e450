"""The app: opens the source, reads the machine, and hands both down to the screens."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError
from explorer.hardware.machine import Machine
from explorer.hub.source import Source
from explorer.ui.filters import CONTEXTS
from explorer.ui.keys import moves
from explorer.ui.messages import (
    COMPARE_SCREEN,
    MACHINE_SCREEN,
    WATCHED_SCREEN,
    DiffModels,
    OpenModel,
    Remember,
    SourceAnswered,
    UseMachine,
    own_fault,
)
from explorer.ui.remembering import RememberingApp
from explorer.ui.screens.models import ModelsScreen
from explorer.ui.sources import FIRST
from explorer.units import parse_tokens

if TYPE_CHECKING:
    from explorer.ui.screens.model import ModelScreen
    from explorer.ui.session import Session

_UNOFFERED = ("Keys", "Maximize", "Minimize")
"""Stock commands of the palette that say again what one of our own does, or that nothing here needs."""


class WeightsApp(RememberingApp):
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
            "W",
            "watched",
            "Watched",
            show=False,
            id="app.watched",
            tooltip="What changed in the models you keep an eye on",
        ),
        Binding(
            "question_mark",
            "help",
            "Help",
            key_display="?",
            id="app.help",
            tooltip="Keys and what the screen shows",
        ),
        Binding(
            "S",
            "source",
            "Source",
            show=False,
            id="app.source",
            tooltip="List from the hub, ModelScope, the snapshot or this machine",
        ),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Leave weights"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True, id="app.quit_always"),
    ]

    source_title: reactive[str] = reactive("")
    source_error: reactive[ExplorerError | None] = reactive(None)
    detected: reactive[Machine | None] = reactive(None)

    @dataclass
    class SourceOpened(Message):
        """The source can be asked now."""

        name: str
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

    def __init__(self, session: "Session") -> None:
        super().__init__(session)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]

    def get_default_screen(self) -> Screen[None]:
        """The listing."""
        return ModelsScreen(self._session).data_bind(
            WeightsApp.machine,
            WeightsApp.scenario,
            WeightsApp.source,
            WeightsApp.source_title,
            WeightsApp.source_error,
            WeightsApp.marked,
            WeightsApp.remembered,
        )

    def on_mount(self) -> None:
        """Nothing is opened or read before the first frame is on the screen."""
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._open_source(FIRST)
        self._read_machine()
        if self._session.model is not None:
            self.post_message(OpenModel(self._session.model))

    @work(group="source", exclusive=True, exit_on_error=False)
    async def _open_source(self, name: str) -> None:
        """Open a source in a thread: its client takes a while to import.

        What is remembered is read before the first one, so that what is listed first is right.
        """
        try:
            if self.source is None and self._session.open_user_file is not None:
                await self._read_user_file(self._session.open_user_file)
            source = await self._sources.open(name)
            title = await asyncio.to_thread(lambda: source.title)
        except ExplorerError as error:
            self.post_message(self.SourceFailed(error))
        else:
            self.post_message(self.SourceOpened(name, source, title))

    @work(group="machine", exit_on_error=False)
    async def _read_machine(self) -> None:
        """Read this machine in a thread: drivers may take their time."""
        self.post_message(self.MachineRead(await asyncio.to_thread(self._session.detect)))

    @on(SourceOpened)
    def _use_source(self, message: SourceOpened) -> None:
        self._sources.listed = message.name
        self.source_title, self.source_error = message.title, None
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
        spec, described = message.spec, message.described
        self.post_message(Remember(lambda now: now.choose(spec, described=described)))

    @on(OpenModel)
    def _open_model(self, message: OpenModel) -> None:
        from explorer.ui.screens.model import ModelScreen  # loaded when a model is first opened

        ref = message.ref
        self.post_message(Remember(lambda now: now.open(ref.id)))
        screen = ModelScreen(ref, message.row).data_bind(
            WeightsApp.machine, WeightsApp.scenario, WeightsApp.remembered
        )
        name = self._sources.home(ref) if message.marked else self._sources.knowing(ref)
        if name == self._sources.listed:
            screen.data_bind(WeightsApp.source, WeightsApp.source_title, WeightsApp.source_error)
        else:
            self._give_source(screen, name)
        self.push_screen(screen)

    @work(group="elsewhere", exit_on_error=False)
    async def _give_source(self, screen: "ModelScreen", name: str) -> None:
        """Open a model in another source than the one that is listed."""
        try:
            source = await self._sources.open(name)
            screen.source_title = await asyncio.to_thread(lambda: source.title)
            screen.source = source
        except ExplorerError as error:
            screen.source_error = error

    @on(DiffModels)
    def _diff(self, message: DiffModels) -> None:
        from explorer.ui.screens.diff import DiffScreen  # loaded when a pair is first compared

        self.push_screen(
            DiffScreen(message.first, message.second, self._sources.of).data_bind(
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
            MachineScreen().data_bind(
                WeightsApp.machine,
                WeightsApp.detected,
                WeightsApp.scenario,
                WeightsApp.remembered,
            )
        )

    def action_watched(self) -> None:
        """Show what changed in the models that are watched."""
        from explorer.ui.screens.watched import (  # loaded when it is first asked for
            WatchedScreen,
        )

        self.push_screen(
            WatchedScreen(self._session).data_bind(
                WeightsApp.machine,
                WeightsApp.scenario,
                WeightsApp.source,
                WeightsApp.source_title,
                WeightsApp.remembered,
            )
        )

    def action_compare(self) -> None:
        """Put the marked models side by side."""
        from explorer.ui.screens.compare import CompareScreen  # loaded when it is first asked for

        self.push_screen(
            CompareScreen(self._sources.of).data_bind(
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
        if action == "watched" and self.screen.id == WATCHED_SCREEN:
            return False
        if action == "source" and (not self._session.sources or len(self.screen_stack) > 1):
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
            self.post_message(Remember(lambda now: replace(now, context_tokens=context)))

    @work(group="choosing", exclusive=True)
    async def action_source(self) -> None:
        """Ask where models are listed from."""
        from explorer.ui.screens.choose import Choice, ChooseScreen  # loaded when first needed

        choices = [Choice(name, name) for name in self._session.sources]
        answer = await self.push_screen_wait(ChooseScreen("List from", choices, self.source_title))
        if answer is not None:
            self._open_source(answer)

    def action_help(self) -> None:
        """Say what the screen shows, and what its keys do."""
        from explorer.ui.screens.help import help_for  # loaded when it is first asked for

        self.push_screen(help_for(self.screen))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The stock commands, and one for every key that does something here but move about."""
        for command in super().get_system_commands(screen):
            if command.title not in _UNOFFERED:
                yield command
        for active in screen.active_bindings.values():
            binding = active.binding
            does = binding.id and (binding.show or not moves(active))
            if does and active.enabled and binding.action != "quit":
                run = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description, binding.tooltip, run)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told, and nothing is lost."""
        if event.state is WorkerState.ERROR:
            self.source_error = own_fault(event.worker.error)

    async def on_unmount(self) -> None:
        """Let the sources close their connections."""
        await self._sources.close()
