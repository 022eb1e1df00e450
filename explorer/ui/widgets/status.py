"""A line that says what the screen is doing, how old what it shows is, and what went wrong.

An error takes as many lines as it needs, up to three: what to do about it stands at its end.
"""

from dataclasses import dataclass

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from explorer.errors import ExplorerError
from explorer.safetext import safe_line
from explorer.units import seconds

FRESH_SECONDS = 60
"""What is younger needs no age."""


@dataclass(frozen=True, slots=True)
class State:
    """What a status line shows; an error stands before the rest."""

    text: str = ""
    busy: str = ""
    """What is under way, in a word or two; empty when nothing is."""
    age_seconds: float = 0.0
    error: ExplorerError | None = None


class Status(Widget):
    """The line itself."""

    DEFAULT_CSS = """
    Status { height: auto; max-height: 3; width: 1fr; padding: 0 2; color: $text-muted; }
    """

    state: reactive[State] = reactive(State, layout=True)

    def render(self) -> Content:
        """Error with its hint, else what is under way, then the rest."""
        state = self.state
        pieces: list[Content] = []
        if state.error is not None:
            pieces.append(explain(state.error))
        if state.busy:
            pieces.append(Content.styled(f"… {safe_line(state.busy)}", "$text-accent"))
        if state.text:
            pieces.append(Content(safe_line(state.text)))
        if state.age_seconds >= FRESH_SECONDS:
            pieces.append(Content(f"as of {seconds(state.age_seconds)} ago"))
        said = Content("  ·  ").join(pieces)
        if state.error is not None:
            return said
        # a line even when there is nothing to say: the table above keeps its place
        return (said or Content(" ")).truncate(max(self.content_size.width, 1), ellipsis=True)


def told_in_full(error: ExplorerError) -> tuple[Content, ...]:
    """An error as lines: what happened, the particulars, and what to do."""
    return (
        Content.assemble(("! ", "bold $text-error"), (safe_line(error.title), "$text-error")),
        *((Content(safe_line(error.detail, 400)),) if error.detail else ()),
        *((Content.styled(safe_line(error.hint, 400), "bold"),) if error.hint else ()),
    )


def explain(error: ExplorerError) -> Content:
    """An error as a line: a mark, what happened, the particulars, and what to do."""
    line = Content.assemble(("! ", "bold $text-error"), (safe_line(error.title), "$text-error"))
    if error.detail:
        line += Content(f": {safe_line(error.detail)}")
    if error.hint:
        line += Content.styled(f" - {safe_line(error.hint)}", "bold")
    return line
