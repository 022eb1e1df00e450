"""A grid of judged cells: rows by columns, each a glyph, a figure and a colour, with a cursor."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from explorer.safetext import safe_line
from explorer.ui.text import fit_end

HEADER_LINES = 1
FIGURE_CELLS = 4
"""Room for three figures and a point."""
CELL_CELLS = FIGURE_CELLS + 4
"""A bracket, the glyph, a blank, the figure, a bracket."""


class HeatCell(NamedTuple):
    """What one cell shows."""

    glyph: str
    figure: str
    tone: str
    """``good``, ``warn``, ``accent``, ``bad`` or ``dim``."""


@dataclass(frozen=True, slots=True)
class HeatGrid:
    """A whole map; every row has as many cells as there are columns."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    cells: tuple[tuple[HeatCell, ...], ...] = ()
    unit: str = ""
    """Of the figures; stands in the corner."""


class HeatMap(Widget, can_focus=True):
    """Paints a grid; posts where the cursor came to. Scrolls by whole cells when there is little room."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "heatmap--label",
        "heatmap--good",
        "heatmap--warn",
        "heatmap--accent",
        "heatmap--bad",
        "heatmap--dim",
        "heatmap--cursor",
    }
    DEFAULT_CSS = """
    HeatMap {
        height: 1;
        &.-stale { text-opacity: 45%; }
        & > .heatmap--label { color: $text-muted; }
        & > .heatmap--good { color: $text-success; background: $success-muted; }
        & > .heatmap--warn { color: $text-warning; background: $warning-muted; }
        & > .heatmap--accent { color: $text-primary; background: $primary-muted; }
        & > .heatmap--bad { color: $text-error; background: $error-muted; }
        & > .heatmap--dim { color: $text-muted; }
        & > .heatmap--cursor { text-style: bold; }
        &:focus > .heatmap--cursor { text-style: bold reverse; }
        /* sixteen colours have no muted shades: a tone on itself could not be read */
        &:ansi > .heatmap--good { background: ansi_default; }
        &:ansi > .heatmap--warn { background: ansi_default; }
        &:ansi > .heatmap--accent { background: ansi_default; }
        &:ansi > .heatmap--bad { background: ansi_default; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Up", show=False, id="heatmap.up", tooltip="Higher quality"),
        Binding("down,j", "move(1, 0)", "Down", show=False, id="heatmap.down", tooltip="Smaller"),
        Binding(
            "left,h", "move(0, -1)", "Left", show=False, id="heatmap.left", tooltip="Less context"
        ),
        Binding(
            "right,l", "move(0, 1)", "Right", show=False, id="heatmap.right", tooltip="More context"
        ),
        Binding(
            "home", "edge(-1)", "First", show=False, id="heatmap.home", tooltip="Least context"
        ),
        Binding("end", "edge(1)", "Last", show=False, id="heatmap.end", tooltip="Most context"),
    ]

    grid: reactive[HeatGrid] = reactive(HeatGrid, init=False)
    position: reactive[tuple[int, int]] = reactive((0, 0), init=False)

    @dataclass
    class Moved(Message):
        """The cursor stands on a cell."""

        heatmap: "HeatMap"
        row: int
        column: int

        @property
        def control(self) -> "HeatMap":
            """The map."""
            return self.heatmap

    @property
    def wanted_cells(self) -> int:
        """The width that shows every column."""
        longest = max((len(row) for row in self.grid.rows), default=0)
        return longest + 2 + CELL_CELLS * len(self.grid.columns)

    def validate_position(self, position: tuple[int, int]) -> tuple[int, int]:
        """A cell of the grid."""
        row, column = position
        rows, columns = len(self.grid.rows), len(self.grid.columns)
        return max(0, min(row, rows - 1)), max(0, min(column, columns - 1))

    def watch_grid(self, before: HeatGrid, after: HeatGrid) -> None:
        """Keep the cursor on its labels where they still exist."""
        self.styles.height = len(after.rows) + HEADER_LINES
        row, column = self.position
        self.position = (
            _same(before.rows, after.rows, row),
            _same(before.columns, after.columns, column),
        )

    def watch_position(self, position: tuple[int, int]) -> None:
        """Tell where the cursor is."""
        if self.grid.cells:
            self.post_message(self.Moved(self, *position))

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor by cells."""
        row, column = self.position
        self.position = (row + rows, column + columns)

    def action_edge(self, side: int) -> None:
        """Go to the first or the last column."""
        row, _ = self.position
        self.position = (row, 0 if side < 0 else len(self.grid.columns) - 1)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the cell that was clicked."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < HEADER_LINES or offset.x < self._label_cells:
            return
        column = self._first_column + (offset.x - self._label_cells) // CELL_CELLS
        if column < len(self.grid.columns):
            self.position = (self._first_row + offset.y - HEADER_LINES, column)

    @property
    def _label_cells(self) -> int:
        longest = max((len(row) for row in self.grid.rows), default=0)
        return min(longest + 2, max(self.size.width // 3, 4))

    @property
    def _first_column(self) -> int:
        shown = max((self.size.width - self._label_cells) // CELL_CELLS, 1)
        return max(self.position[1] - shown + 1, 0)

    @property
    def _first_row(self) -> int:
        return max(self.position[0] - max(self.size.height - HEADER_LINES, 1) + 1, 0)

    def render_line(self, y: int) -> Strip:
        """The context lengths, then a line for each quantization."""
        width = self.size.width
        blank = self.get_visual_style().rich_style
        index = self._first_row + y - HEADER_LINES
        if y < HEADER_LINES:
            strip = self._header()
        elif index < len(self.grid.rows):
            strip = self._row(index)
        else:
            return Strip.blank(width, blank)
        return strip.adjust_cell_length(width, blank)

    def _style(self, *names: str) -> Style:
        return self.get_visual_style(*(f"heatmap--{name}" for name in names)).rich_style

    def _header(self) -> Strip:
        style = self._style("label")
        labels = self.grid.columns[self._first_column :]
        text = fit_end(f"{self.grid.unit:>{self._label_cells - 2}}", self._label_cells)
        return Strip(
            [Segment(text + "".join(f"{label:>{CELL_CELLS - 1}} " for label in labels), style)]
        )

    def _row(self, index: int) -> Strip:
        here, column = self.position
        label_style = self._style(
            "label", *(["cursor"] if index == here and self.has_focus else [])
        )
        label = fit_end(safe_line(self.grid.rows[index]), self._label_cells)
        segments = [Segment(label, label_style)]
        for number in range(self._first_column, len(self.grid.columns)):
            cell = self.grid.cells[index][number]
            under_cursor = (index, number) == (here, column)
            style = self._style(cell.tone, *(["cursor"] if under_cursor else []))
            left, right = "[]" if under_cursor else "  "
            segments.append(
                Segment(f"{left}{cell.glyph} {cell.figure:>{FIGURE_CELLS}}{right}", style)
            )
        return Strip(segments)


def _same(before: tuple[str, ...], after: tuple[str, ...], index: int) -> int:
    """Where the label at an index went, or the index itself."""
    if index < len(before) and before[index] in after:
        return after.index(before[index])
    return index
