"""What a person asks beyond whether a model fits: what would be enough, and the most one can have."""

from typing import TYPE_CHECKING

from explorer.fit.most import Most, find_most
from explorer.fit.values import Answer
from explorer.hardware.machine import Machine
from explorer.inspection.fitting import Subject

if TYPE_CHECKING:
    from explorer.fit.enough import Enough
    from explorer.fit.upgrades import Upgrade

# What looks through the whole catalog is imported when it is asked for: most fits never do.


def enough_for(found: Subject, *, min_tokens_per_second: float | None = None) -> "Enough":
    """The smallest machines of the catalog that run a model, a line a family; see ``find_enough``."""
    from explorer.fit.enough import find_enough

    return find_enough(
        found.architecture,
        found.options,
        found.scenario,
        min_tokens_per_second=min_tokens_per_second,
    )


def upgrades_for(found: Subject, machine: Machine) -> "tuple[Upgrade, ...]":
    """What more RAM, a second card or a larger one would change; see ``upgrades``."""
    from explorer.fit.upgrades import upgrades

    return upgrades(found.architecture, found.options, machine, found.scenario)


def most_of(found: Subject, machine: Machine, answer: Answer) -> Most:
    """The largest context, the most sequences and the best quantization beside an explained answer."""
    return find_most(found.architecture, found.options, machine, found.scenario, answer)
