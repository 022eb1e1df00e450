"""What would be enough, as rows: machines of the catalog, and changes to the one at hand."""

from collections.abc import Sequence
from typing import NamedTuple

from explorer.fit.enough import Setup
from explorer.fit.upgrades import Upgrade, unhelpful
from explorer.fit.values import Answer, Range
from explorer.hardware.machine import Machine
from explorer.ui.listing import best_here
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.units import memory, most_tokens, speed

SETUPS = (
    Column("memory", "Memory", 8, align="right", sortable=False),
    Column("machine", "Machine", 26, flex=3, most=44, sortable=False),
    Column("needs", "Needs", 8, align="right", sortable=False),
    Column("decode", "Decode", 7, align="right", sortable=False),
    Column("family", "Family", 18, drop=1, flex=1, most=26, sortable=False),
    Column("alike", "As large", 20, drop=2, flex=4, sortable=False),
)
UPGRADES = (
    Column("change", "Change", 34, flex=3, most=60, sortable=False),
    Column("best", "Best then", 19, sortable=False),
    Column("most", "Most context", 12, align="right", drop=1, sortable=False),
    Column("decode", "Decode", 7, align="right", sortable=False),
)


def setup_cells(setup: Setup, own: Machine) -> Sequence[Cell]:
    """One machine that is enough; the one in use is marked."""
    hosted = setup.answer.on_host
    mark = f"  {hosted} in RAM" if hosted else "  in use" if setup.is_like(own) else ""
    return (
        memory(setup.memory_bytes),
        (Run(setup.machine.name), Run(mark, "accent")),
        memory(setup.answer.needed.total),
        rate(setup.answer.speed.decode),
        Run(setup.family, "dim"),
        Run(", ".join(setup.alike), "dim"),
    )


class Change(NamedTuple):
    """One line of what a machine would become."""

    name: str
    answer: Answer | None
    """What comes of it; None for changes that bring nothing."""
    machine: Machine | None
    """To judge for; None for the machine as it is."""


def changes(upgrades: Sequence[Upgrade]) -> tuple[Change, ...]:
    """The machine as it is, each change that helps, and in a line those that do not."""
    if not upgrades:
        return ()
    idle = unhelpful(upgrades)
    return (
        Change("as it is", upgrades[0].before, None),
        *(Change(one.change, one.after, one.machine) for one in upgrades if one.helps),
        *((Change(f"no help: {idle}", None, None),) if idle else ()),
    )


def change_cells(change: Change) -> Sequence[Cell]:
    """One change; what does not help steps back."""
    name, answer, _ = change
    if answer is None:
        return (Run(name, "dim"), "", "", "")
    most = "-"
    if answer.max_context_tokens:
        most = most_tokens(answer.max_context_tokens, answer.limit_tokens)
    return (name, best_here(answer, estimated=False), most, rate(answer.speed.decode))


def rate(decode: Range | None) -> Cell:
    """Tokens a second to expect."""
    return speed(decode.expected) if decode else Run("?", "dim")
