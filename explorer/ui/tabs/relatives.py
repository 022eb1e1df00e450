"""What the tabs about a model's relatives share: what they are given, and when they ask."""

from textual.reactive import reactive, var
from textual.widget import Widget

from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.inspection.lineage import Lineage
from explorer.inspection.model import Model


class RelativesTab(Widget):
    """Asks when it was looked at and there are a model and somebody to ask for its relatives."""

    model: var[Model | None] = var(None)
    lineage: reactive[Lineage | None] = reactive(None)
    looked_at: reactive[frozenset[str]] = reactive(frozenset)
    """The tabs that are, or were, in front."""

    def on_mount(self) -> None:
        """Show what is known already."""
        self.call_after_refresh(self._show)

    def watch_model(self) -> None:
        """The model was looked up."""
        self._ask()

    def watch_lineage(self) -> None:
        """There is somebody to ask."""
        self._ask()

    def watch_looked_at(self) -> None:
        """The tab came to the front."""
        self._ask()

    def _ask(self) -> None:
        """Ask once, as soon as all that it takes is there."""

    def _show(self) -> None:
        """Show what is known."""


class JudgedRelativesTab(RelativesTab):
    """Judges the relatives for a machine and a scenario, and again when either changes."""

    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)

    def watch_machine(self) -> None:
        """Another machine, or the first."""
        self._judge_again()

    def watch_scenario(self) -> None:
        """Another context."""
        self._judge_again()

    def _judge_again(self) -> None:
        """Judge what is there already."""
