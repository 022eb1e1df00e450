"""The line of filters: each a name with its present value, pressed to choose another."""

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from explorer.safetext import safe_line

GAP = 3
QUIET = frozenset({"any", "trending"})
"""Values that narrow nothing."""


VALUE_CELLS = 24


class Chips(Widget):
    """Shows pairs of a name and a value on one line; a letter of each name is its key."""

    DEFAULT_CSS = """
    Chips { height: 1; width: auto; text-wrap: nowrap; }
    """

    chips: reactive[tuple[tuple[str, str], ...]] = reactive((), layout=True)

    @dataclass
    class Pressed(Message):
        """A chip was clicked."""

        name: str

    def letter(self, name: str) -> int:
        """Where in a name its key is."""
        del name
        return 0

    def stands_out(self, name: str, value: str) -> bool:
        """Whether a value is not the usual one."""
        del name
        return value not in QUIET

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """The chips there is room for."""
        return tuple((name, safe_line(value, VALUE_CELLS)) for name, value in self.chips)

    def render(self) -> Content:
        """Names quiet, their keys underlined; a value that is not the usual one stands out."""
        return Content(" " * GAP).join([self._chip(name, value) for name, value in self.shown])

    def _chip(self, name: str, value: str) -> Content:
        at = self.letter(name)
        return Content.assemble(
            (name[:at], "$foreground-muted"),
            (name[at], "bold underline"),
            (f"{name[at + 1 :]} ", "$foreground-muted"),
            (value, "bold $text-accent" if self.stands_out(name, value) else ""),
        )

    def on_click(self, event: events.Click) -> None:
        """Tell which one was hit."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        x = 0
        for name, value in self.shown:
            width = Content(f"{name} {value}").cell_length
            if x <= offset.x < x + width:
                self.post_message(self.Pressed(name))
            x += width + GAP
