"""A small list to pick one value from, with a line to type another where that makes sense.

Where one can type, every printable key does: the arrows move in the list, and letters are letters.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from explorer.errors import UsageError
from explorer.ui.text import content


class Choice(NamedTuple):
    """One value, as it is shown."""

    value: str
    label: str


class ChooseScreen(ModalScreen[str | None]):
    """Dismissed with the value that was picked or typed; None when the person went back."""

    AUTO_FOCUS = "OptionList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="choose.back", tooltip="Leave it as it is"),
        Binding("down,j", "down", "Down", show=False, id="choose.down", tooltip="Next"),
        Binding("up,k", "up", "Up", show=False, id="choose.up", tooltip="Previous"),
    ]

    options = query_one(OptionList)

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        current: str,
        *,
        typed: str = "",
        check: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._choices = tuple(choices)
        self._current = current
        self._typed = typed
        self._check = check

    def compose(self) -> ComposeResult:
        """A title, the choices, and a line to type in where a check was given."""
        with Vertical(id="choose"):
            yield Static(content(self._title), id="choose-title")
            yield OptionList(
                *(Option(content(choice.label)) for choice in self._choices), compact=True
            )
            if self._check is not None:
                yield Input(placeholder=self._typed, compact=True, max_length=200)
                yield Static(Content(""), id="choose-problem")

    def on_mount(self) -> None:
        """Start on the present value."""
        if not self.query(OptionList):
            return  # the app closed before there was anything to choose
        if self._check is not None:
            self.options.can_focus = False
            self.query_one(Input).focus()
        values = [choice.value for choice in self._choices]
        self.options.highlighted = values.index(self._current) if self._current in values else 0

    @on(OptionList.OptionSelected)
    def pick(self, event: OptionList.OptionSelected) -> None:
        """Answer with a listed value."""
        self.dismiss(self._choices[event.option_index].value)

    @on(Input.Submitted)
    def take(self, event: Input.Submitted) -> None:
        """Answer with what was typed, once it is understood; with nothing typed, what is lit up."""
        if not event.value.strip() and self._choices:
            self.options.action_select()
            return
        try:
            if self._check is not None:
                self._check(event.value)
        except UsageError as error:
            self.query_one("#choose-problem", Static).update(content(str(error)))
        else:
            self.dismiss(event.value)

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss(None)

    def action_down(self) -> None:
        """Next choice."""
        self.options.action_cursor_down()

    def action_up(self) -> None:
        """Previous choice."""
        self.options.action_cursor_up()
