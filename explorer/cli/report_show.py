"""What ``weights show`` prints beside the figures: adapters, variants, metadata."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from explorer import units
from explorer.cli.table import Column, facts, lines
from explorer.weights.metadata import written

if TYPE_CHECKING:
    from explorer.inspection.adapter import Adapter
    from explorer.inspection.model import Model
    from explorer.weights.layout import FileGroup
    from explorer.weights.tensors import MetadataValue


def active(model: "Model") -> str:
    """Active parameters as the publisher counts them, and as others would."""
    usual = model.active_parameters
    without = model.active_counted(input_embedding=False)
    including = model.active_counted(input_embedding=True)
    if usual is None or without == including:
        return units.count(usual)
    if usual == without:
        return f"{units.count(usual)} ({units.count(including)} with the input embedding)"
    return f"{units.count(usual)} ({units.count(without)} without the input embedding)"


def adapter(value: "Adapter | None") -> list[tuple[str, str]]:
    """The base model and what the two are together."""
    if value is None:
        return []
    merged = f"unknown: {value.unknown}"
    if value.parameters is not None:
        size = f", {units.file_size(value.size_bytes)}" if value.size_bytes else ""
        merged = f"{units.count(value.parameters)} parameters{size}: as large as the base"
    return [
        ("adapter of", value.base or "unknown"),
        ("rank", str(value.rank) if value.rank else ""),
        ("merged", merged),
    ]


def variants(groups: "Sequence[FileGroup]") -> list[str]:
    """Further weights of the repository, a line each; nothing if there are none."""
    if not groups:
        return []
    columns = [
        Column("also there", flexible=True),
        Column("format"),
        Column("label"),
        Column("files", right=True),
        Column("size", right=True),
    ]
    rows = [
        (
            group.name,
            group.format,
            group.label or (group.purpose if group.purpose != "weights" else ""),
            f"{len(group.files)}" if group.complete else f"{len(group.files)} of {group.parts}",
            units.file_size(group.size_bytes),
        )
        for group in groups
    ]
    return ["", *lines(columns, rows)]


def metadata(values: "Mapping[str, MetadataValue]") -> list[str]:
    """Keys and values of the headers."""
    if not values:
        return ["", "no metadata in the headers"]
    return ["", *facts((key, written(value)) for key, value in values.items())]
