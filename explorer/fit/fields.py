"""Reading numbers out of a mapping somebody else wrote: config.json, or GGUF key-values.

Nothing is believed until it has the right type and a size that a model could have; what is wrong
raises HeaderError naming the key.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from explorer.errors import HeaderError

MOST_LAYERS = 2048
MOST_WIDTH = 1 << 26
"""Widths, heads, experts, vocabulary entries."""
MOST_TOKENS = 1 << 40


class Fields:
    """Typed, bounded access to one section of a mapping. A null value counts as an absent one."""

    __slots__ = ("_section", "_values")

    def __init__(self, values: Mapping[str, Any], section: str = "config.json") -> None:
        if not isinstance(values, Mapping):
            raise HeaderError(f"{section}: not an object", hint="the file is not a model's config")
        self._values = values
        self._section = section

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def with_defaults(self, defaults: Mapping[str, Any]) -> "Fields":
        """The same section, with values for keys it leaves out."""
        if not defaults:
            return self
        stated = {name: value for name, value in self._values.items() if value is not None}
        return Fields({**defaults, **stated}, self._section)

    def wrong(self, name: str, expected: str) -> HeaderError:
        """The error for a key whose value cannot be what it says."""
        value = repr(self._values.get(name))
        shown = value if len(value) <= 60 else f"{value[:60]}…"
        return HeaderError(f"{self._section}: “{name}” is {shown}", f"expected {expected}")

    def integer(self, *names: str, most: int = MOST_WIDTH) -> int | None:
        """First of the names that is there, as a whole number from 0 to ``most``; None if none is."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                return self._bounded(name, value, most)
        return None

    def number(self, *names: str, default: int = 0, most: int = MOST_WIDTH) -> int:
        """As ``integer``, with a value for when it is absent."""
        value = self.integer(*names, most=most)
        return default if value is None else value

    def ratio(self, *names: str, default: float) -> float:
        """First of the names that is there, as a finite positive number."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                return self._ratio(name, value)
        return default

    def ratios(self, name: str, count: int) -> tuple[float, ...]:
        """A list of at least ``count`` positive numbers, cut to that many."""
        items = self._list(name)
        if len(items) < count:
            raise self.wrong(name, f"a value for each of {count} layers")
        return tuple(self._ratio(name, item) for item in items[:count])

    def flag(self, *names: str, default: bool = False) -> bool:
        """First of the names that is there, as true or false."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                if not isinstance(value, (bool, int)):
                    raise self.wrong(name, "true or false")
                return bool(value)
        return default

    def text(self, *names: str) -> str:
        """First of the names that is there, as text; empty if none is."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                if not isinstance(value, str) or len(value) > 4096:
                    raise self.wrong(name, "text")
                return value
        return ""

    def section(self, *names: str) -> "Fields":
        """First of the names that is there, as a section of its own; an empty one if none is."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                if not isinstance(value, Mapping):
                    raise self.wrong(name, "an object")
                return Fields(value, f"{self._section} {name}")
        return Fields({}, self._section)

    def sections(self, name: str) -> tuple["Fields", ...]:
        """A list of objects; empty if absent."""
        items = self._list(name)
        if not all(isinstance(item, Mapping) for item in items):
            raise self.wrong(name, "a list of objects")
        return tuple(Fields(item, f"{self._section} {name}") for item in items)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of short texts; empty if absent."""
        items = self._list(name)
        if not all(isinstance(item, str) and len(item) <= 256 for item in items):
            raise self.wrong(name, "a list of texts")
        return tuple(items)

    def integers(self, *names: str) -> tuple[int, ...]:
        """First of the names that is there, as a list of whole numbers; empty if none is."""
        for name in names:
            if name in self:
                return tuple(self._bounded(name, item, MOST_WIDTH) for item in self._list(name))
        return ()

    def per_layer(self, *names: str, layers: int, default: int = 0) -> tuple[int, ...]:
        """A number for every layer, from a list that is long enough or from one number for all."""
        for name in names:
            value = self._values.get(name)
            if value is None:
                continue
            if isinstance(value, Sequence) and not isinstance(value, str):
                items = self.integers(name)
                if len(items) < layers:
                    raise self.wrong(name, f"a value for each of {layers} layers")
                return items[:layers]
            return (self._bounded(name, value, MOST_WIDTH),) * layers
        return (default,) * layers

    def is_list(self, name: str) -> bool:
        """Whether the key holds a list."""
        value = self._values.get(name)
        return isinstance(value, Sequence) and not isinstance(value, str)

    def is_text(self, name: str) -> bool:
        """Whether the key holds text."""
        return isinstance(self._values.get(name), str)

    def number_or_auto(self, *names: str) -> int:
        """As ``number``, where the word ``auto`` (as Bamba writes) counts as absent."""
        stated = [name for name in names if self._values.get(name) != "auto"]
        return self.number(*stated)

    def _list(self, name: str) -> Sequence[Any]:
        value = self._values.get(name)
        if value is None:
            return ()
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > MOST_LAYERS:
            raise self.wrong(name, f"a list of at most {MOST_LAYERS} items")
        return value

    def _ratio(self, name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1e6:
            raise self.wrong(name, "a number above 0")
        return float(value)

    def _bounded(self, name: str, value: object, most: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool):
            value = int(value)
        if not isinstance(value, int) or not 0 <= value <= most:
            raise self.wrong(name, f"a whole number from 0 to {most:,}")
        return value
