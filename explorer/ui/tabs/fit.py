"""The Fit tab: quantization by context on the machine, and all there is to say of one cell."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from explorer.errors import ExplorerError
from explorer.fit.values import Answer, Range, Scenario
from explorer.hardware.machine import Machine
from explorer.inspection import Grid, Model, answer, fit_grid
from explorer.safetext import safe_line
from explorer.ui.composed import is_composed
from explorer.ui.text import content
from explorer.ui.verdicts import LOOKS, TONES
from explorer.ui.widgets.bar import MemoryBar
from explorer.ui.widgets.facts import Fact, Facts, Reasons
from explorer.ui.widgets.heatmap import HeatCell, HeatGrid, HeatMap
from explorer.ui.widgets.status import explain
from explorer.units import gib, memory, speed, tokens

RESTS_SECONDS = 0.08
"""How long the cursor must stay on a cell before it is explained."""
LEGEND = Content("   ").join(
    Content.assemble((f"{look.glyph} ", TONES[look.tone]), (look.word, "$text-muted"))
    for look in LOOKS.values()
)


class FitTab(Widget):
    """The map is made anew when the model, the machine or the scenario changes; the cursor stays."""

    DEFAULT_CSS = """
    FitTab { height: 1fr; }
    FitTab VerticalScroll { scrollbar-size-vertical: 1; padding: 0 2; }
    FitTab MemoryBar { margin: 1 0 0 0; }
    FitTab #fit-cell { margin: 1 0 0 0; height: auto; }
    FitTab Facts { margin: 1 0 0 0; }
    FitTab #fit-why { height: 38%; border-top: solid $panel; display: none; }
    FitTab.-why #fit-why { display: block; }
    """
    HELP = """
    ## Fit

    Rows are quantizations, columns are context lengths. The figure is GiB in all.
    Below stands what the cell under the cursor takes, device by device.

    `w` explains every number: its formula, its inputs and where both come from.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "w", "why", "Why", id="fit.why", tooltip="Formula, inputs and source of every number"
        ),
    ]

    model: reactive[Model | None] = reactive(None)
    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    grid: reactive[Grid | None] = reactive(None)

    heatmap = query_one(HeatMap)
    note = query_one("#fit-note", Static)

    @dataclass
    class GridMade(Message):
        """Every cell was judged."""

        grid: Grid

    @dataclass
    class Explained(Message):
        """The cell under the cursor, with its reasons."""

        answer: Answer

    @dataclass
    class Unexplained(Message):
        """The cell could not be judged once more."""

        error: ExplorerError

    def __init__(self) -> None:
        super().__init__()
        self._placed_cursor = False

    def compose(self) -> ComposeResult:
        """The map, its legend, then the cell under the cursor."""
        with VerticalScroll(can_focus=False):
            yield Static(Content(""), id="fit-note")
            yield HeatMap()
            yield Static(LEGEND, id="fit-legend")
            yield Static(Content(""), id="fit-cell")
            yield MemoryBar()
            yield Facts()
        with VerticalScroll(id="fit-why"):
            yield Reasons()

    def on_mount(self) -> None:
        """Say what is awaited."""
        self.call_after_refresh(self._note)

    def watch_model(self, after: Model | None) -> None:
        """Judge once every header has been read: before, the weights are not known."""
        self._note()
        if after is not None and after.complete:
            self._judge()

    def watch_machine(self) -> None:
        """Another machine."""
        self._judge()

    def watch_scenario(self, before: Scenario, after: Scenario) -> None:
        """Another scenario; another context moves the cursor there."""
        if before.context_tokens != after.context_tokens:
            self._placed_cursor = False
        self._judge()

    def _judge(self) -> None:
        if self.model is not None and self.model.complete and self.machine is not None:
            self._make_grid(self.model, self.machine, self.scenario)

    @work(group="grid", exclusive=True, exit_on_error=False)
    async def _make_grid(self, model: Model, machine: Machine, scenario: Scenario) -> None:
        """Judge every cell in a thread: there are a hundred of them."""
        self.post_message(
            self.GridMade(await asyncio.to_thread(fit_grid, model, machine, scenario))
        )

    @on(GridMade)
    def _show(self, message: GridMade) -> None:
        grid = self.grid = message.grid
        judged = bool(grid.quantizations and grid.contexts)
        self._note()
        self.heatmap.grid = HeatGrid(
            tuple(grid.quantizations),
            tuple(tokens(context) for context in grid.contexts),
            tuple(tuple(heat(cell) for cell in row) for row in grid.cells),
        )
        if judged and not self._placed_cursor:
            self._placed_cursor = True
            self.heatmap.position = start(grid, self.scenario)
        self._show_cell()

    def _note(self) -> None:
        """Say what the map waits for, as long as there is none."""
        if is_composed(self):
            judged = self.grid is not None and bool(self.grid.quantizations)
            self.note.display = not judged
            self.query_one("#fit-legend").display = judged
            self.note.update(content(waiting_for(self.model)))

    @on(HeatMap.Moved)
    def _show_cell(self) -> None:
        cell = self._answer()
        self.query_one("#fit-cell", Static).update(headline(cell) if cell else Content(""))
        self.query_one(MemoryBar).answer = cell
        self._show_facts(cell, None)
        self._explain()

    def _show_facts(self, cell: Answer | None, most_tokens: int | None) -> None:
        known = facts(cell, most_tokens) if cell else ()
        self.query_one(Facts).facts = (*known, *self._notes())

    def _notes(self) -> tuple[Fact, ...]:
        """What to know before trusting a figure."""
        warnings = self.model.warnings if self.model else ()
        return tuple(Fact("Note", warning, "$text-warning") for warning in warnings)

    def _explain(self) -> None:
        """Have the cell judged once more, with its reasons and the most context it allows."""
        cell = self._answer()
        if cell is not None and self.model is not None:
            self._give_reasons(self.model, cell)

    @work(group="reasons", exclusive=True, exit_on_error=False)
    async def _give_reasons(self, model: Model, cell: Answer) -> None:
        """Waits for the cursor to rest: it takes a tenth of a second or more."""
        await asyncio.sleep(RESTS_SECONDS)
        try:
            explained = await asyncio.to_thread(answer, model, cell.machine, cell.scenario)
        except ExplorerError as error:
            self.post_message(self.Unexplained(error))
        else:
            self.post_message(self.Explained(explained))

    @on(Explained)
    def _show_reasons(self, message: Explained) -> None:
        reasons = self.query_one(Reasons)
        reasons.reasons = message.answer.reasons
        reasons.assumptions = message.answer.assumptions
        self._show_facts(message.answer, message.answer.max_context_tokens)

    @on(Unexplained)
    def _tell(self, message: Unexplained) -> None:
        self.query_one("#fit-cell", Static).update(explain(message.error))

    def _answer(self) -> Answer | None:
        if self.grid is None or not self.grid.cells:
            return None
        row, column = self.heatmap.position
        return self.grid.cells[row][column]

    def action_why(self) -> None:
        """Show or hide the reasons."""
        self.toggle_class("-why")


