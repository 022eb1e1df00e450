"""Verdicts of listed models, made in a thread for the rows that are looked at."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from textual.cache import LRUCache

from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing

if TYPE_CHECKING:
    from explorer.inspection.rows import Row

JUDGED = 4096
"""Verdicts that are remembered; other rows are judged again when they come into view."""
DESCRIBED = 1 << 17
"""Rows that need not be described again, so that a long listing is put in order at once."""
WAITING = 256
"""Rows that may wait; of more, those seen longest ago are dropped."""
AT_ONCE = 12
"""Rows judged in one go, so that the first verdicts show early."""


class Verdicts:
    """What has been judged for one machine and scenario, and what waits to be."""

    def __init__(self) -> None:
        self._described: dict[str, Row] = {}
        self._judged: LRUCache[str, Row] = LRUCache(JUDGED)
        self._waiting: dict[str, Listing] = {}

    def forget_verdicts(self) -> None:
        """The machine or the scenario changed; what a model is made of did not."""
        self._judged.clear()
        self._waiting.clear()

    def row(self, listing: Listing) -> "Row | None":
        """The judged row, or None if it has to be judged first; then it waits for that."""
        row = self._judged.get(listing.id)
        if row is None:
            self._waiting.pop(listing.id, None)
            self._waiting[listing.id] = listing
            if len(self._waiting) > WAITING:
                del self._waiting[next(iter(self._waiting))]
        return row

    @property
    def is_waited_for(self) -> bool:
        """Some rows wait to be judged."""
        return bool(self._waiting)

    def take(self) -> "tuple[Row | Listing, ...]":
        """The next rows to judge, in the order they were seen; described before where they were."""
        taken = [self._waiting.pop(key) for key in list(self._waiting)[:AT_ONCE]]
        return tuple(self._described.get(listing.id) or listing for listing in taken)

    def add(self, rows: "Iterable[Row]") -> None:
        """Remember rows that were described, with their verdicts if they have been judged."""
        for row in rows:
            self._put(row, judged=row.answer is not None)

    def add_judged(self, rows: "Sequence[Row]") -> None:
        """Remember rows for which there is nothing more to judge.

        What was refined meanwhile is not put back to what was estimated.
        """
        for row in rows:
            known = self._described.get(row.listing.id)
            if known is None or known.estimated or not row.estimated:
                self._put(row, judged=True)

    def add_described(self, rows: "Iterable[Row]") -> None:
        """Remember rows that were described elsewhere, unless more is known of them."""
        for row in rows:
            if row.listing.id not in self._described:
                self._put(row, judged=False)

    def _put(self, row: "Row", *, judged: bool) -> None:
        """Keep a row in the place of an older one."""
        self._described.pop(row.listing.id, None)
        self._described[row.listing.id] = row
        if len(self._described) > DESCRIBED:
            del self._described[next(iter(self._described))]
        if judged:
            self._judged.discard(row.listing.id)
            self._judged[row.listing.id] = row

    def known(self, listings: "Sequence[Listing]") -> "list[Row | Listing]":
        """The judged rows, or what is known of them, in the same order."""
        return [self._judged.get(one.id) or self._described.get(one.id) or one for one in listings]


def order(
    rows: "Sequence[Row | Listing]",
    machine: Machine | None,
    scenario: Scenario,
    column: str,
    descending: bool,
) -> "list[Row]":
    """Rows in the order of a column, judged first where they are not. Runs in a thread."""
    from explorer.inspection.ordering import order_rows
    from explorer.inspection.rows import describe

    described = [describe(row) if isinstance(row, Listing) else row for row in rows]
    if machine is not None and column in {"best", "speed"}:
        described = [
            row if row.answer is not None else judge((row,), machine, scenario)[0]
            for row in described
        ]
    return order_rows(described, column, descending=descending)


def judge(
    rows: "Sequence[Row | Listing]", machine: Machine, scenario: Scenario
) -> "tuple[Row, ...]":
    """Rows judged for a machine. Takes a millisecond or two a row, so it is done in a thread.

    The judgements are imported here, since they are large and the first frame does without them.
    """
    from explorer.inspection.rows import describe, judge_again

    described = (describe(row) if isinstance(row, Listing) else row for row in rows)
    return tuple(judge_again(row, machine, scenario) for row in described)
