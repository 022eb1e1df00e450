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


class Chips(Widget):
    """Shows pairs of a name and a value on one line; the first letter of a name is its key."""

    DEFAULT_CSS = """
    Chips { height: 1; width: auto; text-wrap: nowrap; }
    """

    chips: reactive[tuple[tuple[str, str], ...]] = reactive((), layout=True)

    @dataclass
    class Pressed(Message):
        """A chip was clicked."""

        name: str

    def render(self) -> Content:
        """Names quiet, values plain; a value that narrows the list stands out."""
        shown = [
            Content.assemble(
                (name[0], "bold underline"),
                (f"{name[1:]} ", "$text-muted"),
                (safe_line(value, 24), "" if value in QUIET else "bold $text-accent"),
            )
            for name, value in self.chips
        ]
        return Content(" " * GAP).join(shown)

    def on_click(self, event: events.Click) -> None:
        """Tell which one was hit."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        x = 0
        for name, value in self.chips:
            width = Content(f"{name} {safe_line(value, 24)}").cell_length
            if x <= offset.x < x + width:
                self.post_message(self.Pressed(name))
            x += width + GAP