def waiting_for(model: Model | None) -> str:
    """Why there is no map yet, or none at all."""
    if model is None:
        return "looking the model up …"
    if not model.shards_total:
        return "this model has no weight files that can be read, so there is nothing to judge"
    if model.shards_read < model.shards_total:
        return f"reading headers: {model.shards_read} of {model.shards_total} …"
    if not model.complete:
        missing = len(model.checkpoint.missing)
        return f"{missing} of {model.shards_total} headers could not be read: R reads them again"
    return "judging …"


def heat(cell: Answer) -> HeatCell:
    """A cell of the map: glyph, GiB, tone."""
    look = LOOKS[cell.verdict]
    return HeatCell(look.glyph, gib(cell.memory.total), look.tone)


def start(grid: Grid, scenario: Scenario) -> tuple[int, int]:
    """Where the cursor begins: the best row that fits at the context asked for."""
    wanted = scenario.context_tokens or 8192
    near = min(range(len(grid.contexts)), key=lambda i: abs(grid.contexts[i] - wanted))
    order = list(LOOKS)
    row = min(
        range(len(grid.quantizations)), key=lambda i: order.index(grid.cells[i][near].verdict)
    )
    return row, near


def headline(cell: Answer) -> Content:
    """One cell in a line: quantization, context, verdict, total."""
    look = LOOKS[cell.verdict]
    scenario = cell.scenario
    estimated = "" if cell.exact else " (planned)"
    return Content.assemble(
        (f"{look.glyph} {safe_line(scenario.quantization or '')}", f"bold {TONES[look.tone]}"),
        f"  at {tokens(scenario.context_tokens)} context  ",
        (f"{memory(cell.memory.total)}{estimated}", "bold"),
        (f"  {look.word}", TONES[look.tone]),
    )


def facts(cell: Answer, most_tokens: int | None) -> tuple[Fact, ...]:
    """What else there is to say of a cell; the most context takes longer to find and comes later."""
    scenario = cell.scenario
    most = "…" if most_tokens is None else "none" if not most_tokens else tokens(most_tokens)
    return (
        Fact("Decode", spread(cell.speed.decode), "bold"),
        Fact("Prefill", spread(cell.speed.prefill)),
        Fact("Rests on", cell.speed.basis),
        Fact("Most context", most if most_tokens is None else f"{most} with the same verdict"),
        Fact(
            "Engine",
            f"{scenario.engine}, {scenario.sequences} sequence"
            f"{'' if scenario.sequences == 1 else 's'}, KV {scenario.kv_dtype or 'by the engine'}",
        ),
    )


def spread(estimate: Range | None) -> str:
    """Expected tokens a second, with the spread; unknown is said."""
    if estimate is None:
        return "not known: there is no basis for a figure"
    return f"{speed(estimate.expected)}  ({estimate.low:,.0f} to {estimate.high:,.0f})"
