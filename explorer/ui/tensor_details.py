"""All there is to say of one tensor, or of one module, in three lines."""

from textual.content import Content

from explorer.safetext import safe_line
from explorer.ui.tensor_rows import dimensions
from explorer.ui.text import many
from explorer.weights.tensor_table import Row
from explorer.weights.tree import Node


def tensor_details(row: Row) -> Content:
    """One tensor: where it lies, and what it stands for."""
    stop = row.tensor.start + row.size_bytes
    logical = ""
    if row.logical_shape is not None and row.logical_shape != row.shape:
        logical = f", stands for {dimensions(row.logical_shape)}"
    first = f"{row.dtype}  {dimensions(row.shape)}{logical}  ·  {row.role} of {row.component}"
    second = f"{row.path}  bytes {row.tensor.start:,} to {stop:,}  ({row.size_bytes:,})"
    return _lines(row.name, first, second)


def branch_details(node: Node, path: tuple[str, ...]) -> Content:
    """One module: what it adds up to."""
    if node.leaf and node.tensors == 1:
        return tensor_details(node.first)
    bits = (
        f"  ·  {node.size_bytes * 8 / node.parameters:.2f} bits a parameter"
        if node.parameters
        else ""
    )
    parts = f"{many(node.parameters, 'parameter')} in {many(node.tensors, 'tensor')}{bits}"
    dtypes = ", ".join(sorted(node.dtypes))
    return _lines(".".join(path), parts, f"{node.size_bytes:,} bytes  ·  {dtypes}")


def _lines(name: str, first: str, second: str) -> Content:
    return Content("\n").join(
        [
            Content.styled(safe_line(name), "bold"),
            Content(safe_line(first)),
            Content.styled(safe_line(second), "$foreground-muted"),
        ]
    )
