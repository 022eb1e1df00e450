"""The keys of the Weights tab."""

from textual.binding import Binding, BindingType


def _key(
    key: str, action: str, label: str, name: str, tooltip: str, *, show: bool = False
) -> Binding:
    return Binding(key, action, label, show=show, id=f"weights.{name}", tooltip=tooltip)


WEIGHTS_KEYS: list[BindingType] = [
    _key("slash", "filter", "Filter", "filter", "Narrow by name, dtype, size, shape", show=True),
    _key("v", "view", "Table", "view", "Modules, or every tensor in a table", show=True),
    _key("p", "show('bytes')", "Picture", "picture", "Where the bytes are", show=True),
    _key("i", "show('metadata')", "Metadata", "metadata", "What the files say of themselves"),
    _key("s", "sort", "Sort", "sort", "Order the table by a column"),
    _key("b", "group", "Group by", "group", "Module, layer, dtype, file or component"),
    _key("right", "open(True)", "Open", "open", "Open the module"),
    _key("left", "open(False)", "Close", "close", "Close the module"),
    _key("e", "apart", "Each layer", "apart", "Show folded layers one by one"),
    _key("y", "copy", "Copy name", "copy", "Copy the name under the cursor"),
    _key("x", "export", "Export", "export", "Write what is shown to a CSV or JSON file"),
]
