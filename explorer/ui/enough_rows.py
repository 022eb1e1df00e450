"""What would be enough, as rows: machines of the catalog, and changes to the one at hand."""

from collections.abc import Sequence

from explorer.fit.enough import Setup
from explorer.fit.upgrades import Upgrade
from explorer.fit.values import Answer, Range
from explorer.ui.listing import best_here
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.units import memory, speed, tokens

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


def setup_cells(setup: Setup) -> Sequence[Cell]:
    """One machine that is enough."""
    hosted = setup.answer.on_host
    return (
        memory(setup.memory_bytes),
        (Run(setup.machine.name), Run(f"  {hosted} in RAM" if hosted else "", "accent")),
        memory(setup.answer.memory.total),
        rate(setup.answer.speed.decode),
        Run(setup.family, "dim"),
        Run(", ".join(setup.alike), "dim"),
    )


Change = tuple[str, Answer, bool]
"""What is changed, what comes of it, and whether that is better."""


def changes(upgrades: Sequence[Upgrade]) -> tuple[Change, ...]:
    """The machine as it is, then each change."""
    if not upgrades:
        return ()
    return (
        ("as it is", upgrades[0].before, True),
        *((one.change, one.after, one.helps) for one in upgrades),
    )


def change_cells(change: Change) -> Sequence[Cell]:
    """One change; what does not help steps back."""
    name, answer, helps = change
    most = tokens(answer.max_context_tokens) if answer.max_context_tokens else "-"
    if not helps:
        return (Run(f"{name}: no help", "dim"), "", "", "")
    return (name, best_here(answer, estimated=False), most, rate(answer.speed.decode))


def rate(decode: Range | None) -> Cell:
    """Tokens a second to expect."""
    return speed(decode.expected) if decode else Run("?", "dim")
