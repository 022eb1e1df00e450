"""The Fit tab: quantization by context on the machine, and all there is to say of one cell."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from explorer.errors import ExplorerError
from explorer.fit.most import Most
from explorer.fit.values import Answer, Engine, Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import Source
from explorer.inspection.fitting import Subject
from explorer.inspection.model import Model
from explorer.ui.composed import is_composed
from explorer.ui.fit_keys import KEYS
from explorer.ui.fit_map import JudgedMap, RefusedMap, explain_cell, judge_map, retuned
from explorer.ui.fit_text import (
    facts,
    headline,
    heat_grid,
    legend,
    numbers,
    refusals,
    start,
    untold,
    waiting_for,
)
from explorer.ui.tabs.tuned import TunedTab
from explorer.ui.text import content, flow
from explorer.ui.tuning import Tuning
from explorer.ui.widgets.bar import MemoryBar
from explorer.ui.widgets.facts import Fact, Facts, Reasons
from explorer.ui.widgets.heatmap import HeatGrid, HeatMap
from explorer.ui.widgets.settings import Settings
from explorer.ui.widgets.status import explain

RESTS_SECONDS = 0.05
"""How long the cursor must stay on a cell before it is explained."""
BESIDE_CELLS = 44
"""With so much room beside the map, what there is to say of a cell stands there."""
EDGE_CELLS = 5
"""Left and right, with the scroll bar."""
BETWEEN_CELLS = 3
"""Between the map and what stands beside it."""
LEAST_MAP_CELLS = 44
MOST_ERRORS = 4
"""Of a model of which many files could not be read so many are told."""


class FitTab(TunedTab):
    """The map is made anew when the model, the machine or the settings change; the cursor stays."""

    DEFAULT_CSS = """
    FitTab { height: 1fr; }
    FitTab #fit-panes { height: 1fr; margin: 1 0 0 0; padding: 0 2; scrollbar-size-vertical: 1; }
    FitTab #fit-map, FitTab #fit-side { height: auto; }
    FitTab MemoryBar { margin: 1 0 0 0; }
    FitTab #fit-cell { margin: 1 0 0 0; height: auto; }
    FitTab Facts { margin: 1 0 0 0; }
    FitTab Reasons { max-height: 50%; border-top: solid $panel; padding: 0 1; display: none; }
    FitTab.-why Reasons { display: block; }
    FitTab.-beside #fit-panes { layout: horizontal; }
    FitTab.-beside #fit-map { margin: 0 3 0 0; }
    FitTab.-beside #fit-side { width: 1fr; }
    FitTab.-beside #fit-cell { margin: 0; }
    """
    HELP = """
    ## Fit

    Rows are quantizations, columns are context lengths, `▸` the chosen one. The figure is what the
    accelerators hold, or where the host helps all of it: what the verdict is about.
    Beside it stands what the cell under the cursor takes, device by device.

    `w` explains every number: what it is, from which inputs, and where the formula comes from.
    The line on top is how the model is run: press the underlined letter, or click.
    """
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    source: reactive[Source | None] = reactive(None)
    busy: reactive[bool] = reactive(True)
    """The model is still being read."""
    explained: reactive[tuple[Answer, Most] | None] = reactive(None)
    """The cell under the cursor with its reasons, and the most one can have."""

    note = query_one("#fit-note", Static)
    reasons = query_one(Reasons)

    @dataclass
    class Judged(Message):
        """Every cell was judged, or none because of an error."""

        asked: Tuning
        made: JudgedMap | RefusedMap

    @dataclass
    class Explained(Message):
        """The cell under the cursor, with its reasons."""

        cell: Answer
        answer: Answer
        most: Most

    def __init__(self, listed: Answer | None = None) -> None:
        """``listed`` is what the list said of the model, which stands here until its headers are read."""
        super().__init__()
        self._listed = listed
        self._placed_cursor = False
        self._prepared: Mapping[Engine | None, Subject] = {}
        self._error: ExplorerError | None = None

    def compose(self) -> ComposeResult:
        """How it is run; the map and its legend; the cell under the cursor; the reasons."""
        yield Settings()
        with VerticalScroll(id="fit-panes", can_focus=False):
            with Vertical(id="fit-map"):
                yield Static(Content(""), id="fit-note")
                yield HeatMap()
                yield Static(id="fit-legend")
            with Vertical(id="fit-side"):
                yield Static(Content(""), id="fit-cell")
                yield MemoryBar(legend_lines=2)
                yield Facts()
        yield Reasons()

    def on_mount(self) -> None:
        """Say what is awaited."""
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        """There may be room beside the map now."""
        self._lay_out()

    def _lay_out(self) -> None:
        """The map on top, or on the left where that leaves enough room for the rest."""
        if is_composed(self):
            cells = max(self.heatmap.wanted_cells, LEAST_MAP_CELLS)
            room = self.size.width - cells - EDGE_CELLS - BETWEEN_CELLS
            beside = bool(self.heatmap.grid.cells) and room >= BESIDE_CELLS
            self.set_class(beside, "-beside")
            self.query_one("#fit-map").styles.width = cells if beside else "1fr"
            room = cells if beside else self.size.width - EDGE_CELLS
            said = legend(self.grid) if self.grid else ()
            self.query_one("#fit-legend", Static).update(flow(said, room, 3))

    # What came from above

    def watch_model(self, before: Model | None, after: Model | None) -> None:
        """Judge once every header has been read: before, the weights are not known."""
        self._show()
        if before is None or after is None or before.checkpoint is not after.checkpoint:
            self._prepared = {}
            self._judge()

    def watch_busy(self) -> None:
        """Reading began or ended."""
        self._show()

    def watch_machine(self) -> None:
        """Another machine."""
        self._show()
        self._judge()

    def watch_scenario(self, before: Scenario, after: Scenario) -> None:
        """Another scenario; another context moves the cursor there."""
        if before.context_tokens != after.context_tokens:
            self._placed_cursor = False
        self._show()
        self._judge()

    def watch_tuning(self) -> None:
        """Another engine, or another setting of it."""
        self._judge()

    # Judging

    def _judge(self) -> None:
        if not is_composed(self):
            return
        self.show_settings()
        if self.model is not None and self.model.complete and self.machine is not None:
            self.heatmap.add_class("-stale")
            self._make_map(self.model, self.machine, self.scenario, self.tuning)

    @work(group="grid", exclusive=True, exit_on_error=False)
    async def _make_map(
        self, model: Model, machine: Machine, scenario: Scenario, tuning: Tuning
    ) -> None:
        """Judge every cell in a thread: there are a hundred of them."""
        asked = tuning.of(scenario)
        made = await asyncio.to_thread(judge_map, model, machine, asked, self._prepared)
        self.post_message(self.Judged(tuning, made))

    @on(Judged)
    def _take(self, message: Judged) -> None:
        made = message.made
        if message.asked != self.tuning:
            return
        if made.found is not None:
            engine = self.tuning.of(self.scenario).engine
            self._prepared = {**self._prepared, engine: made.found}
        self._choices = made.choices or self._choices
        self._error = made.error if isinstance(made, RefusedMap) else None
        self.judged = made if isinstance(made, JudgedMap) else None

    def watch_judged(self, before: JudgedMap | None, after: JudgedMap | None) -> None:
        """Another map, or none."""
        if not is_composed(self):
            return
        self.explained = None
        self.heatmap.remove_class("-stale")
        self.heatmap.grid = heat_grid(after.grid) if after else HeatGrid()
        self._lay_out()
        if after and after.grid.cells:
            gone = before is None or before.found.options is not after.found.options
            if not self._placed_cursor or gone:
                self._placed_cursor = True
                self.heatmap.position = start(after.grid, after.best)
        self._show()
        self._show_cell()

    # Showing

    def _show(self) -> None:
        """Say what the map waits for, as long as there is none, and how the model is run."""
        if not is_composed(self):
            return
        shown = bool(self.heatmap.grid.cells)
        error = self._error if self.model is not None and self.model.shards_total else None
        self.set_class(shown, "-mapped")
        self.note.display = not shown
        self.query_one("#fit-legend").display = shown
        # While shards arrive only a number changes: that is no reason to lay the screen out.
        counting = self.busy and self.model is not None and self.model.shards_read > 0
        self.note.update(explain(error) if error else self._waiting_for(), layout=not counting)
        self.show_settings()
        if self.cell is None:
            self._show_cell()

    def _waiting_for(self) -> Content:
        """Why there is no map, with the whole of what went wrong."""
        said = [content(waiting_for(self.model, busy=self.busy))]
        if self.model is not None and not self.busy:
            told = {str(error): error for error in self.model.errors}
            said += [explain(error) for error in list(told.values())[:MOST_ERRORS]]
        return Content("\n").join(said)

    @on(HeatMap.Moved)
    def _show_cell(self) -> None:
        cell, guess = self.cell, self.guess
        said = headline(guess, estimated=True) if guess else Content("")
        self.query_one("#fit-cell", Static).update(
            headline(cell, by_context=self.by_context) if cell else said
        )
        self.query_one(MemoryBar).answer = cell or guess
        self._show_facts(cell, None)
        if cell is not None and self.judged is not None:
            self._explain(self.judged.found, cell)

    def _show_facts(self, cell: Answer | None, most: Most | None) -> None:
        known = facts(cell, most, by_context=self.by_context) if cell else ()
        # without a map all that went wrong stands in its place
        warnings = untold(self.model) if self.heatmap.grid.cells or self._error else ()
        notes = tuple(Fact("Note", warning, "$text-warning") for warning in warnings)
        self.query_one(Facts).facts = (*known, *notes, *refusals(self._choices))

    @work(group="reasons", exclusive=True, exit_on_error=False)
    async def _explain(self, found: Subject, cell: Answer) -> None:
        """Once the cursor rests, have the cell judged once more, with its reasons."""
        await asyncio.sleep(RESTS_SECONDS)
        answer, most = await asyncio.to_thread(explain_cell, found, cell)
        self.post_message(self.Explained(cell, answer, most))

    @on(Explained)
    def _take_reasons(self, message: Explained) -> None:
        if message.cell is self.cell:
            self.explained = (message.answer, message.most)

    def watch_explained(self, explained: tuple[Answer, Most] | None) -> None:
        """The reasons of the cell are there."""
        if explained is None or not is_composed(self):
            return
        answer, most = explained
        self.reasons.assumptions = answer.assumptions
        self.reasons.reasons = numbers(answer, most, by_context=self.by_context)
        self._show_facts(answer, most)

    @property
    def guess(self) -> Answer | None:
        """What the list said, while nothing else is known; None if that was asked differently."""
        listed = self._listed
        if listed is None or self.judged is not None or self._error is not None:
            return None
        asked = self.scenario.context_tokens in {None, listed.scenario.context_tokens}
        same = asked and listed.machine == self.machine and self.tuning == Tuning()
        return listed if same else None

    # Actions

    def action_why(self) -> None:
        """Show the reasons and give them the keys, or hide them."""
        self.toggle_class("-why")
        if self.has_class("-why"):
            self.call_after_refresh(self.reasons.focus)
        else:
            self.heatmap.focus()

    def leave(self) -> bool:
        """Step out of the reasons; False if they were not open."""
        if not self.has_class("-why"):
            return False
        self.action_why()
        return True

    def action_commands(self) -> None:
        """Show the commands for the cell."""
        from explorer.ui.screens.commands import CommandsScreen  # loaded when first needed

        if self.model is not None and self.judged is not None and self.cell is not None:
            self.app.push_screen(CommandsScreen(self.model, self.judged.found, self.cell))

    def action_enough(self) -> None:
        """Show what hardware would be enough for the cell."""
        from explorer.ui.screens.enough import EnoughScreen  # loaded when first needed

        cell = self.cell
        if self.judged is None or cell is None:
            return
        asked = replace(self.judged.found.scenario, quantization=cell.scenario.quantization,
                        context_tokens=cell.scenario.context_tokens)  # fmt: skip
        self.app.push_screen(EnoughScreen(retuned(self.judged.found, asked), cell))

    def action_ask(self) -> None:
        """Ask llama.cpp itself what it would allocate for the cell."""
        from explorer.ui.screens.engine import EngineScreen  # loaded when first needed

        model, judged, cell = self.model, self.judged, self.cell
        if (
            self.source is not None
            and model is not None
            and judged is not None
            and cell is not None
        ):
            self.app.push_screen(EngineScreen(self.source, model, judged.found, cell))
