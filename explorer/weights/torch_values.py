"""Inert stand-ins for what a torch pickle would build, and the constructors that are understood."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple, TypeGuard

from explorer.weights.dtypes import TORCH, TORCH_DTYPES, DType


class Name(NamedTuple):
    """A function or class named by a pickle. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        """As Python writes it: ``os.system``."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Items:
    """A list or set."""

    values: list[object] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Pairs:
    """A dict, as the pairs put into it: keys are not hashed."""

    values: list[tuple[object, object]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Opaque:
    """What a call would have made, with what it was given, so that tensors inside it can be seen."""

    arguments: object = None
    state: object = None
    items: Pairs = field(default_factory=Pairs)
    """What was put into it as into a dict, a defaultdict for one."""


class Storage(NamedTuple):
    """A storage record of the archive."""

    dtype: DType
    key: str
    elements: int
    """Of ``dtype``; bytes for an untyped storage."""


class StoredTensor(NamedTuple):
    """A tensor: a view on a storage."""

    dtype: DType
    shape: tuple[int, ...]
    storage: Storage
    offset: int
    """First element in the storage, counted in elements of ``dtype``."""
    span: int
    """Elements of the storage from the first to the last that the view reaches; 0 when it is empty."""


_STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")
_MOST_DIMENSIONS = 64
_OVERFLOW = 2**63

_REBUILD_VIEW = {
    Name("torch._utils", name)
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
}
_REBUILD_WRAPPED = {
    Name("torch._utils", name) for name in ("_rebuild_parameter", "_rebuild_parameter_with_state")
}
_REBUILD_SUBCLASS = {
    Name("torch._tensor", "_rebuild_from_type_v2"),
    Name("torch._tensor", "_rebuild_from_type"),
}
_DICTS = {Name("collections", "OrderedDict"), Name("builtins", "dict")}

_HARMLESS = {
    Name("torch", "Size"),
    Name("torch", "device"),
    Name("torch", "Tensor"),
    Name("torch.nn.parameter", "Parameter"),
    Name("torch", "per_tensor_affine"),
    Name("torch", "per_channel_affine"),
    Name("torch", "strided"),
    Name("collections", "defaultdict"),
    Name("collections", "Counter"),
    Name("_codecs", "encode"),
    Name("numpy", "dtype"),
    Name("numpy", "ndarray"),
    *(
        Name(f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    ),
    *(Name("builtins", name) for name in ("set", "frozenset", "bytearray", "complex", "slice")),
    *(Name("__builtin__", name) for name in ("set", "frozenset", "bytearray", "complex", "dict")),
}


def is_known(name: Name) -> bool:
    """Whether a state dict may name this: tensors, storages, dtypes, containers, numpy's scalars."""
    return (
        name in _HARMLESS
        or name in _DICTS
        or name in _REBUILD_VIEW
        or name in _REBUILD_WRAPPED
        or name in _REBUILD_SUBCLASS
        or (name.module in _STORAGE_MODULES and name.name in TORCH)
        or (name.module == "torch" and name.name in TORCH_DTYPES)
    )


def call(name: object, arguments: object) -> object:
    """The stand-in for a call. Raises ValueError where a tensor's constructor gets what torch never gives."""
    if isinstance(name, Name) and isinstance(arguments, tuple):
        if name in _REBUILD_VIEW:
            return _view(name, arguments)
        if name in _REBUILD_WRAPPED and arguments:
            return arguments[0]
        if name in _REBUILD_SUBCLASS and len(arguments) > 2:
            return call(arguments[0], arguments[2])
        if name in _DICTS:
            return Pairs(list(_pairs(arguments)))
        if name == Name("torch", "Size") and arguments:
            return arguments[0]
    return Opaque(arguments)


def storage(identifier: object) -> Storage | Opaque:
    """The storage that a persistent id names: ``("storage", class, key, location, elements)``."""
    if not isinstance(identifier, tuple) or len(identifier) < 5 or identifier[0] != "storage":
        return Opaque(identifier)
    _, kind, key, _, elements = identifier[:5]
    if not isinstance(kind, Name) or kind.name not in TORCH:
        return Opaque(identifier)
    if not isinstance(key, str) or not _is_count(elements):
        raise ValueError("a storage has no key or no size")
    return Storage(TORCH[kind.name], key, elements)


def _pairs(arguments: tuple[object, ...]) -> Iterator[tuple[object, object]]:
    """Python 2 wrote an OrderedDict as a list of pairs."""
    items = arguments[0].values if arguments and isinstance(arguments[0], Items) else []
    for item in items:
        pair = tuple(item.values) if isinstance(item, Items) else item
        if isinstance(pair, tuple) and len(pair) == 2:
            yield pair


def _view(name: Name, arguments: tuple[object, ...]) -> StoredTensor | Opaque:
    if len(arguments) < 4:
        raise ValueError(f"{name} has {len(arguments)} arguments")
    source, offset, shape, strides = arguments[:4]
    if not isinstance(source, Storage):
        return Opaque(arguments)
    dtype = source.dtype
    if name.name == "_rebuild_tensor_v3":
        declared = arguments[6] if len(arguments) > 6 else None
        if not isinstance(declared, Name) or declared.name not in TORCH_DTYPES:
            return Opaque(arguments)
        dtype = TORCH_DTYPES[declared.name]
    sizes, steps = _counts(shape), _counts(strides)
    if not _is_count(offset) or len(sizes) != len(steps) or prod(sizes) >= _OVERFLOW:
        raise ValueError("a tensor's offset, shape and strides do not go together")
    reach = sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    return StoredTensor(dtype, sizes, source, offset, reach + 1 if all(sizes) else 0)


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _OVERFLOW


def _counts(value: object) -> tuple[int, ...]:
    numbers = value.values if isinstance(value, Items) else value
    if not isinstance(numbers, list | tuple) or len(numbers) > _MOST_DIMENSIONS:
        raise ValueError("a tensor's shape or strides are not a tuple")
    counts = tuple(number for number in numbers if _is_count(number))
    if len(counts) != len(numbers):
        raise ValueError("a tensor's shape or strides hold something else than counts")
    return counts
