"""The options of ``weights search`` that narrow a listing down, and the filters they make."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from explorer.errors import UsageError

if TYPE_CHECKING:
    from explorer.inspection.filters import Filters

_VALUES = {
    "author": ("author", "A", "only models of this user or organisation"),
    "task": ("task", "T", "only this task, such as text-generation"),
    "library": ("library", "L", "only this library, such as transformers or mlx"),
    "params": ("params", "RANGE", "parameters: 7B..32B, ..8B, >=70B, or 8B for about that"),
    "active": ("active", "RANGE", "active parameters, that a token passes through: ..4B"),
    "license": ("license", "ID", "the hub's id of a license: apache-2.0, mit, llama3.1"),
    "min-context": ("context", "N", "made for at least so many tokens: 32k, 128K, 1M"),
    "min-speed": ("speed", "N", "at least so many tokens a second on the machine"),
    "format": ("format", "F", "files in gguf, safetensors, awq, gptq, mlx, ..."),
    "quant": ("quant", "Q", "a quantization it can be run in: Q4_K, AWQ"),
    "language": ("lang", "L", "of this language: de, fr, zh"),
    "since": ("updated", "DAY", "updated since 2026-01-31, or in the last 90d, 6mo, 1y"),
    "created": ("created", "DAY", "created since, or in a range: 2025-01-01..2025-12-31"),
}
"""Option to the key of the filter it sets, what its value is called, and its help."""


def add_narrowing(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of ``weights search``."""
    group = parser.add_argument_group(
        "narrowing down",
        "What is not known of a model never passes. QUERY takes the same as words: "
        "params:7B..32B fits context:>=32k license:commercial gated:no",
    )
    for option, (_, value, text) in _VALUES.items():
        group.add_argument(f"--{option}", metavar=value, help=text)
    group.add_argument(
        "--gated",
        action=argparse.BooleanOptionalAction,
        help="only models whose terms must be accepted first, or only the others",
    )
    group.add_argument(
        "--license-allows",
        choices=["commercial", "hosting", "outputs"],
        action="append",
        default=[],
        help="only models whose license is known to allow this; may be repeated",
    )
    group.add_argument(
        "--fits", action="store_true", help="only what fits on the machine's accelerator"
    )
    group.add_argument(
        "--verdict",
        choices=["fits", "tight", "offload"],
        help="only verdicts no worse than this; offload runs partly on the host",
    )
    group.add_argument("--saved", metavar="NAME", help="begin with the search saved as this")
    group.add_argument("--save", metavar="NAME", help="save this search under a name")


def filters_of(options: argparse.Namespace) -> "Filters":
    """The filters of the options and of QUERY's words, on top of those of a saved search.

    Raises UsageError for a value that can't be, and for a search that was not saved.
    """
    from explorer.inspection.filter_words import format_filters, parse_filters, set_filter
    from explorer.userfile import UserFile

    words = " ".join([*([_saved(options.saved)] if options.saved else []), *options.query])
    filters = parse_filters(words)
    for key, value in _asked(options):
        filters = set_filter(filters, key, value)
    if options.save:
        UserFile().change(lambda now: now.save(options.save, format_filters(filters)))
    return filters


def _saved(name: str) -> str:
    """The words of a saved search."""
    from explorer.userfile import UserFile

    file = UserFile()
    searches = file.read().searches
    if name not in searches:
        raise UsageError(
            f"No search is saved as “{name}”",
            f"in {file.path}",
            f"saved are {', '.join(searches)}" if searches else "--save NAME saves one",
        )
    return searches[name]


def _asked(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for option, (key, _, _) in _VALUES.items():
        value: str | None = getattr(options, option.replace("-", "_"))
        if value is not None:
            yield key, value
    for use in options.license_allows:
        yield "license", use
    if options.gated is not None:
        yield "gated", "yes" if options.gated else "no"
    if options.fits:
        yield "verdict", "tight"
    if options.verdict is not None:
        yield "verdict", options.verdict
    if options.sort is not None:
        yield "sort", options.sort
