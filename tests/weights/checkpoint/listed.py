"""The tensors of four checkpoints as ``tests/data/models/listed.txt`` lists them, a kind a line."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

from explorer.weights.checkpoint import Checkpoint
from tests.weights.checkpoint.published import FOLDER, small

_RANGES = re.compile(r"\{([^}]*)\}")
_FACTS = ("source", "count", "config")


@dataclass
class Listed:
    """What the file says of one checkpoint."""

    facts: dict[str, str] = field(default_factory=dict)
    """``source``, ``config`` and, where it was published, the ``count`` of tensors."""
    tensors: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says of the quantization and the experts."""
        config: dict[str, Any] = json.loads(self.facts["config"])
        return config

    def checkpoint(self) -> Checkpoint:
        """All of it in one file."""
        return small(self.tensors, self.config)


@cache
def listed() -> dict[str, Listed]:
    """All of them by id."""
    found: dict[str, Listed] = {}
    for line in (FOLDER / "listed.txt").read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "model":
            current = found[rest] = Listed()
        elif word in _FACTS:
            current.facts[word] = rest
        elif word not in ("", "#"):
            dtype, *shape = rest.split()
            for name in _names(word):
                assert name not in current.tensors, name
                current.tensors[name] = (dtype, tuple(map(int, shape)))
    return found


def _names(pattern: str) -> Iterator[str]:
    first, *rest = _RANGES.split(pattern)
    for chosen in product(*map(_numbers, rest[::2])):
        yield first + "".join(f"{n}{text}" for n, text in zip(chosen, rest[1::2], strict=True))


def _numbers(text: str) -> list[int]:
    ends = (part.partition("-") for part in text.split(","))
    return [n for low, _, high in ends for n in range(int(low), int(high or low) + 1)]
