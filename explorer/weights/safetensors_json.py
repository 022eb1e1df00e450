"""The JSON of a safetensors header, entry by entry.

A header is one JSON object with an entry a tensor, up to 100 MB of it. Decoding it whole holds the
interpreter's lock throughout (160 ms for 13 MB, which a user interface shows as a stutter), makes
millions of short-lived objects, and forgets duplicate names. So it is walked: entries in the form in
which every writer puts them are matched by one regular expression, all others are decoded one by one.
"""

import json
import re
from sys import intern
from typing import NamedTuple, NoReturn

from explorer.errors import HeaderError
from explorer.weights.problems import Problems, quoted
from explorer.weights.tensors import Tensor


class Document(NamedTuple):
    """What the JSON says, before its tensors are compared with each other."""

    tensors: list[Tensor]
    metadata: dict[str, str]


class _Pairs(list[tuple[str, object]]):
    """A JSON object with its duplicates."""


_MOST_DIMENSIONS = 64
_OFFSET_LIMIT = 2**64
_ENTRY = re.compile(
    r'"([^"\\\x00-\x1f]*+)": ?+\{"dtype": ?+"([A-Z0-9_a-z]++)", ?+"shape": ?+\[([0-9, ]*+)\],'
    r' ?+"data_offsets": ?+\[(0|[1-9][0-9]*+), ?+(0|[1-9][0-9]*+)\]\}([,}]) ?+'
)
_SHAPE = re.compile(r"(?:(?:0|[1-9][0-9]{0,19})(?:, ?(?!$)|$)){0,64}+")
_SPACE = re.compile(r"[ \t\n\r]*+")


def read_document(path: str, data: bytes, data_start: int, problems: Problems) -> Document:
    """The tensors of a header's JSON in the order written, for data that begins at ``data_start``.

    Raises HeaderError for what is not JSON, and for an entry that does not describe a tensor.
    """
    if not data.startswith(b"{"):
        raise HeaderError(f"{path} has no safetensors header", "it does not start with “{”")
    try:
        return _Walk(path, data.decode(), data_start, problems).document()
    except RecursionError:
        raise HeaderError(f"The header of {path} cannot be read", "it is nested too deep") from None
    except ValueError as error:
        detail = f"it is not the JSON it should be: {error}"
        raise HeaderError(f"The header of {path} cannot be read", detail) from None


