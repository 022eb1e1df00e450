"""What a table shows: any sequence of rows, made when they come into view."""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

from explorer.ui.widgets.columns import Cell

ItemT = TypeVar("ItemT")


class Rows(Protocol):
    """What a table shows. Rows are made when they come into view, so a sequence may be of any length."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def row(self, index: int) -> Sequence[Cell]:
        """Cells of a row, in the order of the table's columns."""
        ...

    def key(self, index: int) -> Hashable:
        """What the row is about; the cursor follows it when rows are appended or replaced."""
        ...

    def find(self, key: Hashable) -> int | None:
        """Where a key is now; None if it is gone."""
        ...


class ItemRows(Generic[ItemT]):
    """Rows over a sequence of values: how to show one, and what tells it from the others."""

    def __init__(
        self,
        items: Sequence[ItemT],
        cells: Callable[[ItemT], Sequence[Cell]],
        key: Callable[[ItemT], Hashable],
    ) -> None:
        self.items = items
        self._cells = cells
        self._key = key

    def __len__(self) -> int:
        return len(self.items)

    def row(self, index: int) -> Sequence[Cell]:
        """Cells of the item at an index."""
        return self._cells(self.items[index])

    def key(self, index: int) -> Hashable:
        """Key of the item at an index."""
        return self._key(self.items[index])

    def find(self, key: Hashable) -> int | None:
        """Index of the first item with a key."""
        return next((i for i, item in enumerate(self.items) if self._key(item) == key), None)


NO_ROWS: ItemRows[str] = ItemRows((), lambda text: (text,), lambda text: text)
