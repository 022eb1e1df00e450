"""The line above the map: the machine and how the model is run, each pressed to choose another."""

from collections.abc import Mapping

from textual.content import Content
from textual.reactive import reactive

from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.inspection.choices import Setting
from explorer.safetext import safe_line
from explorer.ui.tuning import Tuning
from explorer.ui.widgets.chips import GAP, Chips
from explorer.units import gib, memory

MACHINE = "machine"
LETTERS: Mapping[str, str] = {
    MACHINE: "m",
    "engine": "e",
    "sequences": "n",
    "KV": "V",
    "unified": "u",
    "drafts": "d",
    "flash": "f",
    "reserve": "r",
}
"""The key of each setting, as it stands in its name."""


class Settings(Chips):
    """On little room the machine is told in fewer words, and then not at all: the title has it too."""

    DEFAULT_CSS = """
    Settings { width: 1fr; padding: 0 2; }
    """

    machines: reactive[tuple[str, ...]] = reactive((), layout=True)
    """The machine in words, the fullest form first."""
    chosen: reactive[frozenset[str]] = reactive(frozenset)
    """Names of what was set by hand."""

    def letter(self, name: str) -> int:
        """Where in a name its key is."""
        return name.index(LETTERS[name])

    def stands_out(self, name: str, value: str) -> bool:
        """What was set by hand."""
        del value
        return name in self.chosen

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """The settings, behind the fullest form of the machine that has room."""
        settings = tuple((name, safe_line(value, 24)) for name, value in self.chips)
        width = self.content_size.width
        for form in self.machines:
            whole = ((MACHINE, safe_line(form, 60)), *settings)
            cells = sum(Content(f"{name} {value}").cell_length for name, value in whole)
            if cells + GAP * len(settings) <= width:
                return whole
        return settings


def machine_forms(machine: Machine | None) -> tuple[str, ...]:
    """A machine from many words to few: ``RTX 4090 24.0 GiB (22.9 free) + 64.0 GiB RAM`` first."""
    if machine is None:
        return ("…",)
    ram = f"{memory(machine.host_memory_bytes)} RAM"
    free_ram = f"{ram} ({gib(machine.host_available_bytes)} free)"
    if not machine.devices:
        return (f"{machine.name}, {free_ram}", machine.name)
    total = sum(device.memory_bytes for device in machine.devices)
    free = sum(device.available_bytes for device in machine.devices)
    if any(device.unified for device in machine.devices):
        own = f"{machine.name} {memory(total)} unified"
        return (f"{own} ({gib(free)} for the GPU)", own, machine.name)
    own = f"{machine.name} {memory(total)} ({gib(free)} free)"
    return (f"{own} + {ram}", own, machine.name)


def settings_of(
    scenario: Scenario, takes: frozenset[Setting], *, by_context: bool = True
) -> tuple[tuple[str, str], ...]:
    """How a model is run, as chips; ``scenario`` is that of an answer, with its defaults filled in.

    ``takes`` are the settings that not every engine has for every model. Without a cache that grows with
    the context there is no type of it to choose, nor sequences to share it.
    """
    pipeline = scenario.engine == "diffusers"
    chips: list[tuple[str, str]] = []
    if not pipeline:
        chips.append(("engine", scenario.engine or ""))
    if by_context:
        chips.append(("sequences", str(scenario.sequences)))
        chips.append(("KV", scenario.kv_dtype or "auto"))
    own: tuple[tuple[Setting, str], ...] = (
        ("unified", "on" if scenario.kv_unified else "off"),
        ("drafts", str(scenario.draft_tokens) if scenario.mtp else "off"),
        ("flash", "on" if scenario.flash_attention else "off"),
    )
    if by_context:
        chips += [(name, value) for name, value in own if name in takes]
    reserve = scenario.reserve_bytes or 0
    chips.append(("reserve", memory(reserve) if reserve else "none"))
    return tuple(chips)


def chosen(tuning: Tuning) -> frozenset[str]:
    """The settings a person changed."""
    values = {
        "engine": tuning.engine,
        "sequences": tuning.sequences,
        "KV": tuning.kv_dtype,
        "flash": tuning.flash_attention,
        "reserve": tuning.reserve_bytes,
        "unified": tuning.kv_unified,
        "drafts": tuning.drafts,
    }
    return frozenset(name for name, value in values.items() if value is not None)
