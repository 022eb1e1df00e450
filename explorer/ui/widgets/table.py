"""A table of any length: only the lines on the screen are ever made."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from explorer.ui.widgets.columns import GAP, Cell, Column, Placed, fit, place
from explorer.ui.widgets.rows import NO_ROWS, Rows

HEADER_LINES = 1
MARK_CELLS = 2
"""Left margin, where the row under the cursor has its mark: it must show without colour too."""
CACHED_STRIPS = 1024


class VirtualTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows ``rows`` under ``columns``, with a cursor that stays on its row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--cursor",
        "table--hover",
        "table--good",
        "table--warn",
        "table--bad",
        "table--dim",
        "table--strong",
        "table--accent",
    }
    DEFAULT_CSS = """
    VirtualTable {
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        background: $background;
        & > .table--header { color: $foreground-muted; text-style: bold; }
        & > .table--cursor { background: $surface; }
        &:focus > .table--cursor { background: $primary-muted; text-style: bold; }
        & > .table--hover { background: $boost; }
        & > .table--good { color: $text-success; }
        & > .table--warn { color: $text-warning; }
        & > .table--bad { color: $text-error; }
        & > .table--dim { color: $foreground-muted; }
        & > .table--strong { text-style: bold; }
        & > .table--accent { color: $text-primary; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False, id="table.down", tooltip="Next row"),
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up", tooltip="Previous row"),
        Binding(
            "pagedown,ctrl+f,ctrl+d",
            "page(1)",
            "Page down",
            show=False,
            id="table.page_down",
            tooltip="A screen further",
        ),
        Binding(
            "pageup,ctrl+b,ctrl+u",
            "page(-1)",
            "Page up",
            show=False,
            id="table.page_up",
            tooltip="A screen back",
        ),
        Binding("home,g", "first", "Top", show=False, id="table.first", tooltip="First row"),
        Binding("end,G", "last", "Bottom", show=False, id="table.last", tooltip="Last row"),
        Binding("enter", "select", "Open", id="table.select", tooltip="Open this row"),
    ]

    rows: reactive[Rows] = reactive(lambda: NO_ROWS, always_update=True, init=False)
    cursor: reactive[int] = reactive(0, init=False, repaint=False)
    sorted_by: reactive[tuple[str, bool]] = reactive(("", False), init=False)
    """Key of the column the rows are in the order of, and whether that is descending."""
    marked: reactive[frozenset[Hashable]] = reactive(frozenset(), init=False)
    """Keys of the rows with a mark at their margin."""
    hovered: reactive[int | None] = reactive(None, init=False, repaint=False)

    @dataclass
    class RowMessage(Message):
        """Something about one row."""

        table: "VirtualTable"
        index: int
        key: Hashable

        @property
        def control(self) -> "VirtualTable":
            """The table, so that handlers can be told apart by it."""
            return self.table

    class Highlighted(RowMessage):
        """The cursor came to a row."""

    class Selected(RowMessage):
        """A row was opened."""

    @dataclass
    class NeedsMore(Message):
        """The end of the rows is about to come into view; sent once for each number of rows."""

        table: "VirtualTable"
        rows: int

        @property
        def control(self) -> "VirtualTable":
            """The table."""
            return self.table

    @dataclass
    class HeaderClicked(Message):
        """The heading of a sortable column was clicked."""

        table: "VirtualTable"
        column: str

        @property
        def control(self) -> "VirtualTable":
            """The table."""
            return self.table

    def __init__(
        self, columns: Sequence[Column], *, empty: str = "", widget_id: str | None = None
    ) -> None:
        super().__init__(id=widget_id)
        self._columns = tuple(columns)
        self._empty = empty
        self._strips: LRUCache[tuple[int, bool, bool, bool], Strip] = LRUCache(CACHED_STRIPS)
        self._styles: dict[tuple[bool, tuple[str, ...]], Style] = {}
        self._placed: tuple[Placed, ...] = ()
        self._placed_width = -1
        self._key: Hashable = None
        self._announced: tuple[int, Hashable] | None = None
        self._asked_at: int | None = None
        self._asked_below = 0
        """Rows from the cursor on when more were asked for."""
        self._held = False
        """No more is asked for until the cursor moves."""

    # State

    def restart(self) -> None:
        """Forget the cursor's row: what comes next is another list, shown from its beginning."""
        self._key = self._announced = self._asked_at = None
        self.set_reactive(VirtualTable.cursor, 0)
        self.scroll_to(y=0, animate=False)
        self.repaint_rows()

    def show_empty(self, text: str) -> None:
        """Set what is said when there are no rows."""
        if text != self._empty:
            self._empty = text
            self.repaint_rows()

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns; the rows that go with them should be set right after."""
        self._columns = tuple(columns)
        self._placed_width = -1
        self.repaint_rows()

    @property
    def page_rows(self) -> int:
        """Rows that are on the screen at once."""
        return max(self.size.height - HEADER_LINES, 1)

    @property
    def placed(self) -> tuple[Placed, ...]:
        """The columns that have room at the present width."""
        width = max(self.size.width - MARK_CELLS - 1, 1)
        if width != self._placed_width:
            self._placed = place(self._columns, width)
            self._placed_width = width
        return self._placed

    def validate_cursor(self, cursor: int) -> int:
        """A row that exists, or 0."""
        return max(0, min(cursor, len(self.rows) - 1))

    def watch_rows(self, rows: Rows) -> None:
        """Keep the cursor on its row, and that row on its line of the screen."""
        before = self.cursor
        found = None
        if self._key is not None:
            same = before < len(rows) and rows.key(before) == self._key
            found = before if same else rows.find(self._key)
        after = self.validate_cursor(before if found is None else found)
        # Where they came in above, the end is as near as before: asking on would go on for ever.
        below = len(rows) - after
        self._held = self._asked_at is not None and below <= self._asked_below
        self.virtual_size = Size(self.size.width, len(rows) + HEADER_LINES)
        if after != before:
            self.set_reactive(VirtualTable.cursor, after)
            if found is not None:
                self.scroll_to(y=self.scroll_y + after - before, animate=False)
        self.repaint_rows()
        self._announce()
        self._ask_for_more()

    def watch_cursor(self, before: int, after: int) -> None:
        """Show the row, repaint the two lines that changed, and tell."""
        self._show_cursor()
        self._refresh_row(before)
        self._refresh_row(after)
        self._announce()
        self._ask_for_more(moved=True)

    def watch_marked(self) -> None:
        """Paint the margins anew."""
        self.repaint_rows()

    def watch_hovered(self, before: int | None, after: int | None) -> None:
        """Repaint the lines the pointer left and came to."""
        for row in (before, after):
            if row is not None:
                self._refresh_row(row)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling by wheel reaches the end of the rows too."""
        super().watch_scroll_y(old_value, new_value)
        self._ask_for_more()

    def _announce(self) -> None:
        """Post Highlighted, unless the same row was announced last."""
        if not len(self.rows):
            self._key = self._announced = None
            return
        self._key = self.rows.key(self.cursor)
        if self._announced != (self.cursor, self._key):
            self._announced = (self.cursor, self._key)
            self.post_message(self.Highlighted(self, self.cursor, self._key))

    def _ask_for_more(self, *, moved: bool = False) -> None:
        """Ask once for each number of rows; for those that came in above, when the cursor moves."""
        total = len(self.rows)
        self._held = self._held and not moved
        last_seen = max(round(self.scroll_y) + self.page_rows, self.cursor)
        near = last_seen + self.page_rows >= total
        if near and self._asked_at != total and not self._held:
            self._asked_at, self._asked_below = total, total - self.cursor
            self.post_message(self.NeedsMore(self, total))

    def _show_cursor(self) -> None:
        top = round(self.scroll_target_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + self.page_rows:
            self.scroll_to(y=self.cursor - self.page_rows + 1, animate=False)

    # Actions and events

    def action_move(self, rows: int) -> None:
        """Move the cursor by some rows."""
        self.cursor += rows

    def action_page(self, pages: int) -> None:
        """Move the cursor by screens, and the view with it."""
        step = pages * max(self.page_rows - 1, 1)
        self.scroll_to(y=self.scroll_target_y + step, animate=False)
        self.cursor += step

    def action_first(self) -> None:
        """Go to the first row."""
        self.cursor = 0

    def action_last(self) -> None:
        """Go to the last row there is so far; from there, ask for more."""
        self.cursor = len(self.rows) - 1
        self._ask_for_more(moved=True)

    def action_select(self) -> None:
        """Open the row under the cursor."""
        if len(self.rows):
            self.post_message(self.Selected(self, self.cursor, self.rows.key(self.cursor)))

    def on_click(self, event: events.Click) -> None:
        """A heading sorts, a row takes the cursor, twice opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < HEADER_LINES:
            self._click_header(offset.x - MARK_CELLS)
            return
        row = self._row_at(offset.y)
        if row is not None:
            self.cursor = row
            if event.chain == 2:
                self.action_select()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Light the row under the pointer."""
        self.hovered = self._row_at(event.y) if event.y >= HEADER_LINES else None

    def on_leave(self) -> None:
        """The pointer went elsewhere."""
        self.hovered = None

    def on_resize(self) -> None:
        """Other columns may have room now; the cursor stays in view."""
        self.virtual_size = Size(self.size.width, len(self.rows) + HEADER_LINES)
        self.repaint_rows()
        self._show_cursor()
        self._ask_for_more()

    def notify_style_update(self) -> None:
        """Another theme, another state: paint afresh."""
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    def _row_at(self, y: int) -> int | None:
        row = round(self.scroll_y) + y - HEADER_LINES
        return row if y >= HEADER_LINES and row < len(self.rows) else None

    def _click_header(self, x: int) -> None:
        for placed in self.placed:
            if placed.x <= x < placed.x + placed.width and placed.column.sortable:
                self.post_message(self.HeaderClicked(self, placed.column.key))

    # Painting

    def render_line(self, y: int) -> Strip:
        """The heading, then the rows in view."""
        if y < HEADER_LINES:
            return self._header_strip()
        index = round(self.scroll_y) + y - HEADER_LINES
        total = len(self.rows)
        if index >= total:
            return self._blank_strip(self._empty if total == 0 and y == HEADER_LINES + 1 else "")
        key = (index, index == self.cursor, index == self.hovered, self.has_focus)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._row_strip(*key[:3])
            self._strips[key] = strip
        return strip

    def repaint_rows(self) -> None:
        """Ask the rows anew for what is on the screen; the cursor and the scroll stay."""
        self._strips.clear()
        self.refresh()

    def _refresh_row(self, index: int) -> None:
        line = index - round(self.scroll_y) + HEADER_LINES
        if HEADER_LINES <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def _style(self, *tones: str) -> Style:
        """The widget's own style with some component styles on it, blended with what is below.

        Kept as long as a strip may be: Textual looks through all ancestors each time it is asked.
        """
        key = (self.has_focus, tones)
        style = self._styles.get(key)
        if style is None:
            names = (f"table--{tone}" for tone in tones)
            style = self._styles[key] = self.get_visual_style(*names).rich_style
        return style

    def _blank_strip(self, text: str) -> Strip:
        line = Strip([Segment(" " * MARK_CELLS + text, self._style("dim"))])
        return line.adjust_cell_length(self.size.width, self._style())

    def _header_strip(self) -> Strip:
        key, descending = self.sorted_by
        segments = [Segment(" " * MARK_CELLS, self._style("header"))]
        arrow = "▾" if descending else "▴"
        for placed in self.placed:
            column = placed.column
            label = column.label + arrow if column.key == key else column.label
            # the arrow of a heading as wide as its column stands in the gap before it
            over = placed.x > 0 and len(label) > placed.width
            wider = placed._replace(x=placed.x - over, width=placed.width + over)
            segments += self._segments(label, wider, ("header",), gap=GAP - over)
        return Strip(segments).adjust_cell_length(self.size.width, self._style("header"))

    def _row_strip(self, index: int, under_cursor: bool, hovered: bool) -> Strip:
        state = ("cursor",) if under_cursor else ("hover",) if hovered else ()
        cells = self.rows.row(index)
        mark = "◆" if self.marked and self.rows.key(index) in self.marked else " "
        segments = [
            Segment("▌" if under_cursor else " ", self._style(*state)),
            Segment(mark, self._style(*state, "accent")),
        ]
        for placed in self.placed:
            segments += self._segments(cells[placed.cell], placed, state)
        return Strip(segments).adjust_cell_length(self.size.width, self._style(*state))

    def _segments(
        self, cell: Cell, placed: Placed, state: tuple[str, ...], *, gap: int = GAP
    ) -> list[Segment]:
        # The gap is of the text's first run: fewer segments are painted faster.
        lead, segments = "" if placed.x == 0 else " " * gap, []
        for run in fit(cell, placed):
            tones = (*state, run.tone) if run.tone else state
            segments.append(Segment(lead + run.text, self._style(*tones)))
            lead = ""
        return segments
