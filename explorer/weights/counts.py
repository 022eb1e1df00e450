"""Counting what tensors hold: logical parameters, bytes and what they are spent on."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import TypeVar

from explorer.weights.components import Component, Part, component_of, part_of
from explorer.weights.names import pattern_of
from explorer.weights.packing import Role, Unpacked, unpack
from explorer.weights.quantization import Quantization
from explorer.weights.tensors import Tensor

_K = TypeVar("_K")
_FULL_WIDTH = frozenset({"BF16", "F16", "F32", "F64"})
# What is tied to the embedding: a classifier on top of the model is not.
_TIED = re.compile(r"(^|\.)(lm_head|embed_out)\.|^output\.")
_WEIGHT_ROLES = (Role.WEIGHT, Role.BUFFER)


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over some tensors. Two of them add up to a third with ``plus``."""

    tensors: int = 0
    stored_bytes: int = 0
    """Of the tensors, without headers and padding."""
    elements: int = 0
    """As stored, of everything."""
    parameters: int = 0
    """Logical: packed formats unpacked, scales, zero points and scalars left out."""
    weight_elements: int = 0
    """As stored, of what ``parameters`` counts: what a count that does not unpack arrives at."""
    auxiliary_bytes: int = 0
    """Scales, zero points, permutations and the quantizer's tables."""
    quantized_parameters: int = 0
    """Logical, of the weights below 16 bits."""
    quantized_bytes: int = 0
    """Of those weights, without their scales."""
    scalars: int = 0
    """Tensors without dimensions that serve no quantizer: not counted as parameters."""
    by_dtype: Mapping[str, int] = field(default_factory=dict)
    """Stored dtype to logical parameters."""
    bytes_by_dtype: Mapping[str, int] = field(default_factory=dict)
    """Stored dtype to bytes, scales included."""
    by_component: Mapping[str, int] = field(default_factory=dict)
    """Component to logical parameters."""
    bytes_by_component: Mapping[str, int] = field(default_factory=dict)
    by_part: Mapping[tuple[str, Part], int] = field(default_factory=dict)
    """Component and part of a mixture of experts to logical parameters."""
    kept: Mapping[str, int] = field(default_factory=dict)
    """Folded names of matrices stored in 16 bits or more to their parameters."""

    def plus(self, other: "Counts") -> "Counts":
        """Return both together. Costs as many steps as there are keys, not tensors."""
        return Counts(
            self.tensors + other.tensors,
            self.stored_bytes + other.stored_bytes,
            self.elements + other.elements,
            self.parameters + other.parameters,
            self.weight_elements + other.weight_elements,
            self.auxiliary_bytes + other.auxiliary_bytes,
            self.quantized_parameters + other.quantized_parameters,
            self.quantized_bytes + other.quantized_bytes,
            self.scalars + other.scalars,
            _added(self.by_dtype, other.by_dtype),
            _added(self.bytes_by_dtype, other.bytes_by_dtype),
            _added(self.by_component, other.by_component),
            _added(self.bytes_by_component, other.bytes_by_component),
            _added(self.by_part, other.by_part),
            _added(self.kept, other.kept),
        )

    @property
    def bits_per_weight(self) -> float | None:
        """Stored bits a logical parameter over everything; None of nothing."""
        return self.stored_bytes * 8 / self.parameters if self.parameters else None

    @property
    def quantized_bits_per_weight(self) -> float | None:
        """Bits a quantized weight costs with its share of scales; None if nothing is quantized."""
        if not self.quantized_parameters:
            return None
        return (self.quantized_bytes + self.auxiliary_bytes) * 8 / self.quantized_parameters

    @property
    def kept_16bit(self) -> Mapping[str, int]:
        """Folded names of matrices left in 16 bits or more, in a checkpoint that is quantized."""
        return self.kept if self.quantized_parameters else {}


@dataclass(frozen=True, slots=True)
class Described:
    """A kind of tensor: everything that follows from folded name, dtype and shape."""

    pattern: str
    unpacked: Unpacked
    component: str
    part: Part


@dataclass(frozen=True, slots=True)
class Reading:
    """How tensors of one file are to be understood."""

    quantization: Quantization | None = None
    component: str | None = None
    """Of every tensor of the file, where the folder decides (diffusers); None to go by names."""
    mtp_prefixes: tuple[str, ...] = ()
    """Beginnings of names that are layers beyond the model's own."""
    tied: bool = False
    """The output head is the input embedding again, says the configuration."""
    shares: bool = False
    """Tensors at one place are one: torch writes what is tied as views on the same storage."""

    def kinds(self, tensors: Iterable[Tensor]) -> Iterator[Described]:
        """Yield the description of each tensor. Equal kinds are worked out once, and are one object."""
        tensors = tuple(tensors)
        by_name = self.quantization is not None and self.quantization.mixed_widths
        # MLX shares the suffix `.scales` with learned tensors: the weight beside it decides.
        dtypes = {tensor.name: tensor.dtype for tensor in tensors} if by_name else {}
        known: dict[tuple[str, str, tuple[int, ...], bool], Described] = {}
        again = {id(t) for ts in shared(tensors) for t in ts[1:]} if self.shares else None
        for tensor in tensors:
            name = tensor.name
            beyond = bool(self.mtp_prefixes) and name.startswith(self.mtp_prefixes)
            pattern = pattern_of(name)
            key = (name if by_name else pattern, tensor.dtype, tensor.shape, beyond)
            described = known.get(key)
            if described is None:
                unpacked = unpack(key[0], tensor.dtype, tensor.shape, self.quantization, dtypes.get)
                component = self.component or (Component.MTP if beyond else self._named(pattern))
                described = Described(pattern, unpacked, component, part_of(pattern))
                known[key] = described
            if again and id(tensor) in again:
                twin = Unpacked(0, described.unpacked.shape, Role.SHARED)
                yield replace(described, unpacked=twin)
            else:
                yield described

    def _named(self, pattern: str) -> Component:
        component = component_of(pattern)
        if self.tied and component is Component.OUTPUT_HEAD and _TIED.search(pattern):
            return Component.TIED_HEAD
        return component


