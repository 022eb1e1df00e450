"""What would be enough: the smallest machines of the catalog that run a model, and what upgrades bring."""

import asyncio
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError, UsageError
from explorer.fit.enough import Enough, Setup
from explorer.fit.upgrades import Upgrade
from explorer.fit.values import Answer
from explorer.hardware.machine import Machine
from explorer.inspection.fitting import Subject, context_of
from explorer.inspection.questions import enough_for, upgrades_for
from explorer.ui.composed import is_composed
from explorer.ui.enough_rows import SETUPS, UPGRADES, change_cells, changes, setup_cells
from explorer.ui.messages import UseMachine, own_fault
from explorer.ui.text import content, many
from explorer.ui.verdicts import LOOKS, TONES
from explorer.ui.widgets.chips import Chips
from explorer.ui.widgets.rows import ItemRows
from explorer.ui.widgets.status import State, Status
from explorer.ui.widgets.table import VirtualTable
from explorer.ui.widgets.title import Title
from explorer.units import tokens

ANY = "any"
SPEEDS = (ANY, "5", "10", "20", "30", "50", "100")


class Setups(VirtualTable):
    """The table of machines that are enough, where Enter judges for one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Use", id="setups.use", tooltip="Judge for this machine"),
    ]


class EnoughScreen(Screen[None]):
    """Enter judges everything for the machine under the cursor."""

    HELP = """
    ## What would be enough

    For each family of devices the smallest machine that runs the quantization with its reserve,
    at the context and speed asked for. Below: what changing this machine would bring.
    """
    AUTO_FOCUS = "#setups"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,x", "back", "Back", id="enough.back", tooltip="Back to the map"),
        Binding("s", "speed", "Speed", id="enough.speed", tooltip="How fast it must be at least"),
    ]

    found: reactive[Enough | None] = reactive(None)
    upgrades: reactive[tuple[Upgrade, ...] | None] = reactive(None)
    least: reactive[float | None] = reactive(None)
    """Tokens a second that it must write."""
    error: reactive[ExplorerError | None] = reactive(None)

    @dataclass
    class EnoughFound(Message):
        """The catalog was searched."""

        found: Enough

    @dataclass
    class UpgradesFound(Message):
        """Changes to the machine were judged."""

        upgrades: tuple[Upgrade, ...]

    @dataclass
    class Failed(Message):
        """It could not be found out."""

        error: ExplorerError

    def __init__(self, found: Subject, here: Answer) -> None:
        """``here`` is how the model runs on the machine in use."""
        super().__init__()
        self._subject = found
        self._here = here
        self._machine = here.machine

    def compose(self) -> ComposeResult:
        """What is asked; the machines that are enough; the changes to this one."""
        title = Title("What would be enough?")
        title.machine, title.scenario = self._machine, self._subject.scenario
        yield title
        with Vertical(id="enough"):
            yield Static(self._question(), id="enough-question")
            wishes = Chips(id="enough-wishes")
            wishes.chips = self._wishes()
            yield wishes
            yield Setups(SETUPS, empty="looking through the catalog …", widget_id="setups")
            yield Static(
                Content.assemble("If you upgraded ", (self._machine.name, "bold")),
                id="enough-changes",
            )
            yield VirtualTable(UPGRADES, empty="judging the changes …", widget_id="upgrades")
        yield Status()
        yield Footer()

    def _question(self) -> Content:
        scenario = self._subject.scenario
        settings, look = "", LOOKS[self._here.verdict]
        if self._subject.architecture.layers:
            at_once = many(scenario.sequences, "sequence")
            settings = f" at {tokens(context_of(self._subject))} context, {at_once}"
        return Content.assemble(
            "The smallest of each family for ",
            (content(scenario.quantization or "").plain, "bold"),
            f"{settings}, {scenario.engine}  ·  on {self._machine.name} ",
            (f"{look.glyph} {look.word}", TONES[look.tone]),
        )

    def _wishes(self) -> tuple[tuple[str, str], ...]:
        wish = ANY if self.least is None else f"at least {self.least:g}/s"
        return (("speed", wish),)

    def on_mount(self) -> None:
        """Search in a thread, and judge the changes in another."""
        self._show()
        self._search(self._subject, self.least)
        self._judge_changes(self._subject, self._machine)

    @work(group="enough", exclusive=True, exit_on_error=False)
    async def _search(self, found: Subject, least: float | None) -> None:
        try:
            answer = await asyncio.to_thread(enough_for, found, min_tokens_per_second=least)
        except ExplorerError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.EnoughFound(answer))

    @work(group="changes", exclusive=True, exit_on_error=False)
    async def _judge_changes(self, found: Subject, machine: Machine) -> None:
        asked = replace(found, scenario=replace(found.scenario, quantization=None))
        try:
            answer = await asyncio.to_thread(upgrades_for, asked, machine)
        except ExplorerError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.UpgradesFound(answer))

    @on(EnoughFound)
    def _take_found(self, message: EnoughFound) -> None:
        self.found = message.found

    @on(UpgradesFound)
    def _take_upgrades(self, message: UpgradesFound) -> None:
        self.upgrades = message.upgrades

    @on(Failed)
    def _take_error(self, message: Failed) -> None:
        self.error = message.error

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program's own is told like any other."""
        if event.state is WorkerState.ERROR:
            self.error = own_fault(event.worker.error)

    def watch_found(self) -> None:
        """The machines are there."""
        self._show()

    def watch_upgrades(self) -> None:
        """The changes are there."""
        self._show()

    def watch_error(self) -> None:
        """Something went wrong."""
        self._show()

    def watch_least(self, least: float | None) -> None:
        """Another speed: search anew, the older rows stay until then."""
        if is_composed(self):
            self._search(self._subject, least)
            self._show()

    def _show(self) -> None:
        if not is_composed(self):
            return
        self.query_one(Chips).chips = self._wishes()
        setups = self.query_one("#setups", VirtualTable)
        if self.found is not None:
            setups.show_empty("no machine of the catalog is enough")
            own = self._machine
            setups.rows = ItemRows(self.found.setups, lambda one: setup_cells(one, own), _key)
        if self.upgrades is not None:
            table = self.query_one("#upgrades", VirtualTable)
            table.show_empty("nothing that is sold would change it")
            rows = ItemRows(changes(self.upgrades), change_cells, lambda change: change[0])
            table.rows = rows
            table.styles.height = len(rows) + 1
        self.query_one(Status).state = State(text=self._account(), error=self.error)

    def _account(self) -> str:
        if self.found is None:
            return ""
        text = (
            f"{many(len(self.found.setups), 'machine')}, enter judges for the one under the cursor"
        )
        silent = self.found.without_speed
        return f"{text}  ·  no measured speed: {', '.join(silent)}" if silent else text

    @on(VirtualTable.Selected, "#setups")
    def _use(self, message: VirtualTable.Selected) -> None:
        """Judge for the machine under the cursor, and go back to the map."""
        if self.found is not None:
            self._leave_for(self.found.setups[message.index].machine)

    @on(VirtualTable.Selected, "#upgrades")
    def _change(self, message: VirtualTable.Selected) -> None:
        """Judge for the machine after a change."""
        if self.upgrades is not None:
            machine = changes(self.upgrades)[message.index].machine
            if machine is not None:
                self._leave_for(machine)

    def _leave_for(self, machine: Machine) -> None:
        self.post_message(UseMachine(machine))
        self.dismiss()

    @on(Chips.Pressed)
    def _press(self) -> None:
        """The speed was clicked."""
        self.action_speed()

    @work(group="choosing", exclusive=True)
    async def action_speed(self) -> None:
        """Ask how fast it must be."""
        from explorer.ui.screens.choose import Choice, ChooseScreen  # loaded when first needed

        options = [Choice(s, "any speed" if s == ANY else f"{s} tokens a second") for s in SPEEDS]
        now = ANY if self.least is None else f"{self.least:g}"
        answer = await self.app.push_screen_wait(
            ChooseScreen(
                "How fast one sequence must be written", options, now,
                typed="or type 15", check=parse_speed,
            )
        )  # fmt: skip
        if answer is not None:
            self.least = parse_speed(answer)

    def action_back(self) -> None:
        """Leave the machine as it is."""
        self.dismiss()


def _key(setup: Setup) -> tuple[str, str]:
    return setup.family, setup.machine.name


def parse_speed(text: str) -> float | None:
    """Tokens a second; None for any. Raises UsageError for anything else."""
    if text == ANY:
        return None
    try:
        value = float(text[:12])
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise UsageError(f"“{text}” is no speed", hint="write tokens a second: 15")
    return value
