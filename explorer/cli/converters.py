"""What the options of the command line take: text in, a value out, complaints that read well."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from explorer.errors import UsageError

SOURCES = ("auto", "hub", "snapshot", "local")
ALL_LAYERS = 1_000_000
"""More layers than any model has: llama.cpp too takes a number past the end for all of them."""
T = TypeVar("T")


def argument(convert: Callable[[str], T], wanted: str) -> Callable[[str], T]:
    """A converter whose usage errors read well after argparse's "argument --x:"."""

    def converted(text: str) -> T:
        try:
            return convert(text)
        except (UsageError, ValueError) as error:
            raise argparse.ArgumentTypeError(f"“{text}” is not {wanted}") from error

    return converted


def source(text: str) -> str | Path:
    """One of the words, or the file that is named; a file called like a word is written ``./hub``."""
    if text in SOURCES:
        return text
    path = Path(text).expanduser()
    if not path.is_file():
        raise argparse.ArgumentTypeError(
            f"“{text}” is neither a file nor one of {', '.join(SOURCES)}"
        )
    return path


def folder(text: str) -> Path:
    """A folder that is there."""
    path = Path(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"“{text}” is not a folder")
    return path


def positive(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"“{text}” is not a number above zero")
    return int(text)


def speed(text: str) -> float:
    """A number above zero. Raises ValueError."""
    found = float(text)
    if not 0 < found < float("inf"):  # of no number this is false too
        raise ValueError(text)
    return found


def share(text: str) -> float:
    """A number above 0, at most 1."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"“{text}” is not a share above 0, at most 1")
    return found


def gpu_layers(text: str) -> int:
    """A number of layers, or all of them."""
    if text == "all":
        return ALL_LAYERS
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"“{text}” is neither a number of layers nor “all”")
    return int(text)
