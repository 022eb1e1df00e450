"""Asks for a file, and writes tensors to it."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from explorer.errors import UsageError
from explorer.hub.saving import save
from explorer.safetext import safe_line
from explorer.ui.text import content, many
from explorer.units import file_size
from explorer.weights.tensor_export import ExportFormat, export
from explorer.weights.tensor_table import Row

FORMATS: dict[str, ExportFormat] = {".csv": "csv", ".json": "json"}
"""The ending of a file's name says what is written."""


class ExportScreen(ModalScreen[None]):
    """Goes away once the file is written; asks again before it replaces one."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="export.back", tooltip="Write nothing"),
    ]

    @dataclass
    class Written(Message):
        """The file is there."""

        path: Path
        size_bytes: int

    @dataclass
    class Refused(Message):
        """The file was not written."""

        error: UsageError

    def __init__(self, rows: Sequence[Row], name: str) -> None:
        super().__init__()
        self._rows = rows
        self._suggested = re.sub(r"[^\w.-]", "_", name)[:80] or "tensors"
        self._replacing = ""
        """The file that the person was asked about."""

    def compose(self) -> ComposeResult:
        """What will be written, the file's name, and a line for what is wrong with it."""
        with Vertical(id="choose"):
            yield Static(content(f"Write {many(len(self._rows), 'tensor')} to"), id="choose-title")
            yield Input(f"{self._suggested}.csv", compact=True, max_length=1000)
            yield Static(Content(""), id="choose-problem")
            yield Static(
                Content("a .csv or .json file; enter writes, esc leaves"), id="choose-hint"
            )

    @on(Input.Changed)
    def _forget_question(self) -> None:
        self._replacing = ""
        self._say("")

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        path = Path(text).expanduser() if text else None
        if path is None or path.suffix.lower() not in FORMATS:
            self._say("the name must end in .csv or .json")
            return
        if path.is_file() and self._replacing != text:
            self._replacing = text
            self._say(f"{path.name} is there already: enter again replaces it")
            return
        self._write(path, replace=self._replacing == text)

    @work(group="exporting", exclusive=True, exit_on_error=False)
    async def _write(self, path: Path, *, replace: bool) -> None:
        """Write in a thread: 150,000 tensors are some megabytes."""
        pieces = export(self._rows, FORMATS[path.suffix.lower()])
        try:
            size = await asyncio.to_thread(save, path, pieces, replace=replace)
        except UsageError as error:
            self.post_message(self.Refused(error))
        else:
            self.post_message(self.Written(path, size))

    @on(Written)
    def _end(self, message: Written) -> None:
        said = f"{many(len(self._rows), 'tensor')}, {file_size(message.size_bytes)}"
        self.app.notify(
            safe_line(f"{said} in {message.path}"), title="Written", markup=False, timeout=4
        )
        self.dismiss()

    @on(Refused)
    def _tell(self, message: Refused) -> None:
        self._say(str(message.error))

    def _say(self, text: str) -> None:
        self.query_one("#choose-problem", Static).update(content(text))

    def action_back(self) -> None:
        """Write nothing."""
        self.dismiss()
