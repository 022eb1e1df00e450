"""The keys that do something at the moment, sorted for the people who look for them."""

from collections.abc import Iterable
from typing import NamedTuple

from textual.app import App
from textual.binding import ActiveBinding

HERE, MOVING, EVERYWHERE = "On this screen", "Moving about", "Everywhere"
_MOVES = ("table.", "heatmap.", "choose.")
"""What the ids of keys begin with that move a cursor."""


class Key(NamedTuple):
    """What is pressed, and what it does."""

    keys: str
    label: str
    tooltip: str


def grouped(app: App[object], bindings: Iterable[ActiveBinding]) -> dict[str, list[Key]]:
    """The keys that do something now, by where they do it; several keys for one thing on one line."""
    pressed: dict[tuple[str, str], list[ActiveBinding]] = {}
    for active in bindings:
        if active.binding.id and active.enabled:
            group = _group(app, active)
            pressed.setdefault((group, active.binding.id), []).append(active)
    found: dict[str, list[Key]] = {group: [] for group in (HERE, MOVING, EVERYWHERE)}
    for (group, _), same in pressed.items():
        binding = same[0].binding
        keys = " ".join(app.get_key_display(each.binding) for each in same)
        found[group].append(Key(keys, binding.description, binding.tooltip))
    return {group: keys for group, keys in found.items() if keys}


def _group(app: App[object], active: ActiveBinding) -> str:
    if moves(active):
        return MOVING
    return EVERYWHERE if active.node is app else HERE


def moves(active: ActiveBinding) -> bool:
    """Whether all a key does is to move a cursor."""
    return (active.binding.id or "").startswith(_MOVES)
