"""How far a reading has come, drawn in a few cells."""

from textual.content import Content

CELLS = 24


def progress(done: int, total: int) -> Content:
    """``━━━━━━──── 45 of 160``: what is done, what is left, and the numbers."""
    filled = done * CELLS // total if total else 0
    return Content.assemble(
        ("━" * filled, "$text-primary"),
        ("─" * (CELLS - filled), "$foreground-muted"),
        f" {done} of {total}",
    )
