"""The JSON of ``weights diff``."""

from collections.abc import Sequence

from explorer.cli.contract import SCHEMA_VERSION, Json, transfer_json
from explorer.hub.source import Transfer
from explorer.inspection.model import Model
from explorer.inspection.structure import Structure
from explorer.weights.difference import Change


def structure_json(found: Structure, transfer: Transfer) -> dict[str, Json]:
    """The object that ``diff`` prints."""
    difference = found.difference
    return {
        "schema_version": SCHEMA_VERSION,
        "same": found.same,
        "comparable": difference.comparable,
        "before": _side(found.first),
        "after": _side(found.second),
        "unchanged": difference.unchanged,
        "added": _changes(difference.added),
        "removed": _changes(difference.removed),
        "reshaped": _changes(difference.reshaped),
        "retyped": _changes(difference.retyped),
        "renamed": [
            {"before": one.before, "after": one.after, "tensors": one.tensors}
            for one in difference.renamed
        ],
        "ambiguous": list(difference.ambiguous),
        "roles": [
            {"role": one.role, "before": one.before, "after": one.after} for one in found.roles
        ],
        "warnings": list(found.warnings),
        "transfer": transfer_json(transfer),
    }


def _side(model: Model) -> dict[str, Json]:
    counts = model.checkpoint.counts
    return {
        "id": model.id,
        "revision": model.repo.commit,
        "format": model.checkpoint.format,
        "tensors": counts.tensors,
        "stored_bytes": counts.stored_bytes,
        "parameters": {
            "total": counts.parameters,
            "by_dtype": dict(counts.by_dtype),
            "by_component": dict(counts.by_component),
        },
    }


def _changes(changes: Sequence[Change]) -> list[Json]:
    return [
        {
            "pattern": change.pattern,
            "tensors": change.tensors,
            "before": change.before or None,
            "after": change.after or None,
            "parameters": change.parameters,
        }
        for change in changes
    ]
