"""The folder that a snapshot is built from, read with suspicion.

FOLDER/listing.jsonl.gz          one row of the listing a line
FOLDER/models/INDEX.tsv          models with headers: totals and where they come from
FOLDER/models/<org>__<name>/     config.json, other small JSON files (``vae__config.json`` for
                                 ``vae/config.json``), header.json.gz or one a component:
                                 {"tensors": {name: [dtype, shape]}}
"""

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

from explorer.errors import HeaderError, UsageError
from explorer.hub.layout import size_bytes

Tensors: TypeAlias = dict[str, tuple[str, tuple[int, ...]]]

_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_LARGEST_TEXT = 4 << 20
_LARGEST_HEADER = 64 << 20


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A line of INDEX.tsv."""

    id: str
    published_total: int | None
    """The hub's logical total."""
    stored_elements: int | None
    """Sum over the header; None for models of several components."""
    tensors: int | None
    config_provenance: str
    header_provenance: str


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A line of the listing."""

    id: str
    downloads: int | None
    likes: int | None
    license: str | None
    task: str | None
    model_type: str | None
    created: str | None
    languages: tuple[str, ...]
    gguf_repos: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InputModel:
    """Everything that a model's folder holds."""

    index: IndexRow
    texts: Mapping[str, Mapping[str, Any]]
    """Path in the repository to parsed JSON."""
    components: Mapping[str, Tensors]
    """Folder in the repository to tensors; the empty folder for a model of one piece."""

    @property
    def quantized(self) -> bool:
        """Whether what is stored is not what is counted."""
        return "quantization_config" in self.texts.get("config.json", {}) or (
            "hf_quant_config.json" in self.texts
        )


def read_listing(folder: Path) -> list[ListedModel]:
    """Rows of the listing. Raises HeaderError naming the line that is not one."""
    path = folder / "listing.jsonl.gz"
    rows = []
    for number, line in enumerate(_inflated(path, _LARGEST_HEADER).splitlines(), 1):
        try:
            rows.append(_listed(json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            raise HeaderError(f"{path.name}, line {number} is not a row", str(error)) from error
    if repeated := [name for name, n in Counter(row.id for row in rows).items() if n > 1]:
        raise HeaderError(f"{path.name} has {repeated[0]} twice")
    return rows


def read_index(folder: Path) -> list[IndexRow]:
    """Lines of INDEX.tsv. Raises HeaderError naming the line that is not one."""
    path = folder / "models" / "INDEX.tsv"
    if not path.is_file():
        raise UsageError(f"{folder} has no models/INDEX.tsv", hint="name the folder of the data")
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), 2):
            try:
                rows.append(_index_row(row))
            except (KeyError, TypeError, ValueError) as error:
                raise HeaderError(f"INDEX.tsv, line {number} is not one", str(error)) from error
    return rows


def read_model(folder: Path, row: IndexRow) -> InputModel:
    """Texts and tensors of one model, checked against its line of the index. Raises HeaderError."""
    place = folder / "models" / row.id.replace("/", "__")
    if not place.is_dir():
        raise HeaderError(f"INDEX.tsv names {row.id}, which has no folder")
    texts = {
        path.name.replace("__", "/"): _read_json(path, _LARGEST_TEXT)
        for path in sorted(place.glob("*.json"))
        if not path.name.endswith(".index.json")  # shards are laid out anew, so is their index
    }
    components = {
        _component(path.name): _read_tensors(path) for path in sorted(place.glob("*header.json.gz"))
    }
    for path in sorted(place.glob("*.safetensors.index.json")):
        part = path.name.rpartition("__")[0]
        if part not in components:
            raise HeaderError(f"{_where(path)} is an index without a header")
        components[part] = _as_published(path, components[part], components)
    model = InputModel(row, texts, components)
    _check(model)
    return model


def elements_by_dtype(tensors: Tensors) -> Counter[str]:
    """Stored elements by type, as the hub counts them: scalars are left out."""
    counts: Counter[str] = Counter()
    for dtype, shape in tensors.values():
        if shape:
            counts[dtype] += prod(shape)
    return counts


def _as_published(path: Path, tensors: Tensors, components: Mapping[str, Tensors]) -> Tensors:
    """The tensors as the published index beside them says: the same names, the same bytes in all.

    A config may not name the type of its tensors, and the header made from it has F32. If the index
    counts half as many bytes, they are of the 16-bit type that the model's other components have.
    """
    index = _read_json(path, _LARGEST_TEXT)
    placed, total = index.get("weight_map"), _total_size(path, index)
    if not isinstance(placed, dict) or placed.keys() != tensors.keys():
        raise HeaderError(f"{_where(path)} names other tensors than the header")
    stored = sum(size_bytes(*entry) for entry in tensors.values())
    if total == stored:
        return tensors
    halves = {dtype for part in components.values() for dtype, _ in part.values()} & {"F16", "BF16"}
    if (
        {dtype for dtype, _ in tensors.values()} == {"F32"}
        and 2 * total == stored
        and len(halves) == 1
    ):
        half = halves.pop()
        return {name: (half, shape) for name, (_, shape) in tensors.items()}
    raise HeaderError(f"{_where(path)} has {total} bytes, the header {stored}")


