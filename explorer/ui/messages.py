"""Requests that screens make of the app, and how a fault of the program itself is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from explorer.errors import ExplorerError
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing, ModelRef
from explorer.userfile import Remembered

if TYPE_CHECKING:
    from explorer.inspection.rows import Row

MACHINE_SCREEN = "machine"
"""Id of the machine screen, which is not opened on top of itself."""
WATCHED_SCREEN = "watched-screen"
"""Id of the watch list, likewise."""
COMPARE_SCREEN = "compare-screen"
"""Id of the screen with the marked models, likewise."""


@dataclass
class OpenModel(Message):
    """Look into a model."""

    ref: ModelRef
    marked: bool = False
    """It is to be had where it was marked, whatever is listed now."""
    row: "Row | None" = None
    """What is known of it already."""


@dataclass
class ToggleMark(Message):
    """Mark a model for a comparison, or take the mark away."""

    ref: ModelRef


@dataclass
class ToggleWatch(Message):
    """Keep an eye on a model, or no longer."""

    listing: Listing
    """As far as it is known."""


@dataclass
class Looked(Message):
    """A person looked at these models: what changes from now on is new, where they are watched."""

    listings: tuple[Listing, ...]


@dataclass
class DiffModels(Message):
    """Hold the tensors of two models against each other."""

    first: ModelRef
    second: ModelRef


@dataclass
class Remember(Message):
    """Change what is remembered from one start to the next."""

    edit: Callable[[Remembered], Remembered]


@dataclass
class SourceAnswered(Message):
    """The source gave something: its title may tell now where that came from."""


@dataclass
class UseMachine(Message):
    """Judge everything for this machine from now on; None goes back to the detected one."""

    machine: Machine | None
    spec: str = ""
    """What describes it, so that it can be remembered."""
    described: bool = False
    """A person described it, rather than picked it."""


def own_fault(error: BaseException | None) -> ExplorerError:
    """A fault nobody foresaw, as an error a person can read and report."""
    return ExplorerError(
        f"a fault in weights itself: {type(error).__name__}",
        str(error),
        "what is on the screen stays; please report this",
    )
