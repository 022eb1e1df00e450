"""What the app is given to work with, so that it runs on the hub, the snapshot or a test's values alike."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import ModelRef, Query, Source
from explorer.userfile import UserFile


def utc_now() -> datetime:
    """The present moment, as ages are counted from it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Session:
    """Everything the app needs from outside. Nothing here is called before the first frame is painted."""

    open_source: Callable[[], Source]
    """Called in a thread, since it may import an HTTP client."""
    detect: Callable[[], Machine]
    """Reads this machine; called in a thread."""
    sources: Mapping[str, Callable[[], Source]] = field(default_factory=dict)
    """Other sources to list from, by what they are called; called in a thread."""
    local: str = ""
    """Which of them names its models by their path on this machine."""
    open_user_file: Callable[[], UserFile] | None = None
    """Where marks, searches and settings are remembered; None remembers nothing."""
    machine: Machine | None = None
    """A machine to judge for instead of the detected one."""
    scenario: Scenario = field(default_factory=Scenario)
    query: Query = field(default_factory=Query)
    """What is listed first."""
    model: ModelRef | None = None
    """Opened at once, where the person named one."""
    now: Callable[[], datetime] = utc_now
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits as long as the hub asks for."""
    pause_seconds: float = 0.25
    """How long typing must rest before it searches."""
