"""Which of a repository's files make up the model, and which are variants of it.

Works on the file list alone; index files and the like make it surer where they are at hand. The rules
are the loaders' own: transformers takes ``model.safetensors`` before ``pytorch_model.bin``, diffusers one
file group a component, PEFT ``adapter_model``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from explorer.weights.gguf_names import Purpose, parse_gguf_name
from explorer.weights.json_values import JsonObject
from explorer.weights.tensors import Format

Kind: TypeAlias = Literal[
    "transformers",
    "diffusers",
    "sentence-transformers",
    "adapter",
    "gguf",
    "torch",
    "safetensors",
    "none",
]

_SHARD = re.compile(
    r"(?P<head>.+?)[-_.](?P<number>[0-9]{4,6})-of-(?P<total>[0-9]{4,6})(?P<tail>.*)"
)
_VARIANT = re.compile(
    r"(?P<base>model|diffusion_pytorch_model|pytorch_model|adapter_model)[._](?P<variant>.+)"
)
# Meta's tensor-parallel files: `consolidated.00.pth`, `consolidated.01.pth`.
_NUMBERED = re.compile(r"^consolidated\.[0-9]{2}$")
_INDEX = re.compile(r"\.(safetensors|bin)\.index(\.[\w-]+)?\.json$")
_FORMATS: dict[str, Format] = {
    ".safetensors": "safetensors",
    ".bin": "torch",
    ".pt": "torch",
    ".pth": "torch",
    ".ckpt": "torch",
    ".gguf": "gguf",
}
# Weights of other runtimes, and what a training run leaves behind.
_FOREIGN = re.compile(
    r"(^|/)(onnx|openvino|coreml|tflite|tf|flax|runs|logs|global_step[0-9]+)/|openvino_\w*\.bin$"
    r"|(^|/)(training_args|optimizer|scheduler|scaler|rng_state\w*|random_states\w*)\.(bin|pt|pth)$"
    r"|(^|/)(tokenizer|sentencepiece)[\w.]*\.(bin|model)$|(^|/)(bpe|spiece)\.\w+$"
)
_MAX_FILES = 200_000
# Which quantization stands for a GGUF repository: what most people run first.
_GGUF_PREFERENCE = (
    "Q4_K_M",
    "UD-Q4_K_XL",
    "MXFP4_MOE",
    "MXFP4",
    "Q4_K_S",
    "Q4_0",
    "Q5_K_M",
    "Q8_0",
)
_ADAPTERS = ("adapter_model", "pytorch_lora_weights")  # PEFT's name, and diffusers'
_USUAL_BASES = ("model", "diffusion_pytorch_model", "adapter_model", "pytorch_model")


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files that hold one set of weights together."""

    name: str
    """For people: ``model``, ``model.fp16``, ``Q4_K_M``, ``original/consolidated``."""
    format: Format
    component: str | None
    """Folder of a pipeline's part; None for the model itself."""
    files: tuple[str, ...]
    """Paths in order."""
    size_bytes: int
    label: str | None = None
    """Quantization as a GGUF's name says it; variant such as ``fp16`` otherwise."""
    purpose: Purpose = "weights"
    """GGUF: vision projectors and importance matrices are no model on their own."""
    parts: int = 0
    """Files that the names or the index promise."""
    base: str = ""
    """Name without shard numbers, variant and ending."""

    @property
    def complete(self) -> bool:
        """All promised files are there."""
        return len(self.files) >= self.parts


