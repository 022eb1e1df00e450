"""The Weights tab: what is in the checkpoint, as a tree, a table, a picture of bytes, or its metadata."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive, var
from textual.widget import Widget
from textual.widgets import Input, Static

from explorer.inspection.model import Model
from explorer.safetext import safe_line
from explorer.ui.byte_rows import BYTE_COLUMNS, ByteRows, band_details
from explorer.ui.composed import is_composed
from explorer.ui.metadata_rows import METADATA_COLUMNS, entry_details, metadata_rows
from explorer.ui.screens.choose import Choice, ChooseScreen
from explorer.ui.screens.export import ExportScreen
from explorer.ui.tensor_account import account, nothing
from explorer.ui.tensor_details import branch_details, tensor_details
from explorer.ui.tensor_keys import WEIGHTS_KEYS
from explorer.ui.tensor_rows import (
    TENSOR_COLUMNS,
    TREE_COLUMNS,
    Branch,
    Opened,
    TensorRows,
    TreeRows,
)
from explorer.ui.tensor_view import GROUPING_LABELS, Mode, Shown, View, arrange, grow
from explorer.ui.widgets.columns import Column
from explorer.ui.widgets.rows import Rows
from explorer.ui.widgets.table import VirtualTable
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tree import GROUPINGS

COLUMNS: dict[Mode, Sequence[Column]] = {
    "tree": TREE_COLUMNS,
    "table": TENSOR_COLUMNS,
    "bytes": BYTE_COLUMNS,
    "metadata": METADATA_COLUMNS,
}


class WeightsTab(Widget):
    """Fills as shards arrive; keeps what is open and where the cursor is."""

    DEFAULT_CSS = """
    WeightsTab { height: 1fr; }
    """
    HELP = """
    ## Weights

    Every tensor of the checkpoint, from the headers of its files. **Enter** opens a module;
    equal layers are folded into one line, `e` takes them apart. `v` changes between the tree and
    a table, `p` draws where the bytes are, `i` lists the files' metadata, `x` writes what is shown
    to a file.

    The filter takes words of the name, `*.experts.*`, `dtype:bf16`, `>100M`, `shape:4096x*`,
    `file:00001`, `is:vision`, and `!` before any of them.
    """
    BINDINGS: ClassVar[list[BindingType]] = WEIGHTS_KEYS

    model: var[Model | None] = var(None)
    view: reactive[View] = reactive(View, init=False)

    table = query_one("#tensors", VirtualTable)
    details = query_one("#tensor-details", Static)
    account = query_one("#tensor-account", Static)

    @dataclass
    class Arranged(Message):
        """The tensors that have arrived stand in the order of a view."""

        shown: Shown

    def __init__(self) -> None:
        super().__init__()
        self._tensors = TensorTable()
        self._seen: frozenset[str] = frozenset()
        self._shown = Shown(View(), self._tensors)
        self._asked = asyncio.Event()
        self._stale = False
        self._arranging = False

    def compose(self) -> ComposeResult:
        """Filter and account, the tensors, details of the one under the cursor."""
        with Horizontal(id="tensor-query"):
            yield Input(
                placeholder="press / to filter: name, *.glob.*, dtype:bf16, >100M, shape:4096x*",
                id="tensor-filter",
                compact=True,
                max_length=400,
            )
            yield Static(Content(""), id="tensor-account")
        yield VirtualTable(TREE_COLUMNS, empty="reading headers …", widget_id="tensors")
        yield Static(Content(""), id="tensor-details")

    # Growing and arranging

    def watch_model(self) -> None:
        """Another shard is there."""
        self._arrange_again()

    def watch_view(self) -> None:
        """Another filter, grouping or order: that does not wait for its turn."""
        self._asked.set()
        self._arrange_again()

    def _arrange_again(self) -> None:
        """Mark what is shown as stale; one worker at a time brings it up to date."""
        self._stale = True
        if is_composed(self) and not self._arranging:
            self._arranging = True
            self._arrange()

    def on_mount(self) -> None:
        """Show what has arrived before."""
        if self._stale:
            self._arrange_again()

    @work(group="tensors", exit_on_error=False)
    async def _arrange(self) -> None:
        table, seen, shown = self._tensors, self._seen, self._shown
        try:
            while self._stale:
                self._stale = False
                model, view = self.model, self.view
                if model is not None:
                    began = monotonic()
                    table, seen = await asyncio.to_thread(grow, table, seen, model)
                    shown = await asyncio.to_thread(arrange, model, table, view, shown)
                    self.post_message(self.Arranged(shown))
                    if model.shards_read < model.shards_total:
                        await self._rest(monotonic() - began)
        finally:
            self._tensors, self._seen, self._arranging = table, seen, False

    async def _rest(self, seconds: float) -> None:
        """While shards arrive, leave the interpreter to them and the screen for as long as a pass took.

        What the person asks for in between comes at once.
        """
        self._asked.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)

    @on(Arranged)
    def _show(self, message: Arranged) -> None:
        before, self._shown = self._shown, message.shown
        mode = self._shown.view.mode
        if before.view.mode != mode:
            self.table.set_columns(COLUMNS[mode])
            self.table.restart()
        shown = self._shown
        self.table.show_empty(nothing(self.model, shown))
        self.table.sorted_by = (shown.view.sort if mode == "table" else "", shown.view.descending)
        self.table.rows = self._rows()
        self._describe()  # the row under the cursor may have grown
        if self.model is not None:
            self.account.update(account(self.model, shown))

    def _rows(self) -> Rows:
        shown = self._shown
        if shown.view.mode == "bytes":
            return ByteRows(shown.bytes, self._bar_cells)
        if shown.view.mode == "metadata":
            return metadata_rows(shown.entries)
        return shown.lines or TensorRows(shown.table, shown.indices)

    def _bar_cells(self) -> int:
        """Cells that the bars of the picture have now."""
        return next((place.width for place in self.table.placed if place.column.key == "bar"), 0)

    # The line under the cursor

    @on(VirtualTable.Highlighted, "#tensors")
    def _describe(self) -> None:
        rows, shown = self.table.rows, self._shown
        at = self.table.cursor
        described = Content("")
        if not len(rows):
            pass
        elif isinstance(rows, TensorRows):
            described = tensor_details(rows.table.rows[rows.indices[at]])
        elif isinstance(rows, TreeRows):
            described = branch_details(rows.branches[at].node, rows.branches[at].path)
        elif shown.view.mode == "bytes":
            described = band_details(shown.bytes.bands[at], shown.bytes)
        elif shown.view.mode == "metadata":
            described = entry_details(shown.entries[at])
        self.details.update(described, layout=False)

    @on(VirtualTable.Selected, "#tensors")
    def _toggle(self) -> None:
        branch = self._branch()
        if branch is not None and not branch.node.leaf:
            self.view = replace(self.view, opened=self._opened.toggle(branch.path))

    @property
    def _opened(self) -> Opened:
        """What is open, or will be as soon as it is arranged."""
        return self.view.opened if self.view.opened.chosen else self._shown.opened

    @on(VirtualTable.HeaderClicked, "#tensors")
    def _sort_by(self, message: VirtualTable.HeaderClicked) -> None:
        self._sort(message.column)

    def _sort(self, column: str) -> None:
        view = self.view
        again = view.sort == column and view.mode == "table"
        self.view = replace(
            view,
            mode="table",
            sort=column,
            descending=not view.descending if again else column in {"parameters", "size_bytes"},
        )

    def _branch(self) -> Branch | None:
        rows = self.table.rows
        return (
            rows.branches[self.table.cursor] if isinstance(rows, TreeRows) and len(rows) else None
        )

    # Actions

    def action_filter(self) -> None:
        """Type a filter."""
        line = self.query_one("#tensor-filter", Input)
        self.screen.set_focus(line)  # at once: the next key may be a letter already

    @on(Input.Changed, "#tensor-filter")
    def _filter(self, event: Input.Changed) -> None:
        self.view = replace(self.view, filter=event.value.strip())

    @on(Input.Submitted, "#tensor-filter")
    def _to_rows(self) -> None:
        self.table.focus()

    def leave(self) -> bool:
        """Step back: from the filter, then clear it, then to the tree; whether there was such a step."""
        line = self.query_one("#tensor-filter", Input)
        if line.has_focus:
            self.table.focus()
        elif line.value:
            line.value = ""
        elif not self.view.mode.startswith("t"):
            self.view = replace(self.view, mode="tree")
        else:
            return False
        return True

    def action_view(self) -> None:
        """Change between the tree and the table."""
        self.view = replace(self.view, mode="table" if self.view.mode == "tree" else "tree")

    def action_show(self, mode: Mode) -> None:
        """Show the picture or the metadata; a second time goes back to the tree."""
        self.view = replace(self.view, mode="tree" if self.view.mode == mode else mode)

    @work(group="choosing", exclusive=True)
    async def action_sort(self) -> None:
        """Choose the column that the table is in the order of."""
        choices = [Choice(column.key, column.label) for column in TENSOR_COLUMNS if column.sortable]
        choices.insert(0, Choice("", "the order of the files"))
        answer = await self.app.push_screen_wait(ChooseScreen("Sort by", choices, self.view.sort))
        if answer is not None:
            self._sort(answer)

    @work(group="choosing", exclusive=True)
    async def action_group(self) -> None:
        """Choose what the tree's first level is."""
        choices = [Choice(by, GROUPING_LABELS[by]) for by in GROUPINGS]
        answer = await self.app.push_screen_wait(ChooseScreen("Group by", choices, self.view.by))
        for by in GROUPINGS:
            if by == answer:
                self.view = replace(self.view, by=by, mode="tree")

    def action_open(self, wanted: bool) -> None:
        """Open or close the branch under the cursor; closing a closed one goes to its parent."""
        branch = self._branch()
        if branch is None:
            return
        if branch.opened != wanted and not branch.node.leaf:
            self.view = replace(self.view, opened=self._opened.toggle(branch.path))
        elif not wanted:
            parent = self.table.rows.find(branch.path[:-1])
            self.table.cursor = self.table.cursor if parent is None else parent

    def action_apart(self) -> None:
        """Show the layers of a folded line one by one, or folded again."""
        branch = self._branch()
        if self.view.mode == "bytes":
            self.view = replace(self.view, apart=not self.view.apart)
        elif branch is not None and branch.node.repeats > 1:
            self.view = replace(self.view, opened=self._opened.toggle_apart(branch.path))

    def action_copy(self) -> None:
        """Copy the name under the cursor."""
        name = self._name_here()
        if name:
            self.app.copy_to_clipboard(safe_line(name))
            self.notify(safe_line(name), title="Copied", markup=False, timeout=2)

    def _name_here(self) -> str:
        rows, shown, at = self.table.rows, self._shown, self.table.cursor
        if not len(rows):
            return ""
        if isinstance(rows, TensorRows):
            return rows.table.rows[rows.indices[at]].name
        if shown.view.mode == "bytes":
            return shown.bytes.bands[at].name
        if shown.view.mode == "metadata":
            return shown.entries[at].value
        branch = self._branch()
        return ".".join(branch.path) if branch else ""

    def action_export(self) -> None:
        """Ask for a file to write the tensors to that the filter left."""
        shown = self._shown
        if self.model is None or not shown.indices:
            return
        rows = [shown.table.rows[index] for index in shown.indices]
        self.app.push_screen(ExportScreen(rows, self.model.id.rpartition("/")[2]))
