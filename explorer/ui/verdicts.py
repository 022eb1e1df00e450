"""How a verdict looks: a glyph that says it without colour, a word, and a tone."""

from typing import NamedTuple

from explorer.fit.values import Verdict


class Look(NamedTuple):
    """The three ways a verdict is said at once."""

    glyph: str
    word: str
    tone: str


LOOKS = {
    Verdict.FITS: Look("●", "fits", "good"),
    Verdict.TIGHT: Look("◐", "fits, under the reserve", "warn"),
    Verdict.OFFLOAD: Look("○", "partly on the host", "accent"),
    Verdict.TOO_LARGE: Look("×", "too large", "bad"),
}
"""Fuller is better: a full disc, a half, an empty one, a cross."""

TONES = {
    "good": "$text-success",
    "warn": "$text-warning",
    "accent": "$text-primary",
    "bad": "$text-error",
    "dim": "$foreground-muted",
}
"""The tones of the tables as theme variables, for text outside of them."""