@dataclass(frozen=True, slots=True)
class Layout:
    """How a repository is laid out."""

    kind: Kind
    groups: tuple[FileGroup, ...]
    """Everything that holds weights, in path order."""
    default: tuple[FileGroup, ...]
    """What a loader would load: one group, or one a component."""
    base_model: str | None = None
    """The model an adapter was made for."""

    @property
    def variants(self) -> tuple[FileGroup, ...]:
        """Further weights of the repository: other precisions, formats, quantizations."""
        return tuple(group for group in self.groups if group not in self.default)

    @property
    def format(self) -> Format | None:
        """Format of the default weights; None if there are none."""
        return self.default[0].format if self.default else None

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the default weights."""
        return tuple(path for group in self.default for path in group.files)

    @property
    def components(self) -> Mapping[str, str]:
        """Path to component, for the files whose folder decides it."""
        return {
            path: group.component
            for group in self.default
            if group.component is not None
            for path in group.files
        }


class _Parsed(NamedTuple):
    path: str
    folder: str
    base: str
    variant: str
    parts: int
    format: Format


def lay_out(
    files: Iterable[tuple[str, int]], documents: Mapping[str, JsonObject] | None = None
) -> Layout:
    """Return the layout of a repository from its (path, size) list.

    ``documents`` are the JSON files at hand, by path: index files, ``model_index.json``,
    ``modules.json`` (as ``{"modules": [...]}``), ``adapter_config.json``. None of them is needed.
    """
    sizes = dict(list(files)[:_MAX_FILES])
    documents = documents or {}
    groups = _groups(sizes, documents)
    weights = [group for group in groups if group.purpose == "weights"]
    if "model_index.json" in sizes:
        default = _pipeline(weights, documents.get("model_index.json"))
        if default:
            by_folder = tuple(replace(g, component=_folder(g) or None) for g in groups)
            return Layout("diffusers", by_folder, default)
    own = [group for group in weights if "/" not in group.files[0]] or weights
    best = min(own, key=_rank, default=None)
    if best is None:
        return Layout("none", groups, ())
    kind = _kind(best, sizes)
    if kind == "gguf":
        return Layout(kind, groups, (min(own, key=_gguf_rank),))
    if kind == "sentence-transformers":
        return _modules(groups, weights, best)
    parent = documents.get("adapter_config.json", {}).get("base_model_name_or_path")
    adapted = parent if kind == "adapter" and isinstance(parent, str) else None
    return Layout(kind, groups, (best,), adapted)


def _kind(best: FileGroup, sizes: Mapping[str, int]) -> Kind:
    if best.format == "gguf":
        return "gguf"
    configured = "config.json" in sizes
    if best.base in _ADAPTERS or ("adapter_config.json" in sizes and not configured):
        return "adapter"
    if "modules.json" in sizes:
        return "sentence-transformers"
    if configured:
        return "transformers"
    return "torch" if best.format == "torch" else "safetensors"


def _groups(sizes: Mapping[str, int], documents: Mapping[str, JsonObject]) -> tuple[FileGroup, ...]:
    indexed = _indexed(sizes, documents)
    gathered: dict[tuple[str, ...], list[_Parsed]] = {}
    gguf: dict[tuple[str, str], list[str]] = {}
    for path in sorted(sizes):
        file_format = _FORMATS.get("." + path.rpartition(".")[2].lower())
        if file_format is None or _FOREIGN.search(path):
            continue
        if file_format == "gguf":
            key = (path.rpartition("/")[0], parse_gguf_name(path).stem)
            gguf.setdefault(key, []).append(path)
        else:
            parsed = indexed.get(path) or _parse(path, file_format)
            split = str(parsed.parts)
            key_parts = (parsed.folder, parsed.base, parsed.variant, file_format, split)
            gathered.setdefault(key_parts, []).append(parsed)
    plain = [_group(members, sizes) for members in gathered.values()]
    return (*plain, *_gguf_groups(gguf, sizes))


def _parse(path: str, file_format: Format) -> _Parsed:
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0]
    shard = _SHARD.fullmatch(stem)
    parts = 0
    if shard:
        stem, parts = shard["head"] + shard["tail"], int(shard["total"])
    stem = _NUMBERED.sub("consolidated", stem)
    variant = _VARIANT.fullmatch(stem)
    base, label = (variant["base"], variant["variant"]) if variant else (stem, "")
    return _Parsed(path, folder, base, label, parts, file_format)


def _indexed(
    sizes: Mapping[str, int], documents: Mapping[str, JsonObject]
) -> Mapping[str, _Parsed]:
    """Shards by what index files list, which may have any name. Only files that exist count."""
    found: dict[str, _Parsed] = {}
    for path, document in documents.items():
        entry = _INDEX.search(path)
        listed = document.get("weight_map")
        if not entry or path not in sizes or not isinstance(listed, Mapping):
            continue
        folder, _, name = path.rpartition("/")
        base = name.removesuffix(entry[0])
        variant = (entry[2] or "").removeprefix(".")
        file_format: Format = "safetensors" if entry[1] == "safetensors" else "torch"
        shards = {shard for shard in listed.values() if isinstance(shard, str)}
        for shard in shards:
            full = f"{folder}/{shard}" if folder else shard
            if full in sizes and len(shards) > 1:
                found[full] = _Parsed(full, folder, base, variant, len(shards), file_format)
    return found


def _group(members: list[_Parsed], sizes: Mapping[str, int]) -> FileGroup:
    first = members[0]
    name = f"{first.base}.{first.variant}" if first.variant else first.base
    return FileGroup(
        f"{first.folder}/{name}" if first.folder else name,
        first.format,
        None,
        tuple(member.path for member in members),
        sum(sizes[member.path] for member in members),
        first.variant or None,
        parts=first.parts or 1,
        base=first.base,
    )


def _gguf_groups(
    gathered: Mapping[tuple[str, str], list[str]], sizes: Mapping[str, int]
) -> Iterable[FileGroup]:
    labels = [parse_gguf_name(paths[0]).label for paths in gathered.values()]
    for (folder, stem), paths in gathered.items():
        parsed = parse_gguf_name(paths[0])
        own = parsed.label if parsed.purpose == "weights" else None
        # A label names a group only as long as it is the only one of its kind.
        name = own if own and labels.count(own) == 1 else f"{folder}/{stem}".lstrip("/")
        yield FileGroup(
            name,
            "gguf",
            None,
            tuple(paths),
            sum(sizes[path] for path in paths),
            parsed.label,
            parsed.purpose,
            parsed.total,
            stem,
        )


def _rank(group: FileGroup) -> tuple[int, int, int, int, int]:
    """Sort key: the smallest is what a loader would take."""
    formats = {"safetensors": 0, "torch": 1, "gguf": 2}
    usual = _USUAL_BASES.index(group.base) if group.base in _USUAL_BASES else len(_USUAL_BASES)
    # `consolidated` and `original/` repeat the model in its authors' own naming.
    own = group.base.startswith("consolidated") or group.files[0].startswith("original/")
    return (own, formats[group.format], usual, group.label is not None, -group.size_bytes)


def _gguf_rank(group: FileGroup) -> tuple[bool, int, int]:
    known = group.label in _GGUF_PREFERENCE
    place = _GGUF_PREFERENCE.index(group.label) if known and group.label else len(_GGUF_PREFERENCE)
    return (group.format != "gguf", place, -group.size_bytes)


def _folder(group: FileGroup) -> str:
    return group.files[0].partition("/")[0] if "/" in group.files[0] else ""


def _pipeline(weights: list[FileGroup], index: JsonObject | None) -> tuple[FileGroup, ...]:
    """The best group of each component that the pipeline names, or of each folder."""
    named = None
    if index is not None:
        # An entry is `[library, class]`; one that is switched off has nulls for both.
        named = {k for k, v in index.items() if isinstance(v, list) and v and v[0] is not None}
    best: dict[str, FileGroup] = {}
    for group in weights:
        folder = _folder(group)
        if not folder or group.format == "gguf" or (named is not None and folder not in named):
            continue
        kept = best.get(folder)
        if kept is None or _rank(group) < _rank(kept):
            best[folder] = group
    return tuple(replace(group, component=folder) for folder, group in sorted(best.items()))


def _modules(groups: tuple[FileGroup, ...], weights: list[FileGroup], best: FileGroup) -> Layout:
    """sentence-transformers: the transformer, and the modules in folders such as ``2_Dense``."""
    found: dict[str, FileGroup] = {}
    for group in weights:
        folder = _folder(group)
        if re.fullmatch(r"[0-9]+_\w+", folder):
            kept = found.get(folder)
            if kept is None or _rank(group) < _rank(kept):
                found[folder] = group
    if best in found.values():
        return Layout("sentence-transformers", groups, tuple(found.values()))
    extra = (replace(group, component=folder) for folder, group in sorted(found.items()))
    named = {group.name: group for group in extra}
    shown = tuple(named.get(group.name, group) for group in groups)
    return Layout("sentence-transformers", shown, (best, *named.values()))
