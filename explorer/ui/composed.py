"""Whether a screen or a tab has its children.

They are missing before it is composed, and for good where the app is closed in between: Textual then
still mounts it, sets its reactives and ends its workers.
"""

from textual.widget import Widget


def is_composed(parent: Widget) -> bool:
    """It is mounted with children of its own, not only the toasts and tooltips that every screen has."""
    own = (child for child in parent.children if not child.has_class("-textual-system"))
    return parent.is_mounted and any(own)
