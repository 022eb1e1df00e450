"""The watch list as a table: what each model is like now, and what changed since it was looked at."""

from collections.abc import Hashable, Sequence
from datetime import datetime

from explorer.inspection.watching import Watched, quantizations_of
from explorer.ui.listing import name, quiet
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.units import age, count

COLUMNS = (
    Column("model", "Model", 22, flex=2, most=60, cut="first", sortable=False),
    Column("changes", "Since you looked", 30, flex=6, most=64, sortable=False),
    Column("looked", "Looked", 7, align="right", drop=3, sortable=False),
    Column("updated", "Updated", 8, align="right", drop=1, sortable=False),
    Column("quantizations", "Quants", 7, align="right", drop=4, sortable=False),
    Column("downloads", "Downloads", 10, align="right", drop=2, sortable=False),
)


class WatchedRows:
    """The rows as a table shows them."""

    def __init__(self, models: Sequence[Watched], now: datetime) -> None:
        self.models = models
        self._now = now

    def __len__(self) -> int:
        return len(self.models)

    def row(self, index: int) -> Sequence[Cell]:
        """Cells of one model."""
        return cells(self.models[index], self._now)

    def key(self, index: int) -> Hashable:
        """The model's id."""
        return self.models[index].id

    def find(self, key: Hashable) -> int | None:
        """Where a model is."""
        return next((i for i, one in enumerate(self.models) if one.id == key), None)


def cells(one: Watched, now: datetime) -> tuple[Cell, ...]:
    """One model, in the order of COLUMNS."""
    listing = one.listing
    looked = age(one.seen.at, now) if one.seen else "never"
    if listing is None:
        said = Run(f"! {one.error.title}", "bad") if one.error else Run("asking …", "dim")
        return (name(one.id), said, quiet(looked), "", "", "")
    number = quantizations_of(listing)
    return (
        name(one.id),
        changed(one),
        quiet(looked),
        quiet(age(listing.updated, now)),
        quiet("?" if number is None else f"{number:,}"),
        quiet(count(listing.downloads)),
    )


def changed(one: Watched) -> Run:
    """What changed, in words."""
    return Run(one.account, "accent" if one.changes.worth_a_look else "dim")
