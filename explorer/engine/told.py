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

    @property
    def figures(self) -> tuple["Figure", ...]:
        """Part by part, the total last; empty if the engine gave no answer."""
        if self.theirs is None:
            return ()
        names = {"weights": "weights", "context": "cache and state", "compute": "compute",
                 "total": "total"}  # fmt: skip
        return tuple(
            Figure(name, getattr(self.ours, part), getattr(self.theirs, part))
            for part, name in names.items()
        )


@dataclass(frozen=True, slots=True)
class Figure:
    """One part of both."""

    name: str
    ours: int
    theirs: int

    @property
    def off(self) -> str:
        """How far ours is from theirs, in percent; a dash where theirs is nothing."""
        return f"{100 * (self.ours / self.theirs - 1):+.1f} %" if self.theirs else "-"
