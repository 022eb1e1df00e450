"""Two opened models held against each other: their tensors, never their values."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from explorer.fit.roles import Section, place
from explorer.inspection.model import Model
from explorer.weights.checkpoint import Checkpoint
from explorer.weights.difference import Difference, compare

UNKNOWN_ROLE = "other"
"""What no format's table of names knows."""


class RoleTotal(NamedTuple):
    """Logical parameters that serve one purpose on either side."""

    role: str
    """GGUF's word for it: ``attn_q``, ``ffn_down_exps``; with the tower's name before it."""
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Structure:
    """How the tensors of a second model differ from a first's."""

    first: Model
    second: Model
    difference: Difference
    roles: tuple[RoleTotal, ...] = ()
    """What is compared where names are not: GGUF's against those of another format."""

    @property
    def same(self) -> bool:
        """The structure is the same; by purpose, where names are not comparable."""
        if self.difference.comparable:
            return self.difference.same
        return bool(self.roles) and all(role.before == role.after for role in self.roles)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What stands in the way of trusting the comparison, with the model it is about."""
        return tuple(
            f"{model.id}: {text}" for model in (self.first, self.second) for text in model.warnings
        )


def hold_against(first: Model, second: Model) -> Structure:
    """Return how the second differs from the first. 100,000 tensors each take half a second."""
    difference = compare(first.checkpoint, second.checkpoint)
    if difference.comparable:
        return Structure(first, second, difference)
    before, after = _by_role(first.checkpoint), _by_role(second.checkpoint)
    roles = (RoleTotal(role, before[role], after[role]) for role in sorted({**before, **after}))
    return Structure(first, second, difference, tuple(roles))


def _by_role(checkpoint: Checkpoint) -> Counter[str]:
    """Logical parameters by purpose."""
    totals: Counter[str] = Counter()
    for _, tensor, described in checkpoint.described():
        if described.unpacked.parameters:
            part = place(tensor.name).part
            role = part.role or UNKNOWN_ROLE
            # Llama's second norm is Gemma's first in name: which is which is the architecture's affair.
            if role.endswith("norm") and role != "output_norm":
                role = "norms"
            tower = "" if part.section is Section.TEXT else f"{part.section.value} "
            totals[tower + role] += described.unpacked.parameters
    return totals
