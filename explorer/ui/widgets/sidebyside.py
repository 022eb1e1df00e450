"""Models side by side: a column each, a line for each property, and a cursor on one of the models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from explorer.safetext import safe_line
from explorer.ui.compare_sheet import BAR_BELOW, Entry, Property, Sheet
from explorer.ui.text import fit_end, in_two
from explorer.ui.verdicts import TONES
from explorer.ui.widgets.bar import bars_of, draw, free

LABEL_CELLS = 13
RATIO_CELLS = 7
LEAST_CELLS = 16
MOST_CELLS = 36
GAP = 2


class SideBySide(Widget, can_focus=True):
    """Columns without room come into view with the cursor."""

    DEFAULT_CSS = """
    SideBySide { height: auto; width: 1fr; padding: 0 2; text-wrap: nowrap; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left,h", "move(-1)", "Left", show=False, id="compare.left", tooltip="The model before"
        ),
        Binding(
            "right,l", "move(1)", "Right", show=False, id="compare.right", tooltip="The next model"
        ),
        Binding("enter", "open", "Open", id="compare.open", tooltip="Open this model"),
    ]

    sheet: reactive[Sheet] = reactive(Sheet, layout=True)
    cursor: reactive[int] = reactive(0)

    @dataclass
    class Moved(Message):
        """The cursor came to a model."""

        index: int

    @dataclass
    class Opened(Message):
        """A model is to be opened."""

        index: int

    def validate_cursor(self, cursor: int) -> int:
        """A model that is there."""
        return max(0, min(cursor, len(self.sheet.names) - 1))

    def watch_cursor(self, cursor: int) -> None:
        """Tell where the cursor is."""
        self.post_message(self.Moved(cursor))

    def watch_has_focus(self, _focused: bool) -> None:
        """The cursor is drawn stronger where the keys go."""
        self.refresh()

    def action_move(self, by: int) -> None:
        """Go to another model."""
        self.cursor += by

    def action_open(self) -> None:
        """Open the model under the cursor."""
        if self.sheet.names:
            self.post_message(self.Opened(self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Go to the model that was clicked; a second click opens it."""
        offset = event.get_content_offset(self)
        if offset is None or offset.x < LABEL_CELLS:
            return
        index = self._first + (offset.x - LABEL_CELLS) // (self._cells + GAP)
        if index >= len(self.sheet.names):
            return
        if event.chain > 1:
            self.post_message(self.Opened(index))
        self.cursor = index

    @property
    def _room(self) -> int:
        return max(self.content_size.width - LABEL_CELLS - RATIO_CELLS, LEAST_CELLS + GAP)

    @property
    def _cells(self) -> int:
        """Width of a model's column."""
        shared = self._room // max(len(self.sheet.names), 1) - GAP
        return max(min(shared, MOST_CELLS), LEAST_CELLS)

    @property
    def _shown(self) -> int:
        return max(self._room // (self._cells + GAP), 1)

    @property
    def _first(self) -> int:
        return max(self.cursor - self._shown + 1, 0)

    def render(self) -> Content:
        """Names on top, then a line for each property; the memory bar below its figure."""
        return Content("\n").join([*self._heads(), *self._body()])

    def _heads(self) -> Iterator[Content]:
        authors: list[Content] = []
        names: tuple[list[Content], ...] = ([], [])
        for index in self._columns():
            author, slash, name = self.sheet.names[index].rpartition("/")
            here = index == self.cursor
            tone = "bold on $primary-muted" if here and self.has_focus else "bold"
            mark = "▌" if here else " "
            authors.append(
                Content.styled(
                    f" {fit_end(safe_line(author + slash), self._cells - 1)}", "$foreground-muted"
                )
            )
            for line, part in zip(names, in_two(safe_line(name), self._cells - 1), strict=True):
                line.append(Content.assemble((mark, "$text-primary"), (part, tone)))
        hidden = len(self.sheet.names) - len(authors)
        more = f"{f'{hidden} more' if hidden else '':>{RATIO_CELLS}}"
        yield self._line("", authors) + Content.styled(more, "$foreground-muted")
        yield self._line("", names[0])
        if any(line.plain.strip("▌ ") for line in names[1]):
            yield self._line("", names[1])

    def _body(self) -> Iterator[Content]:
        for group in self.sheet.groups:
            yield Content("")
            for line in group:
                yield self._property(line)
                if line.name == BAR_BELOW:
                    yield self._line("", [self._bar(index) for index in self._columns()])

    def _columns(self) -> range:
        return range(self._first, min(self._first + self._shown, len(self.sheet.names)))

    def _property(self, line: Property) -> Content:
        cells = [self._entry(line.entries[index]) for index in self._columns()]
        tone = "bold $text-accent" if line.marked else "$foreground-muted"
        return self._line(line.name, cells) + Content.styled(f"{line.ratio:>{RATIO_CELLS}}", tone)

    def _entry(self, entry: Entry) -> Content:
        text = safe_line(entry.text)
        mark = " *" if entry.best else ""
        tone = TONES.get(entry.tone, "")
        shown = fit_end(f" {text}{mark}", self._cells)
        return Content.styled(shown, f"bold {tone}".strip() if entry.best else tone)

    def _bar(self, index: int) -> Content:
        answer = self.sheet.answers[index]
        if answer is None:
            return Content(" " * self._cells)
        bars = bars_of(answer)
        capacity = answer.needed.total + free(bars)
        return Content(" ") + draw(answer.needed, capacity, self._cells - 1)

    def _line(self, label: str, cells: list[Content]) -> Content:
        gap = Content(" " * GAP)
        return Content.styled(f"{label:<{LABEL_CELLS}}", "$foreground-muted") + gap.join(cells)
