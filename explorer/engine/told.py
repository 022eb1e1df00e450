"""What an engine says of a file, and what stands beside it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """What an engine says a file takes on a processor alone, in bytes."""

    version: str
    """``llama.cpp b11549 (xllamacpp 2026.10.11549)``."""
    weights: int = 0
    context: int = 0
    """KV cache and recurrent state."""
    compute: int = 0
    rounded: bool = False
    """The engine tells whole MiB."""
    problem: str = ""
    """Why there is no figure; empty if there is."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Bytes of a model under llama.cpp on a processor alone."""

    weights: int
    context: int
    """KV cache and recurrent state."""
    compute: int

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return self.weights + self.context + self.compute


@dataclass(frozen=True, slots=True)
class EngineWord:
    """What the engine says, and what we say, of the same file, settings and placement."""

    version: str
    """``llama.cpp b11549 (xllamacpp 2026.10.11549)``."""
    ours: Parts
    theirs: Parts | None
    """None if it gave no answer."""
    rounded: bool
    """The engine tells whole MiB."""
    problem: str
    """Why it gave none."""
