"""Models side by side as one frozen sheet: what is known of each so far, and where they differ most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.fit.values import Answer
from explorer.hub.source import ModelRef
from explorer.inspection.comparing import Comparison, Line
from explorer.ui.verdicts import LOOKS

PENDING = "…"
GROUPS = (
    ("parameters", "active", "context", "license", "architecture"),
    ("best here", "engine", "verdict", "memory", "weights", "KV cache"),
    ("most context", "decode", "prefill"),
)
"""The properties in the order they are shown, a blank line between the groups."""
BAR_BELOW = "memory"
"""The property that the memory bar stands under."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One property of one model."""

    text: str
    tone: str = ""
    best: bool = False
    """Clearly better than the others at it."""


@dataclass(frozen=True, slots=True)
class Property:
    """One line of the sheet."""

    name: str
    entries: tuple[Entry, ...]
    ratio: str = ""
    """The largest over the smallest, where that says something."""
    marked: bool = False
    """One of the largest differences."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything the screen shows."""

    names: tuple[str, ...] = ()
    groups: tuple[tuple[Property, ...], ...] = ()
    answers: tuple[Answer | None, ...] = ()
    """Of each model, for its memory bar."""
    problems: tuple[str, ...] = ()
    """Of each model why it, or a part of it, is missing; empty where nothing is."""


def sheet(
    refs: Sequence[ModelRef],
    comparison: Comparison | None,
    judged: Sequence[ModelRef],
    problems: Mapping[ModelRef, str],
) -> Sheet:
    """The sheet of the models in ``refs``; ``judged`` are those the comparison holds, in its order."""
    places = tuple(judged.index(ref) if ref in judged else None for ref in refs)
    lines = {line.name: line for line in comparison.lines} if comparison else {}
    answers = tuple(
        comparison.models[place].answer if comparison and place is not None else None
        for place in places
    )
    own = [
        comparison.models[place].problem if comparison and place is not None else ""
        for place in places
    ]
    said = tuple(problems.get(ref) or problem for ref, problem in zip(refs, own, strict=True))
    waiting = tuple("?" if problem else PENDING for problem in said)
    return Sheet(
        tuple(ref.id for ref in refs),
        tuple(
            tuple(_property(name, lines.get(name), places, answers, waiting) for name in group)
            for group in GROUPS
        ),
        answers,
        said,
    )


def _property(
    name: str,
    line: Line | None,
    places: Sequence[int | None],
    answers: Sequence[Answer | None],
    waiting: Sequence[str],
) -> Property:
    entries = []
    for place, answer, text in zip(places, answers, waiting, strict=True):
        if line is None or place is None:
            entries.append(Entry(text, "dim"))
            continue
        cell = line.cells[place]
        tone = "dim" if cell == "?" else ""
        if answer is not None and name in {"best here", "verdict"}:
            look = LOOKS[answer.verdict]
            cell = f"{look.glyph} {cell}" if name == "best here" else look.word
            tone = look.tone
        entries.append(Entry(cell, tone, best=line.best == place))
    ratio = line.ratio if line is not None else None
    return Property(
        name,
        tuple(entries),
        f"×{ratio:.1f}" if ratio is not None and ratio >= 1.05 else "",
        marked=line is not None and line.marked,
    )
