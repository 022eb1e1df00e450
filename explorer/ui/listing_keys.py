"""The keys of the listing."""

from textual.binding import Binding, BindingType


def _key(
    key: str, action: str, label: str, name: str, tooltip: str, *, show: bool = False
) -> Binding:
    return Binding(key, action, label, show=show, id=f"models.{name}", tooltip=tooltip)


LISTING_KEYS: list[BindingType] = [
    _key("slash", "search", "Search", "search", "Words of a name, and filters", show=True),
    _key("plus", "add_filter", "Filter", "filter", "Narrow the listing", show=True),
    _key("s", "choose('sort')", "Sort", "sort", "Order of the listing", show=True),
    _key("f", "choose('fits')", "Fits", "fits", "Only what runs here"),
    _key("t", "choose('task')", "Task", "task", "Only one task"),
    _key("l", "choose('license')", "License", "license", "A license, or what it allows"),
    _key("o", "order", "Order rows", "order", "Order the rows that are loaded by a column"),
    _key("space", "mark", "Mark", "mark", "Mark the model to compare it", show=True),
    _key("asterisk", "watch", "Watch", "watch", "Keep an eye on the model, or no longer"),
    _key("d", "diff", "Diff", "diff", "Hold the tensors of the marked pair against each other"),
    _key("a", "publisher", "Publisher", "publisher", "All models of the publisher of this one"),
    _key("full_stop", "stop", "Stop", "stop", "Stop looking for more, or go on"),
    _key("r", "reload", "Reload", "reload", "List again"),
    _key("h", "recent", "Recent", "recent", "Models that were opened"),
    _key("b", "searches", "Searches", "searches", "Saved searches; save this one"),
    _key("escape", "leave_search", "List", "list", "Back to the list, then clear the search"),
]
