"""The first line of every screen: where the models come from, and which machine they are judged for."""

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.safetext import safe_line
from explorer.units import memory, tokens


class Title(Widget):
    """Left the source, right the machine and the context; what has no room goes from the left."""

    DEFAULT_CSS = """
    Title { height: 1; width: 1fr; padding: 0 2; background: $panel; }
    """

    subject: reactive[str] = reactive("")
    machine: reactive[Machine | None] = reactive(None)
    scenario: reactive[Scenario] = reactive(Scenario)

    def __init__(self, subject: str = "") -> None:
        super().__init__()
        self.set_reactive(Title.subject, subject)

    def render(self) -> Content:
        """One line of exactly the widget's width."""
        width = max(self.content_size.width, 1)
        right = Content(describe(self.machine, self.scenario))
        left = Content.assemble(("weights", "bold $text-primary"), f"  {safe_line(self.subject)}")
        room = width - right.cell_length - 2
        if room < 12:
            return left.truncate(width, ellipsis=True, pad=True)
        return left.truncate(room, ellipsis=True, pad=True) + Content("  ") + right


def describe(machine: Machine | None, scenario: Scenario) -> str:
    """A machine and a context in a few words: ``RTX 4090 24 GiB | 64 GiB RAM | 8K context``.

    One that is not the machine at hand is said to be chosen; memory that a device shares is told once.
    """
    context = tokens(scenario.context_tokens or DEFAULT_CONTEXT)
    if machine is None:
        return f"reading this machine … | {context} context"
    pieces = [("" if machine.detected else "chosen: ") + safe_line(machine.name, 32)]
    shared = any(device.unified for device in machine.devices)
    if machine.devices:
        total = sum(device.memory_bytes for device in machine.devices)
        pieces[0] += f" {memory(total)}{' unified' if shared else ''}"
    if not shared:
        pieces.append(f"{memory(machine.host_memory_bytes)} RAM")
    return " | ".join([*pieces, f"{context} context"])


DEFAULT_CONTEXT = 8192
"""What ``Scenario.context_tokens`` stands for while it is None."""
