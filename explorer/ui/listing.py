"""The listing as a table: its columns, and how one judged row looks."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from explorer.fit.values import Answer
from explorer.hub.source import Listing
from explorer.inspection.watching import changes_of
from explorer.ui.text import fit_end
from explorer.ui.verdicts import LOOKS
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.units import age, count, file_size, memory, speed, tokens
from explorer.userfile import Remembered

if TYPE_CHECKING:
    from explorer.inspection.rows import Row

COLUMNS = (
    Column("model", "Model", 27, flex=4, most=60, cut="first"),
    Column("params", "Params", 6, align="right", drop=1),
    Column("active", "Active", 6, align="right", drop=5),
    Column("context", "Context", 7, align="right", drop=4),
    Column("license", "License", 10, drop=3, flex=1, most=18),
    Column("best", "Best here", 19),
    Column("speed", "Speed", 7, align="right", drop=2),
    Column("downloads", "Downloads", 9, align="right", drop=6),
    Column("updated", "Updated", 7, align="right", drop=7),
    Column("task", "Task", 18, drop=8, flex=1, most=28),
)
CREATED_COLUMNS = tuple(
    replace(column, key="created", label="Created") if column.key == "updated" else column
    for column in COLUMNS
)
"""For a source that knows of no model when it was updated."""
LOCAL_COLUMNS = tuple(
    replace(column, key="size", label="On disk") if column.key == "downloads" else column
    for column in COLUMNS
)
"""For models on disk, which nobody counts the downloads of."""
HUB_SORTS = frozenset({"downloads", "updated", "created"})
"""Columns that hubs sort by."""
DENSE_SHARE = 0.75
"""Of its parameters that a token passes through in a model without experts, embeddings aside."""
STAR, STAR_NEW = "★", "★ new"
Look: TypeAlias = "Callable[[Listing], Row | None]"
"""Gives the judged row of a model, or None while there is no verdict."""


class JudgedRows:
    """Listed models; looking at one asks for its verdict."""

    def __init__(
        self,
        listings: Sequence[Listing],
        look: Look,
        now: datetime,
        star: Callable[[Listing], str] = lambda _: "",
    ) -> None:
        self.listings = listings
        self._look = look
        self._star = star
        self._now = now
        self._dated = is_dated(listings)

    def __len__(self) -> int:
        return len(self.listings)

    def row(self, index: int) -> Sequence[Cell]:
        """Cells of one model; without a verdict what depends on it is left open."""
        listing = self.listings[index]
        here = cells(listing, self._look(listing), self._now, dated=self._dated)
        star = self._star(listing)
        return here if not star else ((*name(listing.id), Run(f" {star}", "accent")), *here[1:])

    def key(self, index: int) -> Hashable:
        """The model's id."""
        return self.listings[index].id

    def find(self, key: Hashable) -> int | None:
        """Where a model is listed."""
        return next((i for i, listing in enumerate(self.listings) if listing.id == key), None)


def star(listing: Listing, remembered: Remembered) -> str:
    """``★`` on a watched model, ``★ new`` if it has changed since it was looked at."""
    if listing.id not in remembered.watched:
        return ""
    seen = remembered.seen.get(listing.id)
    return STAR_NEW if seen is not None and changes_of(listing, seen).worth_a_look else STAR


def popularity(listing: Listing) -> str:
    """Downloads; of a model on disk, which has none, what it takes there."""
    if listing.downloads is None and listing.size_bytes is not None:
        return file_size(listing.size_bytes)
    return count(listing.downloads)


def cells(
    listing: Listing, row: "Row | None", now: datetime, *, dated: bool = True
) -> tuple[Cell, ...]:
    """One model, in the order of COLUMNS. Before it is judged, what the hub says stands alone."""
    figures: tuple[Cell, ...] = (quiet(count(listing.parameters)), "", "", listing.license or "?")
    here: tuple[Cell, Cell] = (Run("…", "dim"), "")
    if row is not None:
        figures = (
            quiet(count(row.parameters)),
            active(row),
            own_context(row),
            quiet(row.license or "?"),
        )
        here = (best_here(row.answer, estimated=row.estimated), quick(row.answer))
    return (
        name(listing.id),
        *figures,
        *here,
        quiet(popularity(listing)),
        quiet(age(listing.updated if dated else listing.created, now)),
        Run(listing.task or "", "dim"),
    )


def columns_for(listings: Sequence[Listing]) -> tuple[Column, ...]:
    """The columns that are true for these rows: what a source never says has no heading."""
    counted = any(listing.downloads is not None for listing in listings)
    if not counted and any(listing.size_bytes is not None for listing in listings):
        return LOCAL_COLUMNS
    return COLUMNS if is_dated(listings) or not listings else CREATED_COLUMNS


def is_dated(listings: Sequence[Listing]) -> bool:
    """Whether the source knows when models were updated, rather than created alone."""
    return any(listing.updated is not None for listing in listings)


def name(model_id: str) -> tuple[Run, ...]:
    """The publisher quiet, the model plain."""
    author, slash, rest = model_id.rpartition("/")
    return (Run(author + slash, "dim"), Run(rest))


def active(row: "Row") -> Cell:
    """Active parameters; a dense model, which uses all it has, does not draw the eye."""
    text = count(row.active)
    if row.active is None or row.parameters is None:
        return quiet(text)
    return Run(text, "dim") if row.active > DENSE_SHARE * row.parameters else text


def own_context(row: "Row") -> Cell:
    """The model's own context; ``!`` where a longer one was asked for."""
    text = tokens(row.context_tokens)
    if row.answer is not None and row.answer.is_beyond_limit:
        return Run(f"{text}!", "warn")
    return quiet(text)


def quiet(text: str) -> Cell:
    """An unknown figure steps back."""
    return Run(text, "dim") if text == "?" else text


def best_here(answer: Answer | None, *, estimated: bool) -> Cell:
    """Glyph, quantization and memory; ``≈`` where the size was not read from headers."""
    if answer is None:
        return Run("?  not known", "dim")
    look = LOOKS[answer.verdict]
    size = ("≈" if estimated else "") + memory(answer.needed.total)
    quantization = short(answer.scenario.quantization or "")
    return (
        Run(f"{look.glyph} ", look.tone),
        Run(f"{quantization} ", look.tone),
        Run(f"{size:>9}"),
    )


def short(quantization: str) -> str:
    """A quantization in exactly seven cells: ``MXFP4`` of ``MXFP4, groups of 32``, ``AWQ 4b``."""
    return fit_end(quantization.split(",", maxsplit=1)[0].replace("-bit", "b"), 7)


def quick(answer: Answer | None) -> Cell:
    """Tokens a second to expect, where there is a basis for a figure."""
    decode = answer.speed.decode if answer else None
    return speed(decode.expected) if decode else Run("?", "dim")
