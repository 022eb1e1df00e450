"""The memory bar: what each device holds. Every part has its own pattern, to read in black and white."""

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from explorer.fit.values import HOST, Answer, Memory, Placed
from explorer.safetext import safe_line
from explorer.ui.text import fit_end, flow
from explorer.units import gib

LABEL_CELLS = 18
"""The name of a device is cut to so many."""
WITH_LABELS = 44
"""On fewer cells the bars go without the names of their devices."""


class Part(NamedTuple):
    """One kind of content: how it is named, drawn and coloured."""

    name: str
    glyph: str
    style: str
    size_bytes: int


def parts(memory: Memory) -> tuple[Part, ...]:
    """The parts of a memory that hold anything, in the order they are drawn."""
    every = (
        Part("weights", "▇", "$text-primary", memory.weights),
        Part("KV", "▓", "$text-accent", memory.kv_cache),
        Part("state", "▒", "$text-accent", memory.recurrent_state),
        Part("compute", "#", "$text-secondary", memory.compute),
        Part("overhead", "=", "$foreground-muted", memory.overhead),
    )
    return tuple(part for part in every if part.size_bytes > 0)


def share(sizes: Sequence[int], whole: int, width: int) -> list[int]:
    """Cells of ``width`` for each size of a whole.

    Together they are as many as all of it takes, at least one. Each size that is not nothing has one of
    them as far as they go round, the largest first.
    """
    if whole <= 0 or width <= 0 or not any(sizes):
        return [0] * len(sizes)
    exact = [size * width / whole for size in sizes]
    wanted = max(min(round(sum(exact)), width), 1)
    seen = sorted(range(len(sizes)), key=lambda i: -exact[i])[:wanted]
    cells = [
        max(int(value), 1) if size and i in seen else 0
        for i, (value, size) in enumerate(zip(exact, sizes, strict=True))
    ]
    by_rest = sorted(seen, key=lambda i: exact[i] - cells[i])
    while sum(cells) < wanted:
        cells[by_rest.pop()] += 1
    while sum(cells) > wanted:
        cells[cells.index(max(cells))] -= 1
    return cells


