"""The JSON of ``weights show`` beside the figures: adapters, variants, metadata."""

from collections.abc import Mapping, Sequence

from explorer.cli.contract import Json
from explorer.inspection.adapter import Adapter
from explorer.weights.layout import FileGroup
from explorer.weights.tensors import LongArray, MetadataValue


def adapter_json(value: Adapter | None) -> Json:
    """The ``adapter`` object; null for what is none."""
    if value is None:
        return None
    return {
        "base_model": value.base,
        "rank": value.rank,
        "merged_parameters": value.parameters,
        "merged_size_bytes": value.size_bytes,
        "unknown": value.unknown or None,
    }


def variants_json(groups: Sequence[FileGroup]) -> list[Json]:
    """Further weights of the repository."""
    return [
        {
            "name": group.name,
            "format": group.format,
            "label": group.label,
            "purpose": group.purpose,
            "files": list(group.files),
            "size_bytes": group.size_bytes,
            "complete": group.complete,
        }
        for group in groups
    ]


def metadata_json(values: Mapping[str, MetadataValue]) -> dict[str, Json]:
    """Keys and values of the headers. What was skipped is told by type and length."""
    return {key: _value(value) for key, value in values.items()}


def _value(value: MetadataValue) -> Json:
    if isinstance(value, LongArray):
        return {"array_of": value.element_type, "length": value.length}
    if isinstance(value, tuple):
        return [_finite(item) for item in value]
    return _finite(value)


def _finite(value: str | int | float | bool) -> Json:
    """JSON knows neither infinity nor NaN: they are written as words."""
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return str(value)
    return value
