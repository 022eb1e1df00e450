"""How far a listing has come: one frozen value, from the first page to the last."""

from dataclasses import dataclass, field, replace

from explorer.errors import ExplorerError
from explorer.fit.values import Verdict
from explorer.hub.source import Listing, Page, Query

FITS: dict[str, frozenset[Verdict]] = {
    "any": frozenset(Verdict),
    "fits": frozenset({Verdict.FITS, Verdict.TIGHT}),
    "runs": frozenset({Verdict.FITS, Verdict.TIGHT, Verdict.OFFLOAD}),
}
"""The choices of the fits filter: the verdicts each lets through."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What has been listed so far. Rows of an older search stay until the first page of a newer one."""

    query: Query = field(default_factory=Query)
    fits: str = "any"
    """Key of FITS: rows with another verdict are left out."""
    number: int = 0
    """Counts the searches, so that an answer to an older one is known for what it is."""
    rows: tuple[Listing, ...] = ()
    rows_number: int = -1
    """The search that ``rows`` answer."""
    looked_at: int = 0
    """Rows the source gave, shown or left out."""
    more: bool = False
    busy: bool = True
    age_seconds: float = 0.0
    error: ExplorerError | None = None

    @property
    def begun(self) -> bool:
        """At least one page of the present search is there."""
        return self.rows_number == self.number

    def search(self, query: Query, fits: str) -> "Listed":
        """A newer search begins."""
        return replace(
            self, query=query, fits=fits, number=self.number + 1, busy=True, more=False, error=None
        )

    def add(self, page: Page, kept: tuple[Listing, ...], wanted: int) -> "Listed":
        """A page of the present search came, of which ``kept`` passed the filter.

        Stays busy while fewer than ``wanted`` rows are there and more may come.
        """
        rows = self.rows + kept if self.begun else kept
        return replace(
            self,
            rows=rows,
            rows_number=self.number,
            looked_at=len(page.rows) + (self.looked_at if self.begun else 0),
            more=page.more,
            busy=page.more and len(rows) < wanted,
            age_seconds=page.age_seconds,
        )

    def fail(self, error: ExplorerError) -> "Listed":
        """The present search ended in an error; what it gave before stays."""
        return replace(self, busy=False, error=error)

    @property
    def license(self) -> str:
        """The license asked for; ``any`` without one."""
        tags = [
            tag.removeprefix("license:") for tag in self.query.tags if tag.startswith("license:")
        ]
        return tags[0] if tags else "any"

    @property
    def account(self) -> str:
        """How much is shown: ``120 models, more below``."""
        if not self.begun:
            return ""
        shown = f"{len(self.rows):,} model" + ("" if len(self.rows) == 1 else "s")
        if len(self.rows) != self.looked_at:
            shown += f" of {self.looked_at:,} looked at"
        return shown + (", more below" if self.more else "")

    @property
    def nothing(self) -> str:
        """What stands in place of the rows when there are none."""
        if self.error is not None:
            return "nothing could be listed"
        if self.busy or not self.begun:
            return "listing models …"
        if self.fits != "any":
            return "none of the models fits this machine: press f to show all, c for less context"
        words = f"“{self.query.text}”" if self.query.text else "these filters"
        return f"no model matches {words}: try fewer letters, or other filters"
