"""Two models held against each other as rows: what differs, folded by layer."""

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content

from explorer.inspection.model import Model
from explorer.inspection.structure import RoleTotal, Structure
from explorer.safetext import safe_line
from explorer.ui.text import many
from explorer.ui.verdicts import TONES
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.ui.widgets.rows import ItemRows
from explorer.units import count, file_size
from explorer.weights.difference import Change

DIFF_COLUMNS = (
    Column("how", "How", 10, sortable=False),
    Column("pattern", "Tensors", 24, flex=4, most=72, cut="middle", sortable=False),
    Column("tensors", "Number", 7, align="right", drop=3, sortable=False),
    Column("parameters", "Params", 7, align="right", sortable=False),
    Column("before", "Before", 16, flex=1, most=34, drop=2, sortable=False),
    Column("after", "After", 16, flex=1, most=34, drop=1, sortable=False),
)
ROLE_COLUMNS = (
    Column("role", "Purpose", 20, flex=2, most=40, sortable=False),
    Column("before", "Before", 16, align="right", sortable=False),
    Column("after", "After", 16, align="right", sortable=False),
    Column("difference", "Difference", 16, align="right", sortable=False),
)


class How(NamedTuple):
    """A way to differ: said by a glyph and a word, with a tone."""

    glyph: str
    word: str
    tone: str


ADDED, REMOVED = How("+", "added", "good"), How("−", "removed", "bad")
RESHAPED, RETYPED = How("↔", "reshaped", "warn"), How("≈", "retyped", "accent")


class Differing(NamedTuple):
    """One line of the differences."""

    how: How
    change: Change


def differing(found: Structure) -> tuple[Differing, ...]:
    """Every folded run, by how it differs."""
    difference = found.difference
    kinds = (
        (ADDED, difference.added),
        (REMOVED, difference.removed),
        (RESHAPED, difference.reshaped),
        (RETYPED, difference.retyped),
    )
    return tuple(Differing(how, change) for how, changes in kinds for change in changes)


def diff_rows(lines: Sequence[Differing]) -> ItemRows[Differing]:
    """The differences as rows of a table."""
    return ItemRows(lines, _cells, lambda line: (line.how.word, line.change.pattern))


def role_rows(roles: Sequence[RoleTotal]) -> ItemRows[RoleTotal]:
    """Parameters by purpose, where names cannot be compared."""
    return ItemRows(roles, _role_cells, lambda role: role.role)


def _cells(line: Differing) -> tuple[Cell, ...]:
    how, change = line
    return (
        Run(f"{how.glyph} {how.word}", how.tone),
        change.pattern,
        Run(f"{change.tensors:,}", "dim"),
        count(change.parameters) if change.parameters else Run("-", "dim"),
        change.before or Run("-", "dim"),
        change.after or Run("-", "dim"),
    )


def _role_cells(role: RoleTotal) -> tuple[Cell, ...]:
    more = role.after - role.before
    return (
        role.role,
        f"{role.before:,}",
        f"{role.after:,}",
        Run(f"{more:+,}", "warn") if more else Run("the same", "dim"),
    )


def side(label: str, name: str, model: Model | None, *, room: int) -> Content:
    """One of the two models in a line; its figures aligned with the other's."""
    line = Content.assemble(
        (f"{label:<7}", "$foreground-muted"), (f"{safe_line(name, room):<{room}}", "bold")
    )
    if model is None:
        return line
    counts = model.checkpoint.counts
    dtypes = " ".join(sorted(counts.by_dtype, key=lambda dtype: -counts.by_dtype[dtype])[:3])
    figures = f"{counts.tensors:>9,} tensors{count(counts.parameters):>9}"
    sizes = f"{file_size(counts.stored_bytes):>11}  {model.checkpoint.format} {dtypes}"
    part = ""
    if model.shards_read < model.shards_total:
        part = f"  {model.shards_read} of {model.shards_total} files read"
    return line + Content(f"{figures}{sizes}") + Content.styled(part, "$text-accent")


def summary(found: Structure) -> Content:
    """The answer in a line: what agrees, and how many tensors differ in which way."""
    difference = found.difference
    if not difference.comparable:
        same = "every purpose has as many parameters" if found.same else "parameters by purpose"
        return Content.assemble(
            ("a GGUF names its tensors in a way of its own: ", "$foreground-muted"), (same, "bold")
        )
    pieces = [Content(f"{many(difference.unchanged, 'tensor')} agree")]
    if found.same:
        pieces = [
            Content.styled(f"the same structure: {many(difference.unchanged, 'tensor')}", "bold")
        ]
    for how in (ADDED, REMOVED, RESHAPED, RETYPED):
        number = sum(line.change.tensors for line in differing(found) if line.how is how)
        if number:
            pieces.append(Content.styled(f"{how.glyph} {number:,} {how.word}", TONES[how.tone]))
    for renamed in difference.renamed[:1]:
        words = f"“{renamed.before}” is “{renamed.after}” in the second"
        pieces.append(Content.styled(safe_line(words), "$foreground-muted"))
    return Content("  ·  ").join(pieces)


def change_details(line: Differing) -> Content:
    """One run in full."""
    how, change = line
    moved = " → ".join(safe_line(text) for text in (change.before, change.after) if text)
    return Content("\n").join(
        [
            Content.styled(safe_line(change.pattern), "bold"),
            Content.assemble((f"{how.glyph} {how.word}", TONES[how.tone]), f"  {moved}"),
            Content.styled(
                f"{many(change.parameters, 'parameter')} in {many(change.tensors, 'tensor')}",
                "$foreground-muted",
            ),
        ]
    )
