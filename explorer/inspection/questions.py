"""What a person asks beyond whether a model fits: what would be enough, and the most one can have."""

from explorer.fit.enough import Enough, find_enough
from explorer.fit.most import Most, find_most
from explorer.fit.upgrades import Upgrade, upgrades
from explorer.fit.values import Answer, Scenario
from explorer.hardware.machine import Machine
from explorer.inspection.fitting import subject
from explorer.inspection.model import Model


def enough_for(
    model: Model, scenario: Scenario, *, min_tokens_per_second: float | None = None
) -> Enough:
    """The smallest machines of the catalog that run a model, a line a family; see ``find_enough``."""
    found = subject(model, scenario)
    return find_enough(
        found.architecture,
        found.options,
        found.scenario,
        min_tokens_per_second=min_tokens_per_second,
    )


def upgrades_for(model: Model, machine: Machine, scenario: Scenario) -> tuple[Upgrade, ...]:
    """What more RAM, a second card or a larger one would change; see ``upgrades``."""
    found = subject(model, scenario)
    return upgrades(found.architecture, found.options, machine, found.scenario)


def most_of(model: Model, machine: Machine, scenario: Scenario, answer: Answer) -> Most:
    """The largest context, the most sequences and the best quantization beside an explained answer."""
    found = subject(model, scenario)
    return find_most(found.architecture, found.options, machine, found.scenario, answer)
