"""The key-values of a GGUF header: scalars and short arrays kept, long ones walked over."""

from explorer.weights.gguf_cursor import ARRAY, STRING, VALUE_TYPES, width
from explorer.weights.gguf_reader import Reader, Step
from explorer.weights.problems import quoted
from explorer.weights.tensors import LongArray, MetadataValue

MAX_ARRAY = 1024
"""Numeric arrays up to this length are kept (one number a layer, a rope factor a dimension)."""

MAX_STRINGS = 64
"""Arrays of strings up to this length are kept (languages, tags), unless a tokenizer's."""

MAX_STRING = 1 << 20
"""A longer string (a tokenizer.json stored whole) is passed over: ``LongArray("byte", length)``."""

_MAX_KEY = 65_535  # by gguf.md
_MAX_DEPTH = 8
_MOST_STRINGS = (
    1 << 22
)  # walked one by one; the largest vocabularies have 262,144, their merges 514,906
_MOST_NESTED = 1 << 16


def read_metadata(reader: Reader, count: int) -> Step[dict[str, MetadataValue]]:
    """So many key-values; raises HeaderError for types that do not exist and lengths that cannot be."""
    metadata: dict[str, MetadataValue] = {}
    for _ in range(count):
        key, value_type = yield from reader.until(lambda: _read_key(reader))
        value = yield from _read_value(reader, key, value_type)
        if key in metadata:
            reader.problems.add(f"the key {quoted(key)} is there more than once")
        else:
            metadata[key] = value
    return metadata


def _read_key(reader: Reader) -> tuple[str, int]:
    key = reader.string("a key", _MAX_KEY)
    return key, _read_type(reader, key)


def _read_type(reader: Reader, key: str) -> int:
    value_type = reader.cursor.u32()
    if value_type >= len(VALUE_TYPES):
        reader.refuse(f"the value of {quoted(key)} has the unknown type {value_type}")
    return value_type


def _read_value(reader: Reader, key: str, value_type: int) -> Step[MetadataValue]:
    if value_type == STRING:
        return (yield from reader.until(lambda: _read_string(reader, key)))
    if value_type != ARRAY:
        (number,) = yield from reader.until(lambda: reader.cursor.numbers(value_type, 1))
        return number
    element_type, length = yield from reader.until(lambda: _read_array_head(reader, key))
    if element_type == ARRAY:
        yield from _pass_nested(reader, key, length)
    elif element_type == STRING:
        if length <= MAX_STRINGS and not key.startswith("tokenizer."):
            strings = yield from reader.until(lambda: _read_strings(reader, key, length))
            if strings is not None:
                return strings
        yield from _pass_strings(reader, length)
    elif length <= MAX_ARRAY:
        return (yield from reader.until(lambda: reader.cursor.numbers(element_type, length)))
    else:
        reader.skip(width(element_type) * length)
    return LongArray(VALUE_TYPES[element_type], length)


def _read_string(reader: Reader, key: str) -> str | LongArray:
    start = reader.cursor.position
    length = reader.cursor.u64()
    if length > MAX_STRING:
        reader.skip(length)
        return LongArray("byte", length)
    reader.cursor.position = start
    return reader.string(f"the value of {quoted(key)}", MAX_STRING)


def _read_strings(reader: Reader, key: str, length: int) -> tuple[str, ...] | None:
    """All strings of an array, or None (and nothing is consumed) when one of them is long."""
    cursor = reader.cursor
    start = cursor.position
    strings = []
    for _ in range(length):
        at = cursor.position
        if cursor.u64() > MAX_STRING // MAX_STRINGS:
            cursor.position = start
            return None
        cursor.position = at
        strings.append(reader.string(f"an element of {quoted(key)}", MAX_STRING))
    return tuple(strings)


def _read_array_head(reader: Reader, key: str) -> tuple[int, int]:
    element_type = _read_type(reader, key)
    length = reader.cursor.u64()
    most = {STRING: _MOST_STRINGS, ARRAY: _MOST_NESTED}.get(element_type)
    if most is not None and length > most:
        reader.refuse(f"{quoted(key)} would have {length} elements")
    least = length * (width(element_type) or 8)  # strings and arrays begin with 8 bytes of length
    if reader.size_bytes is not None and reader.cursor.position + least > reader.size_bytes:
        reader.refuse(f"{quoted(key)} would have {length} elements in {reader.size_bytes} bytes")
    return element_type, length


def _pass_strings(reader: Reader, length: int) -> Step[None]:
    """Walk over strings, fetching as far as those walked so far let expect."""
    cursor = reader.cursor
    start, left = cursor.position, length
    while True:
        left -= cursor.walk_strings(left)
        reader.skip(0)  # the last string may end behind the file
        if not left:
            return
        passed = length - left
        average = (cursor.position - start) / passed if passed else 0
        yield from reader.more(cursor.position + int(average * left))


def _pass_nested(reader: Reader, key: str, length: int) -> Step[None]:
    """Walk over arrays of arrays, which the format allows and no model is known to use."""
    pending, left = [length], _MOST_NESTED
    while pending:
        if not pending[-1]:
            pending.pop()
            continue
        pending[-1] -= 1
        left -= 1
        if left < 0:
            reader.refuse(f"{quoted(key)} has more than {_MOST_NESTED} arrays within arrays")
        element_type, inner = yield from reader.until(lambda: _read_array_head(reader, key))
        if element_type == STRING:
            yield from _pass_strings(reader, inner)
        elif element_type != ARRAY:
            reader.skip(width(element_type) * inner)
        elif len(pending) >= _MAX_DEPTH:
            reader.refuse(f"{quoted(key)} is nested too deep")
        else:
            pending.append(inner)
