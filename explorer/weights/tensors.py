"""One tensor as a weight file declares it, and the header it stands in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Literal, NamedTuple, TypeAlias

Format: TypeAlias = Literal["safetensors", "gguf", "torch"]


class Tensor(NamedTuple):
    """A tensor's entry in a header. A named tuple, since a model may have 300,000 of them."""

    name: str
    """As stored in the file."""
    dtype: str
    """As stored: ``BF16``, ``F8_E4M3``, ``Q4_K``; see ``explorer.weights.dtypes``."""
    shape: tuple[int, ...]
    """Outermost first (GGUF's order is reversed to this), in stored, possibly packed elements."""
    start: int
    """Offset of the first byte from the beginning of the file."""
    size_bytes: int
    """Bytes the tensor occupies, without padding."""

    @property
    def elements(self) -> int:
        """Stored elements: the product of the shape, 1 for a scalar."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class LongArray:
    """A metadata array that was skipped rather than read, such as a tokenizer's vocabulary."""

    element_type: str
    """``string``, ``float32``, ... as the format names it."""
    length: int
    """Number of elements."""


Scalar: TypeAlias = str | int | float | bool
MetadataValue: TypeAlias = Scalar | tuple[Scalar, ...] | LongArray


@dataclass(frozen=True, slots=True)
class Header:
    """Everything one weight file says about itself before its data."""

    format: Format
    """Which parser read it."""
    tensors: tuple[Tensor, ...] = field(repr=False)
    """In file order."""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    """``__metadata__`` of safetensors, key-values of GGUF."""
    data_start: int = 0
    """Where tensor data begins: 8 + header length for safetensors."""
    version: str = ""
    """Version and byte order where the format has them: ``3``, ``3 big-endian``."""
    problems: tuple[str, ...] = ()
    """Violations that leave the header readable, each naming the tensor or the key."""
    malformed: bool = False
    """Whether the format's own implementation refuses the file for one of them."""
