"""What a person asks beyond whether a model fits: what would be enough, and the most one can have."""

from explorer.fit.enough import Enough, find_enough
from explorer.fit.most import Most, find_most
from explorer.fit.upgrades import Upgrade, upgrades
from explorer.fit.values import Answer
from explorer.hardware.machine import Machine
from explorer.inspection.fitting import Subject


def enough_for(found: Subject, *, min_tokens_per_second: float | None = None) -> Enough:
    """The smallest machines of the catalog that run a model, a line a family; see ``find_enough``."""
    return find_enough(
        found.architecture,
        found.options,
        found.scenario,
        min_tokens_per_second=min_tokens_per_second,
    )


def upgrades_for(found: Subject, machine: Machine) -> tuple[Upgrade, ...]:
    """What more RAM, a second card or a larger one would change; see ``upgrades``."""
    return upgrades(found.architecture, found.options, machine, found.scenario)


def most_of(found: Subject, machine: Machine, answer: Answer) -> Most:
    """The largest context, the most sequences and the best quantization beside an explained answer."""
    return find_most(found.architecture, found.options, machine, found.scenario, answer)
