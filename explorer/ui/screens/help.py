"""What the screen shows and what its keys do: its own first, then those that move, then everyone's."""

from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Markdown, Static

from explorer.ui.keys import Key, grouped

KEYS_CELLS = 14
LABEL_CELLS = 17
SCROLL_CELLS = 1


class Keys(Widget):
    """A line a key; what has no room goes on below itself."""

    DEFAULT_CSS = """
    Keys { height: auto; width: 1fr; }
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__()
        self._keys = keys

    def render(self) -> Content:
        """What is pressed, its name, and what it does."""
        room = max(self.container_size.width - KEYS_CELLS - LABEL_CELLS - SCROLL_CELLS, LABEL_CELLS)
        lines: list[Content] = []
        for key in self._keys:
            for number, part in enumerate(Content(key.tooltip).wrap(room)):
                keys, label = ("", "") if number else (key.keys, key.label)
                name = f"{label:<{LABEL_CELLS}}"
                pressed = (f"{keys:<{KEYS_CELLS}}", "$text-accent")
                lines.append(Content.assemble(pressed, name, part.stylize("$foreground-muted")))
        return Content("\n").join(lines)


class HelpScreen(ModalScreen[None]):
    """Over the screen it explains. Any of the keys that lead away from it closes it."""

    AUTO_FOCUS = "VerticalScroll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,question_mark,q",
            "close",
            "Close",
            id="help.close",
            tooltip="Back to the screen",
        ),
        Binding("j", "down", "Down", show=False, id="help.down", tooltip="A line further"),
        Binding("k", "up", "Up", show=False, id="help.up", tooltip="A line back"),
    ]

    body = query_one(VerticalScroll)

    def __init__(self, text: str, keys: Mapping[str, Sequence[Key]]) -> None:
        super().__init__()
        self._text = text
        self._keys = keys

    def compose(self) -> ComposeResult:
        """The screen in words, then its keys by group."""
        with VerticalScroll(id="help"):
            if self._text:
                yield Markdown(self._text)
            for group, keys in self._keys.items():
                yield Static(Content.styled(group, "bold"), classes="group")
                yield Keys(keys)

    def action_close(self) -> None:
        """Back to the screen."""
        self.dismiss(None)

    def action_down(self) -> None:
        """A line further."""
        self.body.scroll_down(animate=False)

    def action_up(self) -> None:
        """A line back."""
        self.body.scroll_up(animate=False)


def help_for(screen: Screen[object]) -> HelpScreen:
    """The help for a screen as it stands, with what has the focus."""
    ancestors = (screen.focused or screen).ancestors_with_self
    texts = (node.HELP for node in ancestors if isinstance(node, Widget) and node.HELP)
    return HelpScreen(
        cleandoc(next(texts, "") or ""), grouped(screen.app, screen.active_bindings.values())
    )
