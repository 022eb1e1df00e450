"""The machine everything is judged for: what was detected, and any other to pick or describe."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer, Input
from textual.worker import Worker, WorkerState

from explorer.errors import ExplorerError, UsageError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.ui.composed import is_composed
from explorer.ui.messages import MACHINE_SCREEN, Remember, UseMachine, own_fault
from explorer.ui.offers import COLUMNS, Offer, cells, describe, from_catalog, from_kept, matching
from explorer.ui.widgets.facts import Facts
from explorer.ui.widgets.rows import ItemRows
from explorer.ui.widgets.status import State, Status
from explorer.ui.widgets.table import VirtualTable
from explorer.ui.widgets.title import Title
from explorer.userfile import Remembered


class Machines(VirtualTable):
    """The table of machines, where Enter uses one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Use", id="machines.use", tooltip="Judge for this machine"),
    ]


class MachineScreen(Screen[None]):
    """Enter uses the machine under the cursor, everywhere and at once."""

    HELP = """
    ## Machine

    Pick a device of the catalog, or describe a machine in words: `2x RTX 4090, 128 GB`,
    `M4 Max 64GB`, `cpu 32GB`. Every verdict is then for that machine, also at the next start; what was
    described is kept below the machine at hand until `x` forgets it, and `d` goes back to this machine.
    """
    AUTO_FOCUS = "#machines"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "back", "Back", id="machine.back", tooltip="Back, with the machine as it was"
        ),
        Binding("slash", "describe", "Describe", id="machine.describe", tooltip="Type a machine"),
        Binding(
            "d",
            "detected",
            "Detected",
            id="machine.detected",
            tooltip="Judge for this machine again",
        ),
        Binding(
            "x",
            "forget",
            "Forget",
            show=False,
            id="machine.forget",
            tooltip="Keep this description no longer",
        ),
    ]

    machine: reactive[Machine | None] = reactive(None)
    detected: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)
    remembered: reactive[Remembered] = reactive(Remembered)
    devices: reactive[tuple[Offer, ...]] = reactive(())
    kept: reactive[tuple[Offer, ...]] = reactive(())
    text: reactive[str] = reactive("")

    table = query_one("#machines", VirtualTable)
    status = query_one(Status)

    @dataclass
    class CatalogRead(Message):
        """The devices of the catalog."""

        devices: tuple[Offer, ...]

    @dataclass
    class KeptRead(Message):
        """The machines that were described before."""

        offers: tuple[Offer, ...]

    def __init__(self) -> None:
        super().__init__(id=MACHINE_SCREEN)

    def compose(self) -> ComposeResult:
        """A line to type in, the machines, and what is known of the one under the cursor."""
        yield Title("machine").data_bind(MachineScreen.machine, MachineScreen.scenario)
        yield Input(
            placeholder="press / and describe a machine: 2x RTX 4090, 128 GB",
            id="describe",
            compact=True,
            max_length=200,
        )
        with Container(id="machine-panes"):
            yield Machines(COLUMNS, empty="no device of this name", widget_id="machines")
            with VerticalScroll(id="machine-facts", can_focus=False):
                yield Facts()
        yield Status()
        yield Footer()

    def on_mount(self) -> None:
        """Show the detected machine, and read the catalog behind it."""
        self.call_after_refresh(self._show)
        self._read_catalog()

    @work(group="catalog", exit_on_error=False)
    async def _read_catalog(self) -> None:
        self.post_message(self.CatalogRead(await asyncio.to_thread(from_catalog)))

    @on(CatalogRead)
    def _take_catalog(self, message: CatalogRead) -> None:
        self.devices = message.devices

    def watch_machine(self) -> None:
        """Another machine is in use."""
        self._show()

    def watch_detected(self) -> None:
        """The detector is done."""
        self._show()

    def watch_remembered(self, remembered: Remembered) -> None:
        """A machine was described, or is not kept any more."""
        if remembered.machines != tuple(offer.described for offer in self.kept):
            self._read_kept(remembered.machines)

    @work(group="kept", exclusive=True, exit_on_error=False)
    async def _read_kept(self, specs: Sequence[str]) -> None:
        """Read descriptions in a thread: the first looks into the catalog."""
        self.post_message(self.KeptRead(await asyncio.to_thread(from_kept, specs)))

    @on(KeptRead)
    def _take_kept(self, message: KeptRead) -> None:
        self.kept = message.offers

    def watch_kept(self) -> None:
        """What was described before is there."""
        self._show()

    def watch_devices(self) -> None:
        """The catalog is there."""
        self._show()

    def watch_text(self) -> None:
        """Another description."""
        if is_composed(self):
            self.table.restart()
        self._show()

    def _show(self) -> None:
        if not is_composed(self):
            return
        offers, problem = matching(self.text, self.detected, self.kept, self.devices)
        in_use = self.machine
        self.table.rows = ItemRows(
            offers, lambda offer: cells(offer, in_use), lambda offer: offer.key
        )
        self._tell(problem if not offers else None)
        self._describe()

    def _offer(self) -> Offer | None:
        rows = self.table.rows
        if isinstance(rows, ItemRows) and len(rows):
            offer = rows.items[self.table.cursor]
            return offer if isinstance(offer, Offer) else None
        return None

    @on(VirtualTable.Highlighted, "#machines")
    def _describe(self) -> None:
        """Show what is known of the machine under the cursor."""
        offer = self._offer()
        facts = self.query_one(Facts)
        try:
            facts.facts = describe(offer.resolve()) if offer else ()
        except UsageError as error:
            facts.facts = ()
            self._tell(error)

    @on(VirtualTable.Selected, "#machines")
    def _use(self) -> None:
        """Use it, and go back to where the person came from."""
        offer = self._offer()
        if offer is None:
            return
        try:
            machine = offer.resolve()
        except UsageError as error:
            self._tell(error)
        else:
            at_hand = offer.origin == "this machine"
            self.post_message(
                UseMachine(None if at_hand else machine, offer.spec, bool(offer.described))
            )
            self.dismiss()

    def _tell(self, error: ExplorerError | None) -> None:
        if not is_composed(self):
            return
        text = "enter uses the machine under the cursor for every verdict"
        self.status.state = State(text="" if error else text, error=error)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A catalog that cannot be read is told; the detected machine stays."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self._tell(error if isinstance(error, ExplorerError) else own_fault(error))

    # Actions

    def action_describe(self) -> None:
        """Type a machine."""
        self.query_one("#describe", Input).focus()

    @on(Input.Changed, "#describe")
    def _type(self, event: Input.Changed) -> None:
        self.text = event.value.strip()

    @on(Input.Submitted, "#describe")
    def _enter(self) -> None:
        """Use what was typed; where it could be several, leave the choice among them to the person."""
        offers, problem = matching(self.text, self.detected, self.kept, self.devices)
        if problem is not None and len(offers) > 1:
            self.table.focus()
            self._tell(problem)
        else:
            self._use()

    def action_detected(self) -> None:
        """Judge for this machine again."""
        self.post_message(UseMachine(None))
        self.dismiss()

    def action_forget(self) -> None:
        """Keep a described machine no longer; it stays in use."""
        offer = self._offer()
        if offer is not None and offer.origin == "kept":
            self.post_message(Remember(lambda now: now.forget_machine(offer.spec)))

    def action_back(self) -> None:
        """Leave the line first, then the screen."""
        if self.query_one("#describe", Input).has_focus:
            self.table.focus()
        else:
            self.dismiss()
