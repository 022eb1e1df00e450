"""How far a listing has come: one frozen value, from the first page to the last."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from explorer.errors import ExplorerError
from explorer.hub.source import Listing
from explorer.ui.text import many

if TYPE_CHECKING:
    from explorer.inspection.searching import Account


@dataclass(frozen=True, slots=True)
class Listed:
    """What has been listed so far. Rows of an older search stay until the first page of a newer one."""

    words: str = ""
    """What is searched for, as it is typed."""
    number: int = 0
    """Counts the searches, so that an answer to an older one is known for what it is."""
    rows: tuple[Listing, ...] = ()
    rows_number: int = -1
    """The search that ``rows`` answer."""
    looked_at: int = 0
    """Rows the source gave, shown or left out."""
    unknown: int = 0
    """Of those left out: how many since something asked about them is not known."""
    order: tuple[str, bool] = ("", False)
    """Column that the loaded rows are ordered by, and whether descending; empty for the source's."""
    ordered: tuple[Listing, ...] = ()
    """The rows in that order, as many as have been put into it."""
    more: bool = False
    busy: bool = True
    stopped: bool = False
    """The person stopped the search; scrolling to its end goes on."""
    resumes_at: float | None = None
    """The hub asked to slow down: the moment, by the clock that never jumps, at which it goes on."""
    age_seconds: float = 0.0
    note: str = ""
    """What the source says of its listing, a sentence."""
    error: ExplorerError | None = None

    @property
    def begun(self) -> bool:
        """At least one page of the present search is there."""
        return self.rows_number == self.number

    def search(self, words: str) -> "Listed":
        """A newer search begins."""
        return replace(
            self,
            words=words,
            number=self.number + 1,
            busy=True,
            more=False,
            stopped=False,
            resumes_at=None,
            error=None,
        )

    def add(self, came: tuple[Listing, ...], account: "Account", wanted: int) -> "Listed":
        """A page of the present search came, of which ``came`` passed the filters.

        Stays busy while fewer than ``wanted`` rows are there and more may come.
        """
        rows = self.rows + came if self.begun else came
        return replace(
            self,
            rows=rows,
            rows_number=self.number,
            looked_at=account.looked_at,
            unknown=account.unknown,
            more=account.more,
            busy=account.more and len(rows) < wanted and not self.stopped,
            resumes_at=None,
            age_seconds=account.age_seconds,
            note=account.note,
        )

    def ordered_by(self, column: str) -> "Listed":
        """The loaded rows in the order of a column; the other way round the second time."""
        known, descending = self.order
        downwards = (
            not descending if known == column else column not in {"model", "license", "task"}
        )
        return replace(self, order=(column, downwards if column else False), ordered=())

    def arranged(self, rows: tuple[Listing, ...]) -> "Listed":
        """The rows stand in the order that was asked for."""
        return replace(self, ordered=rows)

    @property
    def shown(self) -> tuple[Listing, ...]:
        """The rows as they are to be shown."""
        return self.ordered if self.order[0] and self.ordered else self.rows

    def wait(self, resumes_at: float) -> "Listed":
        """The hub asked to slow down; everything stays."""
        return replace(self, resumes_at=resumes_at)

    def stop(self) -> "Listed":
        """The person has seen enough for now."""
        return replace(self, stopped=True, busy=False)

    def go_on(self) -> "Listed":
        """More rows are wanted."""
        return replace(self, stopped=False, busy=True)

    def fail(self, error: ExplorerError) -> "Listed":
        """The present search ended in an error; what it gave before stays."""
        return replace(self, busy=False, resumes_at=None, error=error)

    @property
    def account(self) -> str:
        """How much is shown: ``120 models, more below``."""
        if not self.begun:
            return ""
        shown = many(len(self.rows), "model")
        if len(self.rows) != self.looked_at:
            shown += f" of {self.looked_at:,} looked at"
        if self.unknown:
            shown += f", {self.unknown:,} not known"
        if self.order[0]:
            shown += ", ordered as far as they are loaded"
        if self.stopped and self.more:
            return shown + ", stopped: . goes on"
        if self.note:
            return f"{shown}. {self.note}"
        return shown + (", more below" if self.more else "")

    @property
    def nothing(self) -> str:
        """What stands in place of the rows when there are none."""
        if self.error is not None:
            return "nothing could be listed: r tries again, S lists from elsewhere"
        if self.stopped:
            return f"none of {self.looked_at:,} passed so far: . looks on, esc clears the filters"
        if self.busy or not self.begun:
            return "listing models …"
        if not self.words:
            return "no models here: S lists from elsewhere"
        return f"no model matches “{self.words}”: fewer words, or esc to clear them"
