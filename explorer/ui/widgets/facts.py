"""Labels with their values, and the reasons behind a number."""

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from explorer.fit.values import Reason
from explorer.safetext import safe_line

MOST_NARROW = 16
"""Cells a value gets even where there is no room: the rest is cut."""


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
                lines.append(Content.assemble((f"{label:<{labels}}", "$text-muted"), part))
        return Content("\n").join(lines)


class Reasons(Widget):
    """Why numbers are what they are: value, formula, inputs, source."""

    DEFAULT_CSS = """
    Reasons { height: auto; width: 1fr; }
    """

    reasons: reactive[tuple[Reason, ...]] = reactive((), layout=True)
    assumptions: reactive[tuple[str, ...]] = reactive((), layout=True)

    def render(self) -> Content:
        """A short paragraph for each number, then what was assumed."""
        blocks = [_explain(reason) for reason in self.reasons]
        if self.assumptions:
            blocks.append(_assumed(self.assumptions))
        return Content("\n\n").join(
            blocks or [Content.styled("no reasons were given", "$text-muted")]
        )


def _explain(reason: Reason) -> Content:
    lines = [
        Content.assemble(
            (safe_line(reason.name), "bold"), "  ", (safe_line(reason.value), "bold $text-accent")
        )
    ]
    lines += [Content(f"  = {safe_line(reason.formula)}")] if reason.formula else []
    lines += [Content(f"  = {safe_line(reason.inputs)}")] if reason.inputs else []
    lines += (
        [Content.styled(f"  {safe_line(reason.source)}", "$text-muted")] if reason.source else []
    )
    return Content("\n").join(lines)


def _assumed(assumptions: Sequence[str]) -> Content:
    lines = [Content.styled("Assumed", "bold")]
    lines += [
        Content.styled(f"  {safe_line(sentence)}", "$text-warning") for sentence in assumptions
    ]
    return Content("\n").join(lines)
