"""Text of strangers as Textual shows it: never markup, never raw."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from explorer.safetext import safe_line

ELLIPSIS = "…"


def content(text: str) -> Content:
    """One line of anyone's text, for a widget."""
    return Content(safe_line(text))


def many(number: int, one: str, more: str = "") -> str:
    """A number with what it counts: ``1 tensor``, ``18,867 tensors``; ``more`` where an s is not enough."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def fit_end(text: str, width: int) -> str:
    """The text in exactly ``width`` cells, its end cut if it has to be."""
    if text.isascii():
        size = len(text)
        if size <= width:
            return text + " " * (width - size)
        return text[: width - 1] + ELLIPSIS if width > 0 else ""
    size = cell_len(text)
    if size <= width:
        return text + " " * (width - size)
    return set_cell_size(text, width - 1) + ELLIPSIS if width > 0 else ""


def fit_middle(text: str, width: int) -> str:
    """The text in exactly ``width`` cells, cut in the middle: the ends of a path tell most."""
    size = cell_len(text)
    if size <= width:
        return text + " " * (width - size)
    if width <= 2:
        return fit_end(text, width)
    tail = (width - 1) // 2
    end = text[-tail:]
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(text, width - 1 - cell_len(end)) + ELLIPSIS + end


def in_two(name: str, width: int) -> tuple[str, str]:
    """A name in two lines of exactly ``width`` cells, broken behind a dash where there is one.

    The second is blank if the first has room for all of it, and cut in the middle if two are not enough.
    """
    if cell_len(name) <= width:
        return fit_end(name, width), " " * width
    head = set_cell_size(name, width)
    at = max(head.rfind(mark) for mark in "-_.") + 1 or len(head.rstrip())
    return fit_end(name[:at], width), fit_middle(name[at:], width)


def flow(pieces: Sequence[Content], width: int, gap: int) -> Content:
    """Pieces beside each other, on as many lines as they need; none of them is broken."""
    lines: list[list[Content]] = [[]]
    for piece in pieces:
        line = [*lines[-1], piece]
        if lines[-1] and sum(each.cell_length + gap for each in line) - gap > width:
            lines.append([piece])
        else:
            lines[-1] = line
    return Content("\n").join([Content(" " * gap).join(line) for line in lines])
