"""The Weights tab: what is in the checkpoint, as a tree of modules or a table of tensors."""

import asyncio
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Static

from explorer.inspection import Model
from explorer.safetext import safe_line
from explorer.ui.composed import is_composed
from explorer.ui.screens.choose import Choice, ChooseScreen
from explorer.ui.tensor_details import branch_details, tensor_details
from explorer.ui.tensor_rows import (
    TENSOR_COLUMNS,
    TREE_COLUMNS,
    Branch,
    Opened,
    TensorRows,
    TreeRows,
)
from explorer.ui.widgets.progress import progress
from explorer.ui.widgets.table import VirtualTable
from explorer.units import count, file_size
from explorer.weights.tensor_filter import parse_filter
from explorer.weights.tensor_table import TensorTable
from explorer.weights.tree import GROUPINGS, Grouping, Node, build

OPENED_BY_FILTER = 300
"""A filter that leaves this many tensors or fewer opens every module above them."""
NO_WEIGHTS = "this model has no weight files that can be read"

GROUPING_LABELS: dict[Grouping, str] = {
    "module": "module: the names' own tree",
    "layer": "layer",
    "dtype": "dtype",
    "file": "file",
    "component": "component: backbone, embeddings, vision …",
}


@dataclass(frozen=True, slots=True)
class View:
    """How the tensors are to be shown."""

    filter: str = ""
    by: Grouping = "module"
    tree: bool = True
    sort: str = ""
    """Column of the table; empty for file order."""
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """What one pass over the tensors gave for one view."""

    view: View
    table: TensorTable
    indices: tuple[int, ...]
    roots: tuple[Node, ...]


def arrange(table: TensorTable, view: View) -> Shown:
    """Filter, then group or sort. Runs in a thread: 150,000 tensors take a moment."""
    indices = parse_filter(view.filter).apply(table)
    if view.tree:
        return Shown(view, table, tuple(indices), build(table, view.by, indices))
    if view.sort:
        indices = table.ordered(indices, view.sort, descending=view.descending)
    return Shown(view, table, tuple(indices), ())


def grow(
    table: TensorTable, seen: frozenset[str], model: Model
) -> tuple[TensorTable, frozenset[str]]:
    """Add the tensors of the shards that arrived since; the work grows with those only."""
    came = [s.path for s in model.checkpoint.shards if s.header and s.path not in seen]
    if not came:
        return table, seen
    return table.plus(TensorTable.of(model.checkpoint, came)), seen | set(came)


