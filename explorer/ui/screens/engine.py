"""llama.cpp itself, asked what it would allocate: its figure beside ours, with the version that gave it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from explorer.engine.told import EngineWord, Figure
from explorer.errors import ExplorerError
from explorer.fit.values import Answer
from explorer.hub.source import Source
from explorer.inspection.asking import ask_engine
from explorer.inspection.fitting import Subject
from explorer.inspection.model import Model
from explorer.safetext import safe_line
from explorer.ui.composed import is_composed
from explorer.ui.fit_text import headline
from explorer.ui.messages import own_fault
from explorer.units import memory

CELLS = 12


class EngineScreen(ModalScreen[None]):
    """Asks in a process of its own, which goes away with the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,a,enter", "back", "Back", id="engine.back", tooltip="Back to the map"),
    ]

    word: reactive[EngineWord | None] = reactive(None)
    error: reactive[ExplorerError | None] = reactive(None)

    @dataclass
    class Answered(Message):
        """The engine answered, or said why it does not."""

        word: EngineWord

    @dataclass
    class Failed(Message):
        """There is no engine, or nothing to ask it about."""

        error: ExplorerError

    def __init__(self, source: Source, model: Model, found: Subject, cell: Answer) -> None:
        super().__init__()
        self._source = source
        self._model = model
        self._found = found
        self._cell = cell

    def compose(self) -> ComposeResult:
        """What is asked, the figures, the key."""
        with Vertical(id="engine"):
            yield Static(Content.styled("Ask llama.cpp  ", "bold") + headline(self._cell))
            yield Static(id="engine-word")
            yield Static(Content.styled("esc back", "$foreground-muted"))

    def on_mount(self) -> None:
        """Say that it is asked, and ask."""
        self._show()
        self._ask()

    @work(group="engine", exclusive=True, exit_on_error=False)
    async def _ask(self) -> None:
        try:
            word = await ask_engine(self._source, self._model, self._found, self._cell)
        except ExplorerError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.Answered(word))

    @on(Answered)
    def _take(self, message: Answered) -> None:
        self.word = message.word

    @on(Failed)
    def _take_error(self, message: Failed) -> None:
        self.error = message.error

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told like any other."""
        if event.state is WorkerState.ERROR:
            self.error = own_fault(event.worker.error)

    def watch_word(self) -> None:
        """There is an answer."""
        self._show()

    def watch_error(self) -> None:
        """There is none."""
        self._show()

    def _show(self) -> None:
        if is_composed(self):
            self.query_one("#engine-word", Static).update(told(self.word, self.error))

    def action_back(self) -> None:
        """Back to the map."""
        self.dismiss()


def told(word: EngineWord | None, error: ExplorerError | None) -> Content:
    """The figures of both side by side, or why there are none."""
    if error is not None:
        lines = [
            Content.assemble(("! ", "bold $text-error"), (safe_line(error.title), "$text-error"))
        ]
        lines += [Content(safe_line(error.detail))] if error.detail else []
        lines += [Content.styled(safe_line(error.hint), "bold")] if error.hint else []
        return Content("\n").join(lines)
    if word is None:
        return Content.styled("… reading the whole header, and asking", "$text-accent")
    if word.theirs is None:
        return Content.assemble(
            (safe_line(word.version), "bold"), " gave no figure: ", safe_line(word.problem)
        )
    return Content("\n").join([*_table(word.figures), Content(""), *_notes(word)])


def _table(figures: Sequence[Figure]) -> list[Content]:
    heads = "".join(f"{head:>{CELLS}}" for head in ("here", "llama.cpp", "difference"))
    lines = [Content.styled(f"{'':16}{heads}", "$foreground-muted")]
    for one in figures:
        cells = f"{memory(one.ours):>{CELLS}}{memory(one.theirs):>{CELLS}}{one.off:>{CELLS}}"
        lines.append(Content.assemble((f"{one.name:16}", "$foreground-muted"), cells))
    return [*lines[:-1], lines[-1].stylize("bold")]


def _notes(word: EngineWord) -> list[Content]:
    rounded = " It tells whole MiB." if word.rounded else ""
    return [
        Content(safe_line(word.version)),
        Content.styled(
            f"Both for a processor alone, whatever the machine.{rounded}", "$foreground-muted"
        ),
    ]
