"""A tab whose model is judged as a person wants it run: the line of settings, and what changes them."""

from dataclasses import replace

from textual import on, work
from textual.getters import query_one
from textual.reactive import reactive, var
from textual.widget import Widget

from explorer.fit.values import Answer, Scenario
from explorer.hardware.machine import Machine
from explorer.inspection.choices import EngineChoice, Setting, settable
from explorer.inspection.fitting import Grid
from explorer.inspection.model import Model
from explorer.ui.fit_map import JudgedMap
from explorer.ui.tuning import Tuning
from explorer.ui.widgets.heatmap import HeatMap
from explorer.ui.widgets.settings import Settings, chosen, machine_forms, settings_of


class TunedTab(Widget):
    """What is chosen is assigned to ``tuning`` and shows at once; whoever inherits this judges anew."""

    model: var[Model | None] = var(None)
    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    tuning: reactive[Tuning] = reactive(Tuning)
    judged: reactive[JudgedMap | None] = reactive(None)

    heatmap = query_one(HeatMap)
    settings = query_one(Settings)

    def __init__(self) -> None:
        super().__init__()
        self._choices: tuple[EngineChoice, ...] = ()

    @property
    def grid(self) -> Grid | None:
        """The judged cells, once they are there."""
        return self.judged.grid if self.judged else None

    @property
    def cell(self) -> Answer | None:
        """The cell under the cursor."""
        if self.grid is None or not self.grid.cells:
            return None
        row, column = self.heatmap.position
        return self.grid.cells[row][column]

    @property
    def by_context(self) -> bool:
        """Whether memory grows with the context."""
        return self.grid is None or self.grid.by_context

    def show_settings(self) -> None:
        """What was asked shows at once, before it is judged."""
        asked = self.tuning.of(self.scenario)
        if self.judged is not None and self.judged.grid.cells:
            settled = self.judged.grid.cells[0][0].scenario
            asked = settled if asked.engine in {None, settled.engine} else asked
            asked = self.tuning.of(asked)
        self.settings.machines = machine_forms(self.machine)
        complete = self.model is not None and self.model.complete
        self.settings.chips = (
            settings_of(asked, self._settable(asked), by_context=self.by_context)
            if complete
            else ()
        )
        self.settings.chosen = chosen(self.tuning)

    def _settable(self, asked: Scenario) -> frozenset[Setting]:
        return settable(asked, self.judged.found.architecture if self.judged else None)

    @property
    def _scenario(self) -> Scenario:
        """How the model is run now."""
        return self.cell.scenario if self.cell else self.tuning.of(self.scenario)

    def action_engine(self) -> None:
        """Go on to the next engine that runs the model."""
        able = [choice.engine for choice in self._choices if not choice.refusal]
        now = self.tuning.engine or (self.judged.found.scenario.engine if self.judged else None)
        if not able or able == [now]:
            return
        following = able.index(now) + 1 if now in able else 0
        self.tuning = self.tuning.with_engine(able[following % len(able)])

    def action_flash(self) -> None:
        """Flash attention on or off."""
        if "flash" in self._settable(self._scenario):
            self.tuning = replace(self.tuning, flash_attention=not self._scenario.flash_attention)

    def action_unified(self) -> None:
        """One cache for all sequences, or one each."""
        if "unified" in self._settable(self._scenario):
            self.tuning = replace(self.tuning, kv_unified=not self._scenario.kv_unified)

    @on(Settings.Pressed)
    def _press(self, message: Settings.Pressed) -> None:
        """A setting was clicked."""
        name = message.name
        if name == "machine":
            self.app.call_later(self.app.run_action, name)
        elif name == "engine":
            self.action_engine()
        elif name == "flash":
            self.action_flash()
        elif name == "unified":
            self.action_unified()
        else:
            self.action_set(name)

    @work(group="choosing", exclusive=True)
    async def action_set(self, name: str) -> None:
        """Let the person choose a value of one setting."""
        from explorer.ui.fit_settings import chooser, tuned  # loaded when first needed

        if name == "drafts" and name not in self._settable(self._scenario):
            return
        answer = await self.app.push_screen_wait(chooser(name, self._scenario))
        if answer is not None:
            self.tuning = tuned(self.tuning, name, answer)