def _total_size(path: Path, index: Mapping[str, Any]) -> int:
    metadata = index.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if type(total) is not int:
        raise HeaderError(f"{_where(path)} has no total size")
    return total


def _check(model: InputModel) -> None:
    row = model.index
    if not model.components:
        raise HeaderError(f"{row.id} has no header")
    if not {"config.json", "model_index.json"} & set(model.texts):
        raise HeaderError(f"{row.id} has no config.json")
    if row.stored_elements is None:
        return
    tensors = [shape for part in model.components.values() for _, shape in part.values()]
    elements = sum(map(prod, tensors))
    if elements != row.stored_elements or row.tensors not in {None, len(tensors)}:
        raise HeaderError(
            f"{row.id}: the header has {elements} elements in {len(tensors)} tensors",
            f"INDEX.tsv says {row.stored_elements} in {row.tensors}",
        )


def _read_tensors(path: Path) -> Tensors:
    tensors: Tensors = {}
    declared = _read_json(path, _LARGEST_HEADER).get("tensors")
    if not isinstance(declared, dict) or not declared:
        raise HeaderError(f"{_where(path)} has no tensors")
    for name, entry in declared.items():
        try:
            tensors[name] = _declared(entry)
        except (TypeError, ValueError, HeaderError) as error:
            raise HeaderError(f"{_where(path)}: tensor {name!r}", str(error)) from error
    return tensors


def _declared(entry: Any) -> tuple[str, tuple[int, ...]]:
    dtype, shape = entry
    if not isinstance(dtype, str) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"{entry!r} is no type and shape")
    size_bytes(dtype, shape)
    return dtype, tuple(shape)


def _component(name: str) -> str:
    return name.removesuffix("header.json.gz").removesuffix(".")


def _read_json(path: Path, limit: int) -> dict[str, Any]:
    data = _inflated(path, limit) if path.suffix == ".gz" else path.read_bytes()
    if len(data) > limit:
        raise HeaderError(f"{_where(path)} is longer than {limit} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"{_where(path)} is not JSON", str(error)) from error
    if not isinstance(value, dict):
        raise HeaderError(f"{_where(path)} is not a JSON object")
    return value


def _inflated(path: Path, limit: int) -> bytes:
    if not path.is_file():
        raise UsageError(f"{path.parent} has no {path.name}", hint="name the folder of the data")
    try:
        with gzip.open(path) as file:
            data = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise HeaderError(f"{_where(path)} is not gzip", str(error)) from error
    if len(data) > limit:
        raise HeaderError(f"{_where(path)} inflates to more than {limit} bytes")
    return data


def _where(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _index_row(row: Mapping[str, str]) -> IndexRow:
    stored = _count(row["stored_elements"])
    return IndexRow(
        id=_model_id(row["id"]),
        published_total=_count(row["published_total"]),
        stored_elements=stored,
        tensors=_count(row["tensors"]) if stored is not None else None,
        config_provenance=_said(row["config_provenance"]),
        header_provenance=_said(row["header_provenance"]),
    )


def _listed(row: Mapping[str, Any]) -> ListedModel:
    created = row["createdAt"]
    return ListedModel(
        id=_model_id(row["id"]),
        downloads=_optional_count(row["downloads"]),
        likes=_optional_count(row["likes"]),
        license=_optional_text(row["license"]),
        task=_optional_text(row["pipeline_tag"]),
        model_type=_optional_text(row["model_type"]),
        created=date.fromisoformat(created).isoformat() if created else None,
        languages=tuple(_texts(row["languages"])),
        gguf_repos=tuple(_model_id(name) for name in _texts(row["gguf_repos"])),
    )


def _model_id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of a model")
    return value


def _count(text: str) -> int | None:
    if text and not text.isdigit():
        raise ValueError(f"{text!r} is not a count")
    return int(text) if text else None


def _said(text: str) -> str:
    if not text:
        raise ValueError("where it comes from is not said")
    return text


def _optional_count(value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"{value!r} is not a count")
    return value


def _optional_text(value: Any) -> str | None:
    """Text, or None where the listing says that it does not know."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return None if value in {"", "unknown"} else value


def _texts(value: Any) -> Iterator[str]:
    for item in value or ():
        if not isinstance(item, str):
            raise TypeError(f"{item!r} is not text")
        yield item