def draw(memory: Memory, capacity_bytes: int, width: int) -> Content:
    """One bar of exactly ``width`` cells. Where the memory exceeds the capacity, ``┃`` marks the capacity."""
    held = parts(memory)
    whole = max(capacity_bytes, memory.total)
    cells = share([part.size_bytes for part in held], whole, width)
    drawn = [(part.glyph * count, part.style) for part, count in zip(held, cells, strict=True)]
    free = width - sum(cells)
    bar = Content.assemble(*drawn, ("·" * free, "$foreground-muted"))
    if memory.total > capacity_bytes > 0:
        limit = min(capacity_bytes * width // whole, width - 1)
        bar = bar[:limit] + Content.styled("┃", "bold $text-error") + bar[limit + 1 :]
    return bar


def legend(memory: Memory, free_bytes: int, width: int, lines: int = 1) -> Content:
    """The parts with their glyphs and GiB, on up to so many lines; shortened when there is little room."""
    named, dense = _named(memory, free_bytes), _named(memory, free_bytes, dense=True)
    for pieces, gap, most in (
        (named, 2, 1), (dense, 1, 1), (named, 2, lines), (_lettered(memory, free_bytes), 1, 1),
    ):  # fmt: skip
        text = flow(pieces, width, gap)
        if len(text.split("\n")) <= most and text.cell_length <= width * most:
            return text
    return text.split("\n")[0].truncate(width, ellipsis=True)


def _named(memory: Memory, free_bytes: int, *, dense: bool = False) -> list[Content]:
    blank, unit = ("", "") if dense else (" ", " GiB")
    held = [
        Content.assemble(
            (part.glyph, part.style), f"{blank}{part.name} ", (gib(part.size_bytes), "bold")
        )
        for part in parts(memory)
    ]
    mark, rest = ("·", "free") if free_bytes >= 0 else ("┃", "short of")
    tone = "$foreground-muted" if free_bytes >= 0 else "$text-error"
    return [*held, Content.styled(f"{mark}{blank}{rest} {gib(abs(free_bytes))}{unit}", tone)]


def _lettered(memory: Memory, free_bytes: int) -> list[Content]:
    held = [
        Content.assemble((part.glyph, part.style), f"{part.name[:2]} {gib(part.size_bytes)}")
        for part in parts(memory)
    ]
    return [*held, Content(f"·{gib(free_bytes)}" if free_bytes >= 0 else f"┃-{gib(-free_bytes)}")]


class Bar(NamedTuple):
    """What one device holds, or each of several equal ones."""

    device: str
    memory: Memory
    capacity_bytes: int
    devices: int = 1


def free(bars: Sequence[Bar]) -> int:
    """What is left on the accelerators; the host counts only where it is alone."""
    devices = [bar for bar in bars if bar.device != HOST] or bars
    return sum(bar.devices * (bar.capacity_bytes - bar.memory.total) for bar in devices)


def bars_of(answer: Answer) -> tuple[Bar, ...]:
    """The bars to draw: one a device, equal ones counted; one alone where device and host share a memory."""
    if not answer.placement:
        devices = answer.machine.devices
        capacity = sum(device.available_bytes for device in devices)
        return (
            Bar(
                answer.machine.name, answer.memory, capacity or answer.machine.host_available_bytes
            ),
        )
    if any(device.unified for device in answer.machine.devices):
        return (_pool(answer),)
    counted: dict[Placed, int] = {}
    for placed in answer.placement:
        counted[placed] = counted.get(placed, 0) + 1
    return tuple(
        Bar(placed.device, placed.memory, placed.capacity_bytes, count)
        for placed, count in counted.items()
    )


def _pool(answer: Answer) -> Bar:
    """The one memory of a device and its host: what the device may use, or all where that is not enough."""
    rooms = [placed.capacity_bytes for placed in answer.placement]
    total = answer.memory.total
    room = rooms[0] if total <= rooms[0] else max(rooms)
    name = next(device.name for device in answer.machine.devices if device.unified)
    return Bar(name, answer.memory, room)


def _label(bar: Bar) -> str:
    return safe_line(bar.device if bar.devices == 1 else f"{bar.devices}x {bar.device}")


class MemoryBar(Widget):
    """The bars of one answer, and their legend."""

    DEFAULT_CSS = """
    MemoryBar { height: auto; width: 1fr; text-wrap: nowrap; }
    """
    answer: reactive[Answer | None] = reactive(None, layout=True)

    def __init__(self, most: int = 4, legend_lines: int = 1) -> None:
        super().__init__()
        self._most = most
        self._legend_lines = legend_lines

    def render(self) -> Content:
        """Bars above their legend; as high as one bar while nothing is known, so that nothing jumps."""
        width = max(self.content_size.width, 1)
        if self.answer is None:
            return Content("\n")
        bars = bars_of(self.answer)
        drawn = bars if len(bars) <= self._most else bars[: self._most - 1]
        labels = min(max(len(_label(bar)) for bar in bars), LABEL_CELLS)
        lines = [self._line(bar, width, labels) for bar in drawn]
        if len(drawn) < len(bars):
            further = f"and {len(bars) - len(drawn)} further devices"
            lines.append(Content.styled(further, "$foreground-muted"))
        lines.append(legend(self.answer.memory, free(bars), width, self._legend_lines))
        return Content("\n").join(lines)

    def _line(self, bar: Bar, width: int, labels: int) -> Content:
        figures = f" {gib(bar.memory.total):>5} of {gib(bar.capacity_bytes)} GiB"
        if bar.devices > 1:
            figures += " each"
        shown = f"{fit_end(_label(bar), labels)}  " if width >= WITH_LABELS else ""
        room = width - len(shown) - len(figures)
        if room < 8:
            return draw(bar.memory, bar.capacity_bytes, width)
        return Content.assemble(
            shown, draw(bar.memory, bar.capacity_bytes, room), (figures, "bold")
        )