class WeightsTab(Widget):
    """Fills as shards arrive; keeps what is open and where the cursor is."""

    DEFAULT_CSS = """
    WeightsTab { height: 1fr; }
    """
    HELP = """
    ## Weights

    Every tensor of the checkpoint, from the headers of its files. **Enter** opens a module;
    equal layers are folded into one line, `e` takes them apart.

    The filter takes words of the name, `*.experts.*`, `dtype:bf16`, `>100M`, `shape:4096x*`,
    `file:00001`, `is:vision`, and `!` before any of them.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash",
            "filter",
            "Filter",
            id="weights.filter",
            tooltip="Narrow by name, dtype, size, shape",
        ),
        Binding(
            "v",
            "view",
            "Tree/table",
            id="weights.view",
            tooltip="Modules, or every tensor in a table",
        ),
        Binding(
            "b",
            "group",
            "Group by",
            show=False,
            id="weights.group",
            tooltip="Module, layer, dtype, file or component",
        ),
        Binding(
            "right", "open(True)", "Open", show=False, id="weights.open", tooltip="Open the module"
        ),
        Binding(
            "left",
            "open(False)",
            "Close",
            show=False,
            id="weights.close",
            tooltip="Close the module",
        ),
        Binding(
            "e",
            "apart",
            "Each layer",
            show=False,
            id="weights.apart",
            tooltip="Show folded layers one by one",
        ),
        Binding(
            "y",
            "copy",
            "Copy name",
            show=False,
            id="weights.copy",
            tooltip="Copy the tensor's name",
        ),
    ]

    model: reactive[Model | None] = reactive(None)
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
        self._shown = Shown(View(), self._tensors, (), ())
        self._opened = Opened()
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
        """Another filter, grouping or order."""
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
        table, seen = self._tensors, self._seen
        try:
            while self._stale:
                self._stale = False
                model, view = self.model, self.view
                if model is not None:
                    table, seen = await asyncio.to_thread(grow, table, seen, model)
                    shown = await asyncio.to_thread(arrange, table, view)
                    self.post_message(self.Arranged(shown))
        finally:
            self._tensors, self._seen, self._arranging = table, seen, False

    @on(Arranged)
    def _show(self, message: Arranged) -> None:
        before, self._shown = self._shown, message.shown
        if before.view.tree != self._shown.view.tree:
            self.table.set_columns(TREE_COLUMNS if self._shown.view.tree else TENSOR_COLUMNS)
            self.table.restart()
        self._opened.forget_nodes()
        self._opened.open_first(self._shown.roots)
        self._show_rows()
        self.account.update(self._account())

    def _show_rows(self) -> None:
        shown = self._shown
        self.table.show_empty(self._nothing())
        self.table.sorted_by = (shown.view.sort, shown.view.descending)
        if shown.view.tree:
            filtered = bool(shown.view.filter) and len(shown.indices) <= OPENED_BY_FILTER
            self.table.rows = self._opened.flatten(shown.roots, everything=filtered)
        else:
            self.table.rows = TensorRows(shown.table, shown.indices)
        self._describe()  # the row under the cursor may have grown

    def _account(self) -> Content:
        """How much is shown, and how many files are still to come."""
        model, shown = self.model, self._shown
        if model is None:
            return Content("")
        pieces = []
        if model.shards_read < model.shards_total:
            pieces.append(progress(model.shards_read, model.shards_total))
        if shown.view.filter:
            pieces.append(Content(f"{len(shown.indices):,} of {len(shown.table.rows):,} tensors"))
        else:
            counts = model.checkpoint.counts
            pieces.append(Content(f"{counts.tensors:,} tensors"))
            pieces.append(Content(f"{count(counts.parameters)} parameters"))
            pieces.append(Content(file_size(counts.stored_bytes)))
        failed = sum(1 for shard in model.checkpoint.shards if shard.error is not None)
        if failed:
            files = "1 file" if failed == 1 else f"{failed} files"
            pieces.append(Content.styled(f"! {files} failed: R to retry", "$text-error"))
        return Content("  ·  ").join(pieces)

    def _nothing(self) -> str:
        if self._shown.table.rows:
            return f"no tensor matches “{self._shown.view.filter}”: esc clears the filter"
        if self.model is not None and self.model.shards_read >= self.model.shards_total:
            return (
                "no header of this model could be read" if self.model.shards_total else NO_WEIGHTS
            )
        return "reading headers …"

    # The line under the cursor

    @on(VirtualTable.Highlighted, "#tensors")
    def _describe(self) -> None:
        rows = self.table.rows
        if not len(rows):
            self.details.update(Content(""))
        elif isinstance(rows, TensorRows):
            self.details.update(tensor_details(rows.table.rows[rows.indices[self.table.cursor]]))
        elif isinstance(rows, TreeRows):
            branch = rows.branches[self.table.cursor]
            self.details.update(branch_details(branch.node, branch.path))

    @on(VirtualTable.Selected, "#tensors")
    def _toggle(self) -> None:
        branch = self._branch()
        if branch is not None and not branch.node.leaf:
            self._opened.toggle(branch.path)
            self._show_rows()

    @on(VirtualTable.HeaderClicked, "#tensors")
    def _sort(self, message: VirtualTable.HeaderClicked) -> None:
        view = self.view
        again = view.sort == message.column
        self.view = replace(
            view, sort=message.column, descending=not view.descending if again else True
        )

    def _branch(self) -> Branch | None:
        rows = self.table.rows
        return (
            rows.branches[self.table.cursor] if isinstance(rows, TreeRows) and len(rows) else None
        )

    # Actions

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#tensor-filter", Input).focus()

    @on(Input.Changed, "#tensor-filter")
    def _filter(self, event: Input.Changed) -> None:
        self.view = replace(self.view, filter=event.value.strip())

    @on(Input.Submitted, "#tensor-filter")
    def _to_rows(self) -> None:
        self.table.focus()

    def leave(self) -> bool:
        """Step back from the filter, then clear it; whether there was anything to step back from."""
        line = self.query_one("#tensor-filter", Input)
        if line.has_focus:
            self.table.focus()
            return True
        if line.value:
            line.value = ""
            return True
        return False

    def action_view(self) -> None:
        """Change between the tree and the table."""
        self.view = replace(self.view, tree=not self.view.tree)

    @work(group="choosing", exclusive=True)
    async def action_group(self) -> None:
        """Choose what the tree's first level is."""
        choices = [Choice(by, GROUPING_LABELS[by]) for by in GROUPINGS]
        answer = await self.app.push_screen_wait(ChooseScreen("Group by", choices, self.view.by))
        for by in GROUPINGS:
            if by == answer:
                self.view = replace(self.view, by=by, tree=True)

    def action_open(self, wanted: bool) -> None:
        """Open or close the branch under the cursor; closing a closed one goes to its parent."""
        branch = self._branch()
        if branch is None:
            return
        if branch.opened != wanted and not branch.node.leaf:
            self._opened.toggle(branch.path)
            self._show_rows()
        elif not wanted:
            parent = self.table.rows.find(branch.path[:-1])
            self.table.cursor = self.table.cursor if parent is None else parent

    def action_apart(self) -> None:
        """Show the layers of a folded line one by one, or folded again."""
        branch = self._branch()
        if branch is not None and branch.node.repeats > 1:
            self._opened.toggle_apart(branch.path)
            self._show_rows()

    def action_copy(self) -> None:
        """Copy the name under the cursor."""
        rows = self.table.rows
        if isinstance(rows, TensorRows) and len(rows):
            name = rows.table.rows[rows.indices[self.table.cursor]].name
        else:
            branch = self._branch()
            name = ".".join(branch.path) if branch else ""
        if name:
            self.app.copy_to_clipboard(safe_line(name))
            self.notify(safe_line(name), title="Copied", markup=False, timeout=2)
