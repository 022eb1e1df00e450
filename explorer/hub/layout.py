"""How tensors lie in safetensors files: sizes, shards, and the header's bytes.

As the ``safetensors`` library writes them (``serialize`` in tensor.rs, 0.8): ``__metadata__`` first,
tensors by type, the larger type first, then by name, compact JSON padded with spaces to 8 bytes.
Shards as ``huggingface_hub`` splits them: tensors in the order of their modules, up to a size.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from explorer.errors import HeaderError
from explorer.hub.folding import Group

BITS: Mapping[str, int] = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
"""Bits of an element of each type, in the order of safetensors' own enumeration."""

_RANKS = {name: -rank for rank, name in enumerate(BITS)}

_DIFFUSION = "diffusion_pytorch_model"
_METADATA = '{"__metadata__":{"format":"pt"}'


class Entry(NamedTuple):
    """One tensor of a file. Entries sort as safetensors orders them."""

    rank: int
    """Order of the type."""
    name: str
    size_bytes: int
    declared: str
    """Its type and shape as the header's JSON has them."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file and the tensors in it."""

    path: str
    entries: tuple[Entry, ...]

    @property
    def data_bytes(self) -> int:
        """Bytes of all its tensors."""
        return sum(entry.size_bytes for entry in self.entries)

    def header(self) -> bytes:
        """The file's beginning: 8 bytes of length and the padded JSON."""
        pieces = [_METADATA]
        at = 0
        for _, name, size, declared in sorted(self.entries):
            end = at + size
            pieces.append(f'"{name}":{declared}[{at},{end}]}}')
            at = end
        text = (",".join(pieces) + "}").encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text


def size_bytes(dtype: str, shape: Sequence[int]) -> int:
    """Bytes of a tensor's data; raises HeaderError for an unknown type and for a half-filled byte."""
    if dtype not in BITS:
        raise HeaderError(f"“{dtype}” is not a type of safetensors")
    bits = BITS[dtype] * prod(shape)
    if bits % 8:
        raise HeaderError(f"{dtype} {list(shape)} does not end at a byte")
    return bits // 8


def shards(groups: Iterable[Group], stem: str, shard_bytes: int) -> tuple[Shard, ...]:
    """Files of the tensors: ``stem.safetensors``, or so many shards of at most ``shard_bytes``.

    A tensor larger than that gets a file of its own.
    """
    parts: list[list[Entry]] = [[]]
    filled = 0
    for entry in _in_module_order(groups):
        if parts[-1] and filled + entry.size_bytes > shard_bytes:
            parts.append([])
            filled = 0
        parts[-1].append(entry)
        filled += entry.size_bytes
    if len(parts) == 1:
        return (Shard(f"{stem}.safetensors", tuple(parts[0])),)
    total = f"{len(parts):05d}"
    return tuple(
        Shard(f"{stem}-{number:05d}-of-{total}.safetensors", tuple(part))
        for number, part in enumerate(parts, 1)
    )


def index_json(parts: Iterable[Shard]) -> str:
    """The index that stands beside shards, as ``transformers`` writes it."""
    parts = tuple(parts)
    placed = {entry.name: part.path.rpartition("/")[2] for part in parts for entry in part.entries}
    index = {
        "metadata": {"total_size": sum(part.data_bytes for part in parts)},
        "weight_map": placed,
    }
    return json.dumps(index, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def component_shards(folder: str, groups: Iterable[Group]) -> tuple[Shard, ...]:
    """Files of one component of a model: 5 GB shards, for diffusers' own components 10 GB ones."""
    stem = _stem(folder)
    return shards(groups, stem, 10**10 if stem.endswith(_DIFFUSION) else 5 * 10**9)


def component_index(folder: str) -> str:
    """Path of the index that a component has if it is sharded."""
    return f"{_stem(folder)}.safetensors.index.json"


def _stem(folder: str) -> str:
    """``model``, or in a diffusion model ``unet/diffusion_pytorch_model``."""
    if not folder:
        return "model"
    encoder = folder.startswith(("text_encoder", "image_encoder", "safety_checker"))
    return f"{folder}/{'model' if encoder else _DIFFUSION}"


def _in_module_order(groups: Iterable[Group]) -> Iterable[Entry]:
    """Tensors by what stands before the first number of their name, then by that number.

    All of a layer is together and layers follow one another; within a layer by kind.
    """
    modules: dict[tuple[str, int], list[Entry]] = {}
    for group in groups:
        prefix = group.template.partition("*")[0]
        written = group.template.replace("%", "%%").replace("*", "%d")
        shape = ",".join(map(str, group.shape))
        declared = f'{{"dtype":"{group.dtype}","shape":[{shape}],"data_offsets":'
        size, rank = size_bytes(group.dtype, group.shape), _RANKS[group.dtype]
        for numbers in group.numbers():
            module = modules.setdefault((prefix, numbers[0] if numbers else -1), [])
            module.append(Entry(rank, written % numbers, size, declared))
    for key in sorted(modules):
        yield from modules[key]