def shared(tensors: Iterable[Tensor]) -> tuple[tuple[Tensor, ...], ...]:
    """Return the tensors of one file that lie within another, which comes first in its group.

    Of an embedding and a head at one place the embedding does, whatever their order in the file.
    """
    groups: list[list[Tensor]] = []
    end = 0
    placed = (tensor for tensor in tensors if tensor.size_bytes and tensor.start)
    for tensor in sorted(placed, key=_place):
        stop = tensor.start + tensor.size_bytes
        if stop <= end:
            groups[-1].append(tensor)
        else:
            groups.append([tensor])
            end = stop
    return tuple(tuple(group) for group in groups if len(group) > 1)


def _place(tensor: Tensor) -> tuple[int, int, bool]:
    head = component_of(pattern_of(tensor.name)) is Component.OUTPUT_HEAD
    return tensor.start, -tensor.size_bytes, head


def count(tensors: Iterable[tuple[Tensor, Described]]) -> Counts:
    """Return the sums over some tensors of one file, in one pass. Bytes that are shared count once."""
    kinds: dict[int, _Tally] = {}
    for tensor, described in tensors:
        # Equal kinds are one object, which the tally keeps, so that its id stays its own.
        tally = kinds.get(id(described))
        if tally is None:
            tally = kinds[id(described)] = _Tally(described, tensor)
        tally.number += 1
        tally.size_bytes += tensor.size_bytes
    total = _Sums()
    for tally in kinds.values():
        first = tally.first
        total.add(tally.kind, first.dtype, first.shape, tally.number, tally.size_bytes)
    return total.counts()


@dataclass(slots=True, eq=False)
class _Tally:
    """How many tensors of one kind there are, and their bytes."""

    kind: Described
    first: Tensor
    number: int = 0
    size_bytes: int = 0


class _Sums:
    """The sums while they grow."""

    def __init__(self) -> None:
        self._scalar: Counter[str] = Counter()
        self._by_dtype: Counter[str] = Counter()
        self._bytes_by_dtype: Counter[str] = Counter()
        self._by_component: Counter[str] = Counter()
        self._bytes_by_component: Counter[str] = Counter()
        self._by_part: Counter[tuple[str, Part]] = Counter()
        self._kept: Counter[str] = Counter()

    def add(
        self, kind: Described, dtype: str, shape: tuple[int, ...], number: int, size: int
    ) -> None:
        unpacked, scalar = kind.unpacked, self._scalar
        if unpacked.role is Role.SHARED:
            scalar["tensors"] += number
            return
        parameters = unpacked.parameters * number
        elements = prod(shape) * number
        scalar["tensors"] += number
        scalar["stored_bytes"] += size
        scalar["elements"] += elements
        scalar["parameters"] += parameters
        self._bytes_by_dtype[dtype] += size
        self._bytes_by_component[kind.component] += size
        if unpacked.role in _WEIGHT_ROLES:
            scalar["weight_elements"] += elements
            self._by_dtype[dtype] += parameters
            self._by_component[kind.component] += parameters
            self._by_part[kind.component, kind.part] += parameters
        elif unpacked.role is Role.SCALAR:
            scalar["scalars"] += number
        else:
            scalar["auxiliary_bytes"] += size
        if unpacked.quantized:
            scalar["quantized_parameters"] += parameters
            scalar["quantized_bytes"] += size
        elif unpacked.role is Role.WEIGHT and len(shape) > 1 and dtype in _FULL_WIDTH:
            self._kept[kind.pattern] += parameters

    def counts(self) -> Counts:
        return Counts(
            **self._scalar,
            by_dtype=dict(self._by_dtype),
            bytes_by_dtype=dict(self._bytes_by_dtype),
            by_component=dict(self._by_component),
            bytes_by_component=dict(self._bytes_by_component),
            by_part=dict(self._by_part),
            kept=dict(self._kept),
        )


def _added(left: Mapping[_K, int], right: Mapping[_K, int]) -> Mapping[_K, int]:
    both = dict(left)
    for key, number in right.items():
        both[key] = both.get(key, 0) + number
    return both
