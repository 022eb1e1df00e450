"""The accuracy table of README: ``python -m tests.accuracy.report --readme`` prints it."""

from collections import defaultdict
from collections.abc import Iterable
from textwrap import wrap

Key = tuple[str, str, str]

TARGETS = {"weights": (0.01, 0.03), "KV": (0.01, 0.03), "recurrent": (0.01, None),
           "whole": (0.05, None), "planned": (0.005, None)}  # fmt: skip
"""Median and 90th percentile, by the first word of a part."""
COMPUTE = (0.05, 0.20)
"""Median and worst, against the version followed."""
CAUSES = {
    "not followed": "an answer names them",
    "other families": "holes that one more or one less tensor leaves",
    "blocks on the host": "one arrangement stands for others like it",
    "pinned host": "LFM2 with half its blocks on the host, without flash attention",
    "b11549": "that build is newer than the one followed",
}
"""What is known of why a part misses its target, by words of its engine or of the part."""


def lines(errors: Iterable[tuple[Key, float]]) -> list[str]:
    """The table, weights on any device taken together, then what misses its target, by engine and cause."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (engine, part, _), error in errors:
        found[engine, part.split(",")[0] if part.startswith("weights") else part].append(error)
    table = ["| engine | part | figures | median | 90th | worst |", "|---|---|---:|---:|---:|---:|"]
    misses: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (engine, part), values in sorted(found.items()):
        shown = _three(sorted(values))
        percents = " | ".join(f"{100 * error:.2f} %" for error in shown)
        table.append(f"| {engine} | {part} | {len(values):,} | {percents} |")
        if not _met(part, shown):
            over = sum(error > COMPUTE[1] for error in values)
            line = f"{engine}, {part}"
            why = next((why for words, why in CAUSES.items() if words in line), "cause unknown")
            misses[engine, why].append(f"{part} {over} of {len(values):,}")
    if not misses:
        return [*table, "", "Missing its target: nothing."]
    said = []
    for (engine, why), parts in misses.items():
        item = f"- {engine}: {'; '.join(parts)} ({why})"
        said += wrap(item, 108, subsequent_indent="  ", break_on_hyphens=False)
    heading = "Missing its target, with how many figures are more than 20 % off:"
    return [*table, "", heading, "", *said]


def _three(values: list[float]) -> tuple[float, float, float]:
    return values[len(values) // 2], values[len(values) * 9 // 10], values[-1]


def _met(part: str, shown: tuple[float, float, float]) -> bool:
    median, ninth, worst = shown
    if part.startswith("compute"):
        return median <= COMPUTE[0] and worst <= COMPUTE[1]
    most, most_ninth = TARGETS.get(part.split(maxsplit=1)[0].rstrip(","), (1.0, None))
    return median <= most and (most_ninth is None or ninth <= most_ninth)
