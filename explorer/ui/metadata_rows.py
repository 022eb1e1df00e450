"""Metadata of the weight files as rows of a table."""

from collections.abc import Sequence

from textual.content import Content

from explorer.safetext import safe_line
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.ui.widgets.rows import ItemRows
from explorer.weights.metadata_entries import Entry

METADATA_COLUMNS = (
    Column("key", "Key", 24, flex=2, most=56, cut="middle", sortable=False),
    Column("value", "Value", 20, flex=3, sortable=False),
    Column("type", "Type", 6, drop=1, sortable=False),
    Column("files", "Files", 6, align="right", drop=2, sortable=False),
)
MOST_SHOWN = 2_000
"""Characters of a value that are shown; a chat template may have more."""


def metadata_rows(entries: Sequence[Entry]) -> ItemRows[Entry]:
    """Keys with their values."""
    return ItemRows(entries, _cells, lambda entry: (entry.key, entry.paths[0]))


def _cells(entry: Entry) -> tuple[Cell, ...]:
    return (
        entry.key,
        entry.value[:MOST_SHOWN],
        Run(entry.type, "dim"),
        Run(f"{len(entry.paths):,}", "dim"),
    )


def entry_details(entry: Entry) -> Content:
    """A key, as much of its value as has room, and who says so."""
    first = safe_line(entry.paths[0])
    others = f" and {len(entry.paths) - 1:,} more" if len(entry.paths) > 1 else ""
    return Content("\n").join(
        [
            Content.styled(safe_line(entry.key), "bold"),
            Content(safe_line(entry.value[:MOST_SHOWN], MOST_SHOWN)),
            Content.styled(f"{first}{others}", "$foreground-muted"),
        ]
    )
