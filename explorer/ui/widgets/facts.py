"""Labels with their values, and the reasons behind a number."""

from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from explorer.fit.values import Reason
from explorer.safetext import safe_line

MOST_NARROW = 16
"""Cells a value gets even where there is no room: the rest is cut."""
MARK_CELLS = 2
GAP = 2


class Fact(NamedTuple):
    """One label with its value."""

    label: str
    value: str
    style: str = ""
    """A Textual style for the value: a theme variable, ``bold``."""


class Facts(Widget):
    """Facts one under the other, their values aligned."""

    DEFAULT_CSS = """
    Facts { height: auto; width: 1fr; }
    """

    facts: reactive[tuple[Fact, ...]] = reactive((), layout=True)

    def render(self) -> Content:
        """A line a fact; a long value goes on below itself."""
        labels = max((len(fact.label) for fact in self.facts), default=0) + 2
        room = max(self.container_size.width - labels - 4, MOST_NARROW)
        lines: list[Content] = []
        for fact in self.facts:
            value = Content.styled(safe_line(fact.value), fact.style)
            for number, part in enumerate(value.wrap(room)):
                label = "" if number else fact.label
                lines.append(Content.assemble((f"{label:<{labels}}", "$foreground-muted"), part))
        return Content("\n").join(lines)


class Reasons(Widget, can_focus=True):
    """The numbers on the left, to move through; beside them why the one under the cursor is what it is."""

    DEFAULT_CSS = """
    Reasons { height: auto; width: 1fr; text-wrap: nowrap; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="reasons.up", tooltip="The number above"),
        Binding(
            "down,j", "move(1)", "Down", show=False, id="reasons.down", tooltip="The number below"
        ),
    ]

    reasons: reactive[tuple[Reason, ...]] = reactive((), layout=True)
    assumptions: reactive[tuple[str, ...]] = reactive((), layout=True)
    cursor: reactive[int] = reactive(0)

    def validate_cursor(self, cursor: int) -> int:
        """A number that is there."""
        return max(0, min(cursor, len(self._entries) - 1))

    def watch_reasons(self, before: tuple[Reason, ...], after: tuple[Reason, ...]) -> None:
        """The cursor stays on its number where that has another value now."""
        names = [reason.name for reason in after]
        here = before[self.cursor].name if self.cursor < len(before) else ""
        self.cursor = names.index(here) if here in names else self.cursor

    def action_move(self, by: int) -> None:
        """Go to another number."""
        self.cursor += by

    def on_click(self, event: events.Click) -> None:
        """Go to the number that was clicked."""
        offset = event.get_content_offset(self)
        if offset is not None and offset.x < self._list_cells:
            self.cursor = self._first + offset.y

    @property
    def _entries(self) -> tuple[Reason, ...]:
        """The numbers, and last what was assumed."""
        assumed = "\n".join(self.assumptions)
        said = (Reason("assumed", str(len(self.assumptions)), assumed, "", ""),) if assumed else ()
        return (*self.reasons, *said)

    @property
    def _list_cells(self) -> int:
        names = max((len(entry.name) for entry in self._entries), default=0)
        values = max((len(entry.value) for entry in self._entries), default=0)
        return MARK_CELLS + names + GAP + values + 2 * GAP

    @property
    def _first(self) -> int:
        """The first number that is shown: the one under the cursor must be."""
        return max(self.cursor - max(self.content_size.height, 1) + 1, 0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As high as the list and the longest explanation, so that moving the cursor moves nothing else."""
        del container, viewport
        room = max(width - self._list_cells, MOST_NARROW)
        heights = [len(_explain(entry, room)) for entry in self._entries]
        return max(len(heights), *heights, 1) if heights else 1

    def render(self) -> Content:
        """Two columns: every number, and the reason for one."""
        entries = self._entries
        if not entries:
            return Content.styled("no reasons were given", "$foreground-muted")
        room = max(self.content_size.width - self._list_cells, MOST_NARROW)
        height = max(self.content_size.height, 1)
        beside = _explain(entries[min(self.cursor, len(entries) - 1)], room)
        shown = range(self._first, self._first + height)
        lines = []
        for number, index in enumerate(shown):
            left = self._entry(index) if index < len(entries) else Content(" " * self._list_cells)
            right = beside[number] if number < len(beside) else Content("")
            lines.append(left + right)
        return Content("\n").join(lines)

    def _entry(self, index: int) -> Content:
        entry = self._entries[index]
        here = index == self.cursor
        names = max(len(each.name) for each in self._entries)
        values = self._list_cells - MARK_CELLS - names - 3 * GAP
        text = f"{safe_line(entry.name):<{names}}{' ' * GAP}{safe_line(entry.value):>{values}} "
        tone = "bold on $primary-muted" if here and self.has_focus else "bold" if here else ""
        mark = Content.styled("▌ " if here else "  ", "$text-primary")
        return mark + Content.styled(text, tone) + Content(" " * (2 * GAP - 1))

    def watch_has_focus(self, _focused: bool) -> None:
        """The cursor is drawn stronger where the keys go."""
        self.refresh()


def _explain(reason: Reason, room: int) -> list[Content]:
    """Formula, inputs and source, wrapped to a width."""
    lines: list[Content] = []
    for label, text, style in (
        ("is", reason.formula, "bold"),
        ("from", reason.inputs, ""),
        ("source", reason.source, "$foreground-muted"),
    ):
        for paragraph in filter(None, text.split("\n")):
            wrapped = Content.styled(safe_line(paragraph, 2000), style).wrap(max(room - 8, 8))
            for number, part in enumerate(wrapped):
                shown = label if number == 0 else ""
                lines.append(Content.assemble((f"{shown:<8}", "$foreground-muted"), part))
    return lines or [Content("")]
