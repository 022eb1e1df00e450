"""The Files tab: everything in the repository, with sizes, and what is part of the model."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.getters import query_one
from textual.reactive import reactive, var
from textual.widget import Widget
from textual.widgets import Static

from explorer.hub.source import RepoFile
from explorer.hub.twins import twin_lines
from explorer.inspection.model import Model
from explorer.safetext import safe_line
from explorer.ui.composed import is_composed
from explorer.ui.text import many
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.ui.widgets.rows import ItemRows
from explorer.ui.widgets.table import VirtualTable
from explorer.units import file_size

COLUMNS = (
    Column("path", "File", 24, flex=4, most=80, cut="middle"),
    Column("size", "Size", 10, align="right"),
    Column("part", "Part", 20, drop=1, sortable=False),
    Column("hash", "Content", 20, drop=2, sortable=False),
)


class FilesTable(VirtualTable):
    """The table of files, which are not opened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "select", "Open", show=False, id="files.select", tooltip="Nothing to open"
        ),
    ]


class FilesTab(Widget):
    """Files as the source lists them; a click on a heading sorts."""

    DEFAULT_CSS = """
    FilesTab { height: 1fr; }
    FilesTab Static { height: 1; padding: 0 2; color: $text-muted; }
    FilesTab #files-twins { height: auto; }
    """

    model: var[Model | None] = var(None)
    order: reactive[tuple[str, bool]] = reactive(("path", False))

    table = query_one("#files", VirtualTable)

    def compose(self) -> ComposeResult:
        """Totals, and what other models on disk share, above the files."""
        yield Static(Content(""), id="files-account")
        yield Static(Content(""), id="files-twins")
        yield FilesTable(COLUMNS, empty="looking the model up …", widget_id="files")

    def on_mount(self) -> None:
        """Show what is known already."""
        self.call_after_refresh(self._show)

    def watch_model(self, before: Model | None, after: Model | None) -> None:
        """The files are known from the first value on, and shards say what was read."""
        if is_composed(self) and (before is None or after is None or before.repo != after.repo):
            self._show()

    def watch_order(self) -> None:
        """Sort differently."""
        if is_composed(self):
            self._show()

    def on_virtual_table_header_clicked(self, message: VirtualTable.HeaderClicked) -> None:
        """Sort by a column, the other way round the second time."""
        key, descending = self.order
        self.order = (
            message.column,
            not descending if key == message.column else message.column == "size",
        )

    def _show(self) -> None:
        if self.model is None or not is_composed(self):
            return
        files = self.model.repo.files
        key, descending = self.order
        ordered = sorted(
            files,
            key=(lambda file: file.size_bytes) if key == "size" else (lambda file: file.path),
            reverse=descending,
        )
        parts = {path: group.name for group in self.model.layout.groups for path in group.files}
        self.table.sorted_by = self.order
        self.table.show_empty("this model has no files")
        self.table.rows = ItemRows(ordered, lambda file: cells(file, parts), lambda file: file.path)
        total = sum(file.size_bytes for file in files)
        read = sum(
            file.size_bytes for file in files if file.path in set(self.model.checkpoint.expected)
        )
        account = (
            f"{many(len(files), 'file')}, {file_size(total)}; the model is {file_size(read)} of it"
        )
        if self.model.repo.excerpt:
            account += "; the hub may have more"
        self.query_one("#files-account", Static).update(Content(account))
        same = [safe_line(line) for line in twin_lines([self.model.repo.listing])]
        twins = self.query_one("#files-twins", Static)
        twins.display = bool(same)
        twins.update(Content("\n".join(same)))


def cells(file: RepoFile, parts: dict[str, str]) -> tuple[Cell, ...]:
    """One file: path, size, the weights it belongs to, the beginning of its hash."""
    return (
        file.path,
        file_size(file.size_bytes),
        Run(parts.get(file.path, ""), "accent"),
        Run((file.content_hash or "")[:16], "dim"),
    )