class _Walk:
    """One pass over the text of a header."""

    def __init__(self, path: str, text: str, data_start: int, problems: Problems) -> None:
        self._path = path
        self._text = text
        self._data_start = data_start
        self._problems = problems
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._metadata: dict[str, str] | None = None
        self._decoder = json.JSONDecoder(
            object_pairs_hook=_Pairs, parse_float=_refuse_number, parse_constant=_refuse_number
        )

    def document(self) -> Document:
        """Walk the text to its end."""
        tensors: list[Tensor] = []
        position = self._after_space(1)
        mark = "," if self._text[position : position + 1] != "}" else "}"
        position += mark == "}"
        while mark == ",":
            mark, position = self._plain_entries(position, tensors)
            if mark == ",":
                name, value, mark, position = self._member(self._after_space(position))
                if name == "__metadata__":
                    self._take_metadata(value)
                else:
                    tensors.append(self._tensor(name, value))
        if rest := self._text[position:].strip(" \t\n\r"):
            raise ValueError(f"{len(rest)} characters after its end")
        self._note_duplicates(tensors)
        return Document(tensors, self._metadata or {})

    def _plain_entries(self, position: int, tensors: list[Tensor]) -> tuple[str, int]:
        """Take entries in the usual form; the mark behind the last, and where an unusual one begins."""
        text, match, shapes, data_start = self._text, _ENTRY.match, self._shapes, self._data_start
        mark = ","
        while mark == "," and (found := match(text, position)):
            name, dtype, dimensions, begin_text, end_text, mark = found.groups()
            shape = shapes.get(dimensions)
            if shape is None:
                shape = shapes[dimensions] = self._shape(name, dimensions)
            begin, end = int(begin_text), int(end_text)
            if not begin <= end < _OFFSET_LIMIT or name == "__metadata__":
                self._refuse(name, f"its data_offsets [{begin}, {end}] are no range of a tensor")
            position = found.end()
            tensors.append(Tensor(name, intern(dtype), shape, data_start + begin, end - begin))
        return mark, position

    def _shape(self, name: str, dimensions: str) -> tuple[int, ...]:
        if not _SHAPE.fullmatch(dimensions):
            self._refuse(name, f"its shape [{dimensions[:200]}] is not one")
        return tuple(map(int, dimensions.split(","))) if dimensions else ()

    def _note_duplicates(self, tensors: list[Tensor]) -> None:
        names = {tensor.name for tensor in tensors}
        if len(names) == len(tensors):
            return
        for tensor in tensors:
            if tensor.name not in names:
                self._problems.add(f"{quoted(tensor.name)} is there more than once")
            names.discard(tensor.name)

    def _after_space(self, position: int) -> int:
        found = _SPACE.match(self._text, position)
        return found.end() if found else position

    def _member(self, position: int) -> tuple[str, object, str, int]:
        """Name, value, the mark after it and where the next begins, for an entry of any form."""
        name, position = self._decoder.raw_decode(self._text, position)
        if not isinstance(name, str):
            raise json.JSONDecodeError("a name is expected", self._text, position)
        name.encode()  # half of a surrogate pair can be neither printed nor compared: a ValueError
        position = self._expect(":", position)
        value, position = self._decoder.raw_decode(self._text, position)
        position = self._after_space(position)
        mark = self._text[position : position + 1]
        if mark not in (",", "}"):
            raise ValueError(f"“,” or “}}” expected at {position}")
        return name, value, mark, self._after_space(position + 1)

    def _expect(self, mark: str, position: int) -> int:
        position = self._after_space(position)
        if self._text[position : position + 1] != mark:
            raise ValueError(f"“{mark}” expected at {position}")
        return self._after_space(position + 1)

    def _tensor(self, name: str, value: object) -> Tensor:
        """A tensor written in an unusual way: keys in another order, or too many of them."""
        if not isinstance(value, _Pairs):
            self._refuse(name, "its entry is not an object")
        fields = dict(value)
        if len(fields) != len(value):
            self._problems.add(f"{quoted(name)} has a key twice")
        for unknown in sorted(fields.keys() - {"dtype", "shape", "data_offsets"}):
            self._problems.note(f"{quoted(name)} has an unknown key {quoted(unknown)}")
        dtype = fields.get("dtype")
        if not isinstance(dtype, str) or not dtype.isprintable():
            self._refuse(name, "it has no dtype")
        shape = self._counts(name, "shape", fields.get("shape"))
        offsets = self._counts(name, "data_offsets", fields.get("data_offsets"))
        if len(offsets) != 2:
            self._refuse(name, "its data_offsets are not two numbers")
        begin, end = offsets
        if end < begin:
            self._refuse(name, f"its data_offsets [{begin}, {end}] are no range of a tensor")
        return Tensor(name, intern(dtype), shape, self._data_start + begin, end - begin)

    def _counts(self, name: str, key: str, value: object) -> tuple[int, ...]:
        if not isinstance(value, list) or isinstance(value, _Pairs):
            self._refuse(name, f"it has no {key}")
        if len(value) > _MOST_DIMENSIONS:
            self._refuse(name, f"its {key} has {len(value)} numbers")
        if not all(type(number) is int and 0 <= number < _OFFSET_LIMIT for number in value):
            self._refuse(name, f"its {key} holds something else than counts")
        return tuple(value)

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise HeaderError(f"The header of {self._path} cannot be read", f"{quoted(name)}: {why}")

    def _take_metadata(self, value: object) -> None:
        """``__metadata__`` is a map of strings; what is not is left out and said."""
        if self._metadata is not None:
            self._problems.add("__metadata__ is there more than once")
        self._metadata = {}
        if value is None:
            return
        if not isinstance(value, _Pairs):
            self._problems.add("__metadata__ is not an object")
            return
        for key, text in value:
            if isinstance(text, str):
                (key + text).encode()
                self._metadata[key] = text
            else:
                self._problems.add(f"__metadata__ {quoted(key)} is not a string")


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a whole number")
