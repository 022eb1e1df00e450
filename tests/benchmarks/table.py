"""The table of 150,000 tensors: shown, a key to its paint, a filter, beside Textual's DataTable.

    python -m tests.benchmarks.table

DataTable gets 15,000 rows only, a tenth, with fixed column widths: it would take too long otherwise.
Nothing is asserted: times are for people.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from textual.app import App, ComposeResult
from textual.widget import Widget
from textual.widgets import DataTable

from explorer.ui.tensor_rows import TENSOR_COLUMNS, TensorRows
from explorer.ui.widgets.table import VirtualTable
from explorer.weights.components import Component, Part
from explorer.weights.counts import Described
from explorer.weights.packing import Role, Unpacked
from explorer.weights.tensor_filter import parse_filter
from explorer.weights.tensor_table import Row, TensorTable
from explorer.weights.tensors import Tensor
from explorer.weights.tree import build

TENSORS = 150_000
SIZE = (160, 50)
KEYS = 30


def tensors(count: int) -> TensorTable:
    """A mixture of experts of this many tensors."""
    rows = tuple(_rows(count))
    return TensorTable(rows, tuple(row.name.lower() for row in rows))


def _rows(count: int) -> Iterator[Row]:
    shape = (2048, 7168)
    size = 2 * 2048 * 7168
    unpacked = Unpacked(size // 2, shape, Role.WEIGHT)
    parts = ("gate", "up", "down")
    kinds = [
        Described(
            f"model.layers.*.mlp.experts.*.{part}_proj.weight",
            unpacked,
            Component.BACKBONE,
            Part.ROUTED_EXPERT,
        )
        for part in parts
    ]
    for number in range(count):
        matrix, kind = divmod(number, 3)
        layer, expert = divmod(matrix, 256)
        name = f"model.layers.{layer}.mlp.experts.{expert}.{parts[kind]}_proj.weight"
        tensor = Tensor(name, "BF16", shape, number * size, size)
        path = f"model-{layer // 2 + 1:05}-of-00098.safetensors"
        yield Row.of(path, tensor, kinds[kind])


class Shown(App[None]):
    """An app of one table."""

    def __init__(self, table: Widget) -> None:
        super().__init__()
        self.table = table

    def compose(self) -> ComposeResult:
        """The table alone."""
        yield self.table


async def measure(table: Widget, fill: Callable[[], None]) -> tuple[float, float, float]:
    """Seconds to fill and paint, and for the median arrow key and page key, until painted."""
    app = Shown(table)
    async with app.run_test(size=SIZE) as pilot:
        table.focus()
        await pilot.pause()
        started = time.perf_counter()
        fill()
        painted(app)
        filled = time.perf_counter() - started
        moves: dict[str, list[float]] = {"down": [], "pagedown": []}
        for _ in range(KEYS):
            for key, taken in moves.items():
                action = {"down": "cursor_down", "pagedown": "page_down"}
                step = {"down": "move(1)", "pagedown": "page(1)"}
                started = time.perf_counter()
                named = step[key] if isinstance(table, VirtualTable) else action[key]
                await app.run_action(named, default_namespace=table)
                painted(app)
                taken.append(time.perf_counter() - started)
                await pilot.pause()
    return filled, statistics.median(moves["down"]), statistics.median(moves["pagedown"])


def painted(app: App[None]) -> None:
    """Lay out and paint the whole screen at once, as the terminal would get it."""
    screen = app.screen
    screen._refresh_layout()
    screen._compositor.render_strips()


def timed(work: Callable[[], object]) -> float:
    """The best of five runs, in seconds."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


async def main() -> None:
    """Print both tables side by side, then what happens off the screen."""
    table = tensors(TENSORS)
    own = VirtualTable(TENSOR_COLUMNS)

    def fill_own() -> None:
        own.rows = TensorRows(table, range(len(table.rows)))

    stock: DataTable[str] = DataTable()

    def fill_stock() -> None:
        for column in TENSOR_COLUMNS:
            stock.add_column(column.label, width=column.width)
        few = TensorRows(table, range(TENSORS // 10))
        stock.add_rows([str(cell) for cell in few.row(index)] for index in range(len(few)))

    ours = await measure(own, fill_own)
    theirs = await measure(stock, fill_stock)
    print(f"{'':34} {'VirtualTable':>14} {'DataTable':>14} {'ratio':>7}")
    print(f"{'rows':34} {TENSORS:14,} {TENSORS // 10:14,}")
    for name, one, other in zip(("shown", "arrow key", "page key"), ours, theirs, strict=True):
        print(f"{name + ', ms':34} {1000 * one:14.1f} {1000 * other:14.1f} {other / one:7.1f}")
    filters = ("experts.17", "*.down_proj.*", "dtype:bf16", ">10M", "shape:2048x*")
    for text in filters:
        wanted = parse_filter(text)
        print(f"{'filter ' + text + ', ms':34} {1000 * timed(partial(wanted.apply, table)):14.1f}")
    print(f"{'tree built, ms (in a thread)':34} {1000 * timed(partial(build, table)):14.1f}")


if __name__ == "__main__":
    asyncio.run(main())
