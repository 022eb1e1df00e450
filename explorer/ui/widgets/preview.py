"""What the listing says of the row under the cursor: its facts in a line, and its memory bar."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content
from textual.getters import query_one
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from explorer.safetext import safe_line
from explorer.ui.composed import is_composed
from explorer.ui.verdicts import LOOKS, TONES
from explorer.ui.widgets.bar import MemoryBar
from explorer.units import count, file_size, tokens

if TYPE_CHECKING:
    from explorer.fit.values import Answer
    from explorer.inspection.rows import Row


class Preview(Widget):
    """Keeps its height whatever it shows, so that the list above never moves."""

    DEFAULT_CSS = """
    Preview { height: 5; padding: 0 2; border-top: solid $panel; }
    Preview > Static { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    row: "reactive[Row | None]" = reactive(None)
    bar = query_one(MemoryBar)
    line = query_one("#preview-line", Static)

    def compose(self) -> ComposeResult:
        """A line of facts above the bar."""
        yield Static(Content(""), id="preview-line")
        yield MemoryBar(most=2)

    def watch_row(self, row: "Row | None") -> None:
        """Show another row."""
        if is_composed(self):
            self.line.update(summary(row) if row else Content(""))
            self.bar.answer = row.answer if row else None


def summary(row: "Row") -> Content:
    """Name, size, verdict and the most context, as one line."""
    name = row.listing.id.rpartition("/")[2]
    pieces = [Content.styled(safe_line(name), "bold")]
    if row.parameters is not None:
        active = f", {count(row.active)} active" if row.active not in {None, row.parameters} else ""
        pieces.append(Content(f"{count(row.parameters)} parameters{active}"))
    if row.answer is None:
        pieces.append(
            Content.styled("too little is known to judge it: open it", "$foreground-muted")
        )
    else:
        look = LOOKS[row.answer.verdict]
        quantization = safe_line(row.answer.scenario.quantization or "")
        pieces.append(Content.styled(f"{look.glyph} {quantization} {look.word}", TONES[look.tone]))
        pieces.append(_how(row.answer))
    if row.listing.twins:
        twin = row.listing.twins[0]
        same = f"the same {file_size(twin.size_bytes)} as {safe_line(twin.model)}"
        pieces.append(Content.styled(same, "$text-warning"))
    return Content("  ·  ").join(pieces)


def _how(answer: "Answer") -> Content:
    """The context and the engine it was judged for, and whether the model's own context is shorter."""
    scenario = answer.scenario
    context = f"at {tokens(scenario.context_tokens)} context, " if scenario.context_tokens else ""
    beyond = f"beyond the model's {tokens(answer.limit_tokens)}, " * answer.is_beyond_limit
    return Content.assemble(context, (beyond, "$text-warning"), scenario.engine or "")
