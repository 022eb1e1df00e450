"""``python -m explorer.hub.snapshot_build FOLDER OUT --date 2026-11``: builds the bundled snapshot.

The folder is described in ``snapshot_input``. The same input gives the same bytes.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer.errors import ExplorerError, UsageError
from explorer.hub.folding import fold
from explorer.hub.layout import component_index, component_shards, index_json
from explorer.hub.snapshot_codec import Component, Model, Row, Texts, write_snapshot
from explorer.hub.snapshot_input import (
    InputModel,
    ListedModel,
    elements_by_dtype,
    read_index,
    read_listing,
    read_model,
)
from explorer.hub.source import RepoFile

_GUESSED = re.compile(
    r"rope_\w+|rotary_\w+|\w+_rope_theta|max_position_embeddings|original_max_position_embeddings"
    r"|n_positions|n_ctx|max_seq(uence)?_len(gth)?|seq_length|model_max_length"
)
"""Fields that a derived config had to guess: rope, and how long a context may be."""

_POSITIONS = re.compile(r"(position_embeddings|embed_positions|wpe)\.weight$")
_COUNTED_COMPONENTS = ("transformer", "unet", "")

_LISTED_ONLY = "listing only"


def build(folder: Path, date: str) -> tuple[bytes, str]:
    """The snapshot of a folder, and a summary for people.

    Raises UsageError for a folder or a date that is none, HeaderError for malformed input.
    """
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", date):
        raise UsageError(f"“{date}” is not a month", hint="write 2026-11")
    inputs = {row.id: read_model(folder, row) for row in read_index(folder)}
    listing = _by_name(read_listing(folder), inputs)
    provenances = _provenances(inputs.values())
    names = sorted(listing.keys() | inputs.keys(), key=lambda name: _popularity(name, listing))
    rows = [_row(name, listing.get(name), inputs.get(name), provenances) for name in names]
    models = [_model(inputs[name]) for name in names if name in inputs]
    data = write_snapshot(date, rows, provenances, models)
    return data, _summary(rows, models, data)


def served_config(model: InputModel) -> Mapping[str, Any]:
    """config.json as the snapshot serves it: of a derived one, nothing that was guessed.

    A length that a tensor of positions confirms is kept.
    """
    config = model.texts.get("config.json", {})
    if not _derived(model):
        return config
    confirmed = {
        shape[0]
        for part in model.components.values()
        for name, (_, shape) in part.items()
        if len(shape) == 2 and _POSITIONS.search(name)
    }
    return _without_guesses(config, confirmed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m explorer.hub.snapshot_build")
    parser.add_argument("folder", type=Path, help="folder with listing.jsonl.gz and models/")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--date", required=True, help="month the data is of: 2026-11")
    chosen = parser.parse_args(arguments)
    try:
        data, summary = build(chosen.folder, chosen.date)
        chosen.out.write_bytes(data)
    except ExplorerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"{chosen.out} cannot be written: {error.strerror}\n")
        return UsageError.exit_code
    sys.stdout.write(f"{summary}\n")
    return 0


def _by_name(listed: Iterable[ListedModel], inputs: Iterable[str]) -> dict[str, ListedModel]:
    """Rows by name. Names that differ in case are one model: as the index spells it, else the first."""
    spelt = {name.lower(): name for name in inputs}
    rows: dict[str, ListedModel] = {}
    for row in listed:
        name = spelt.setdefault(row.id.lower(), row.id)
        rows.setdefault(name, row)
    return rows


def _derived(model: InputModel) -> bool:
    return model.index.config_provenance.startswith("derived")


def _without_guesses(config: Mapping[str, Any], confirmed: set[int]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in config.items():
        if _GUESSED.fullmatch(key) and not (isinstance(value, int) and value in confirmed):
            continue
        kept[key] = _without_guesses(value, confirmed) if isinstance(value, dict) else value
    return kept


def _popularity(name: str, listing: Mapping[str, ListedModel]) -> tuple[int, str]:
    row = listing.get(name)
    return (-(row.downloads or 0) if row else 0, name)


def _provenances(models: Iterable[InputModel]) -> list[str]:
    return [_LISTED_ONLY, *sorted({_provenance(model) for model in models})]


def _provenance(model: InputModel) -> str:
    said = f"config: {model.index.config_provenance}"
    if _derived(model):
        said += ", rope and context left out"
    said += f"; header: {model.index.header_provenance}, shards laid out anew"
    if "" not in model.components:
        said += "; types of tensors as the configs name them, else F32 unless an index tells"
    if model.index.published_total is None and not model.quantized:
        said += "; parameters: counted in the header"
    return said


def _row(
    name: str, listed: ListedModel | None, model: InputModel | None, provenances: Sequence[str]
) -> Row:
    parameters, by_dtype = _parameters(model) if model else (None, {})
    config_type = served_config(model).get("model_type") if model else None
    return Row(
        id=name,
        downloads=listed.downloads if listed else None,
        likes=listed.likes if listed else None,
        license=listed.license if listed else None,
        task=listed.task if listed else None,
        created=listed.created if listed else None,
        model_type=(listed.model_type if listed else None) or config_type,
        languages=listed.languages if listed else (),
        gguf_repos=listed.gguf_repos if listed else (),
        parameters=parameters,
        parameters_by_dtype=by_dtype,
        provenance=provenances.index(_provenance(model) if model else _LISTED_ONLY),
    )


def _parameters(model: InputModel) -> tuple[int | None, dict[str, int]]:
    """The published total, else the header's where nothing is packed; and its types if they add up."""
    counted = next(
        (model.components[part] for part in _COUNTED_COMPONENTS if part in model.components), {}
    )
    by_dtype = dict(sorted(elements_by_dtype(counted).items()))
    stored = sum(by_dtype.values())
    published = model.index.published_total
    total = published if published is not None else None if model.quantized else stored
    return total, by_dtype if stored == total else {}


def _model(model: InputModel) -> Model:
    components = tuple(
        Component(folder, fold(tensors)) for folder, tensors in sorted(model.components.items())
    )
    texts = {
        path: _text(served_config(model) if path == "config.json" else value)
        for path, value in sorted(model.texts.items())
    }
    sizes = {path: len(text.encode()) for path, text in texts.items()}
    for component in components:
        parts = component_shards(component.folder, component.groups)
        sizes |= {part.path: len(part.header()) + part.data_bytes for part in parts}
        if len(parts) > 1:
            sizes[component_index(component.folder)] = len(index_json(parts).encode())
    files = tuple(RepoFile(path, size) for path, size in sorted(sizes.items()))
    return Model(model.index.id, Texts(texts, files), components)


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _summary(rows: Sequence[Row], models: Sequence[Model], data: bytes) -> str:
    tensors = sum(
        group.tensors for model in models for part in model.components for group in part.groups
    )
    known = sum(row.parameters is not None for row in rows)
    return (
        f"{len(rows)} rows, {known} with parameters; {len(models)} models with configs and headers, "
        f"{tensors} tensors; {len(data)} bytes"
    )


if __name__ == "__main__":
    sys.exit(main())
