"""The commands that download a model and run it as it was judged: to copy, never to execute."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from explorer.errors import ExplorerError
from explorer.fit.launch import Command
from explorer.fit.values import Answer
from explorer.inspection.fitting import Subject
from explorer.inspection.launching import Commands, commands_for
from explorer.inspection.model import Model
from explorer.safetext import safe_line
from explorer.ui.composed import is_composed
from explorer.ui.fit_text import headline
from explorer.ui.text import content
from explorer.ui.widgets.status import explain

LONGEST = 4000
"""Characters of a command that are shown; what is copied is whole."""


class CommandsScreen(ModalScreen[None]):
    """Enter copies the line under the cursor."""

    AUTO_FOCUS = "OptionList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,y", "back", "Back", id="commands.back", tooltip="Copy nothing"),
        Binding("a", "copy_all", "All", id="commands.all", tooltip="Copy every line"),
        Binding("j", "down", "Down", show=False, id="commands.down", tooltip="Next line"),
        Binding("k", "up", "Up", show=False, id="commands.up", tooltip="Previous line"),
    ]

    commands: reactive[Commands | None] = reactive(None)

    @dataclass
    class Made(Message):
        """The commands are there."""

        commands: Commands

    @dataclass
    class Failed(Message):
        """There are none, because of an error."""

        error: ExplorerError

    def __init__(self, model: Model, found: Subject, cell: Answer) -> None:
        super().__init__()
        self._model = model
        self._found = found
        self._cell = cell

    def compose(self) -> ComposeResult:
        """What is run; a line each; what to know before; the keys."""
        with Vertical(id="commands"):
            title = Content.styled("Run  ", "bold")
            yield Static(title + headline(self._cell, by_context=self._by_context))
            yield OptionList()
            with VerticalScroll(can_focus=False):
                yield Static(Content("…"), id="commands-notes")
            yield Static(
                Content.styled("enter copies a line   a copies all   esc back", "$foreground-muted")
            )

    @property
    def _by_context(self) -> bool:
        return self._cell.scenario.context_tokens is not None

    def on_mount(self) -> None:
        """Put the commands together in a thread: the disk is asked for its room."""
        self._make()

    @work(group="commands", exit_on_error=False)
    async def _make(self) -> None:
        try:
            made = await asyncio.to_thread(commands_for, self._model, self._found, self._cell)
        except ExplorerError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.Made(made))

    @on(Made)
    def _take(self, message: Made) -> None:
        self.commands = message.commands

    @on(Failed)
    def _tell(self, message: Failed) -> None:
        self.query_one("#commands-notes", Static).update(explain(message.error))

    def watch_commands(self, commands: Commands | None) -> None:
        """Show them."""
        if commands is None or not is_composed(self):
            return
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(_line(command)) for command in steps(commands)])
        options.highlighted = 0 if steps(commands) else None
        options.display = bool(steps(commands))
        notes = notes_of(commands)
        self.query_one("#commands-notes", Static).update(
            Content("\n").join([content(note) for note in notes])
        )

    @on(OptionList.OptionSelected)
    def _copy(self, event: OptionList.OptionSelected) -> None:
        """Copy one line."""
        if self.commands is not None:
            self._copied(steps(self.commands)[event.option_index].line)

    def action_copy_all(self) -> None:
        """Copy every line."""
        if self.commands is not None and self.commands.lines:
            self._copied("\n".join(self.commands.lines))

    def _copied(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        self.app.notify("copied", markup=False)
        self.dismiss()

    def action_back(self) -> None:
        """Copy nothing."""
        self.dismiss()

    def action_down(self) -> None:
        """Next line."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """Previous line."""
        self.query_one(OptionList).action_cursor_up()


def steps(commands: Commands) -> tuple[Command, ...]:
    """The commands in order; of the last ones any that serves the purpose."""
    first = (commands.download.command,) if commands.download else ()
    return (*first, *commands.launch.preparation, *commands.launch.commands)


def _line(command: Command) -> Content:
    return Content.assemble(
        (f"{command.purpose}\n", "$foreground-muted"), safe_line(command.line, LONGEST)
    )


def notes_of(commands: Commands) -> tuple[str, ...]:
    """Size and room on the disk, then what else is to be known before."""
    first = (commands.download.account,) if commands.download else ()
    return (*first, *commands.launch.notes)
