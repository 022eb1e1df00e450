"""What the Fit tab says in words: a cell in a line, its facts, and the reason for each number."""

from collections.abc import Sequence

from textual.content import Content

from explorer.fit.most import Most
from explorer.fit.values import Answer, Range, Reason, Verdict
from explorer.inspection.choices import EngineChoice
from explorer.inspection.fitting import Grid
from explorer.inspection.model import Model
from explorer.safetext import safe_line
from explorer.ui.verdicts import LOOKS, TONES
from explorer.ui.widgets.facts import Fact
from explorer.ui.widgets.heatmap import HeatCell, HeatGrid
from explorer.units import GIB, MIB, gib, memory, most_tokens, speed, tokens

PENDING = "…"
CHOSEN, BEYOND = "▸", "!"
"""Marks of a column's heading: the context that was chosen; one that is longer than the model's own."""


def waiting_for(model: Model | None, *, busy: bool = True) -> str:
    """Why there is no map yet, or none at all; ``busy`` while anything is still being read."""
    if model is None:
        return "looking the model up …" if busy else "the model could not be read: R tries again"
    if not model.shards_total:
        return "this model has no weight files that can be read, so there is nothing to judge"
    if model.shards_read < model.shards_total:
        return f"reading headers: {model.shards_read} of {model.shards_total} …"
    if not model.complete:
        missing = len(model.checkpoint.missing)
        return f"{missing} of {model.shards_total} headers could not be read: R reads them again"
    return "judging …"


def untold(model: Model | None) -> tuple[str, ...]:
    """The model's warnings but for the problem that the status line tells."""
    if model is None:
        return ()
    failed = any(shard.error for shard in model.checkpoint.shards)
    told = {str(problem) for problem in model.problems[: 0 if failed else 1]}
    return tuple(warning for warning in model.warnings if warning not in told)


def heat_grid(grid: Grid) -> HeatGrid:
    """The map of judged cells; a single column without a context where nothing grows with one."""
    most = max((cell.needed.total for row in grid.cells for cell in row), default=0)
    unit, figure = ("GiB", gib) if most >= GIB else ("MiB", _mib)
    return HeatGrid(
        tuple(grid.quantizations),
        tuple(_context(grid, index) for index in range(len(grid.contexts))),
        tuple(
            tuple(
                HeatCell(LOOKS[cell.verdict].glyph, figure(cell.needed.total), LOOKS[cell.verdict].tone)
                for cell in row
            )
            for row in grid.cells
        ),
        unit,
    )  # fmt: skip


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.0f}"


def _context(grid: Grid, index: int) -> str:
    """A column's heading: the chosen context and those beyond the model's own are marked."""
    if not grid.by_context:
        return ""
    context = grid.contexts[index]
    beyond = grid.limit_tokens is not None and context > grid.limit_tokens
    chosen = CHOSEN if index == grid.chosen else ""
    return f"{chosen}{tokens(context)}{BEYOND if beyond else ''}"


def legend(grid: Grid) -> tuple[Content, ...]:
    """What the glyphs of a map, its figures and the marks of its headings say."""
    verdicts = [
        Content.assemble((f"{look.glyph} ", TONES[look.tone]), (look.word, "$foreground-muted"))
        for look in LOOKS.values()
    ]
    said = [figures_are(grid)]
    if grid.by_context:
        said.append(f"{CHOSEN} the chosen context")
        limit = grid.limit_tokens
        if limit is None:
            said.append("the model's own limit is unknown")
        elif max(grid.contexts) > limit:
            said.append(f"{BEYOND} beyond the model's {tokens(limit)}")
    return (*verdicts, *(Content.styled(text, "$foreground-muted") for text in said))


def figures_are(grid: Grid) -> str:
    """Of which memory the figures of a map are."""
    beside = any(cell.needed != cell.memory for row in grid.cells for cell in row)
    return "figures: on the accelerator; ○ × and on the host" if beside else "figures: in all"


def start(grid: Grid, best: str) -> tuple[int, int]:
    """Where the cursor begins: the best quantization, at the context asked for."""
    row = grid.quantizations.index(best) if best in grid.quantizations else 0
    return row, grid.chosen


def headline(cell: Answer, *, by_context: bool = True, estimated: bool = False) -> Content:
    """One cell in a line: quantization, context, verdict, what it needs; ``≈`` before headers are read."""
    look = LOOKS[cell.verdict]
    scenario = cell.scenario
    about = "≈" if estimated else ""
    sure = " (from the list)" if estimated else "" if cell.exact else " (planned)"
    told = by_context or cell.is_beyond_limit
    context = f"  at {tokens(scenario.context_tokens)} context" if told else ""
    beyond = f", beyond the model's {tokens(cell.limit_tokens)}" * cell.is_beyond_limit
    host = cell.memory.total - cell.needed.total
    return Content.assemble(
        (f"{look.glyph} {safe_line(scenario.quantization or '')}", f"bold {TONES[look.tone]}"),
        context,
        (beyond, "$text-warning"),
        "  ",
        (f"{about}{memory(cell.needed.total)}{sure}", "bold"),
        (f"  {look.word}", TONES[look.tone]),
        (f"  + {memory(host)} on the host" if host else "", "$foreground-muted"),
    )


def facts(cell: Answer, most: Most | None, *, by_context: bool = True) -> tuple[Fact, ...]:
    """What else there is to say of a cell; the most one can have is found later than the rest."""
    if not by_context:
        return (
            *_best(cell, most),
            Fact("Speed", "not known: only text that is written is measured"),
        )
    runs = cell.verdict is not Verdict.TOO_LARGE
    hosted = (Fact("On the host", cell.on_host),) if cell.on_host else ()
    known = (
        *hosted,
        *_speeds(cell, runs=runs),
        Fact("Most context", _most_context(cell, most)),
        Fact("Most sequences", _most_sequences(cell, most)),
        *_best(cell, most),
    )
    measured = runs and cell.speed.decode is not None
    basis = (Fact("Speed rests on", cell.speed.basis),) if measured else ()
    return (*known, *basis)


def _speeds(cell: Answer, *, runs: bool) -> tuple[Fact, ...]:
    """Both speeds, or once why there is none."""
    if cell.speed.decode is None and cell.speed.prefill is None:
        return (Fact("Speed", cell.speed.basis if runs else "it does not run here"),)
    return (
        Fact("Decode", spread(cell.speed.decode, runs=runs), "bold"),
        Fact("Prefill", spread(cell.speed.prefill, runs=runs)),
    )


def _most_context(cell: Answer, most: Most | None) -> str:
    if most is None:
        return PENDING
    if not most.context_tokens:
        return "none runs here"
    longest = most_tokens(most.context_tokens, cell.limit_tokens)
    return f"{longest}, in {cell.scenario.quantization} with the same verdict"


def _most_sequences(cell: Answer, most: Most | None) -> str:
    if most is None:
        return PENDING
    context = tokens(cell.scenario.context_tokens)
    return f"{most.sequences:,}, each of {context}" if most.sequences else f"none of {context}"


def _best(cell: Answer, most: Most | None, *, by_context: bool = True) -> tuple[Fact, ...]:
    if most is None:
        return (Fact("Best here", PENDING),)
    if most.quantization is None:
        return (Fact("Best here", "nothing runs: x shows what would be enough"),)
    look = LOOKS[most.quantization_verdict]
    context = cell.scenario.context_tokens
    at = f" at {tokens(context)}" if context and by_context else ""
    return (Fact("Best here", f"{look.glyph} {most.quantization}{at}, {look.word}"),)


def refusals(choices: Sequence[EngineChoice]) -> tuple[Fact, ...]:
    """The engines that cannot be chosen in a line, and why; a reason that several share is said once."""
    why: dict[str, list[str]] = {}
    for choice in choices:
        if choice.refusal:
            reason = choice.refusal.removeprefix(f"{choice.engine} ")
            why.setdefault(reason, []).append(choice.engine)
    if not why:
        return ()
    said = "; ".join(f"{', '.join(engines)}: {reason}" for reason, engines in why.items())
    return (Fact("Not here", said, "$foreground-muted"),)


def spread(estimate: Range | None, *, runs: bool = True) -> str:
    """Expected tokens a second, with the spread; unknown is said."""
    if estimate is None:
        return "not known: there is no basis for a figure" if runs else "it does not run here"
    return f"{speed(estimate.expected)}  ({estimate.low:,.0f} to {estimate.high:,.0f})"


def numbers(cell: Answer, most: Most | None, *, by_context: bool = True) -> tuple[Reason, ...]:
    """Every number of an explained cell with its reason: the engine's own, then the speeds and the limits."""
    rates = [("decode", cell.speed.decode), ("prefill", cell.speed.prefill)] if by_context else []
    most = most if by_context else None
    found = [
        Reason("total", memory(cell.memory.total), "sum of the parts on every device", _parts(cell), ""),
        *cell.reasons,
        *_needed(cell),
        *(
            Reason(name, speed(rate.expected), "", cell.speed.basis, f"between {_between(rate)}")
            for name, rate in rates
            if rate is not None
        ),
    ]  # fmt: skip
    if most is not None and most.context_tokens:
        found.append(
            Reason(
                "most context",
                most_tokens(most.context_tokens, cell.limit_tokens),
                "the longest whose plan gets a verdict no worse than this cell's",
                f"{most.context_tokens:,} tokens, looked for in steps of 256 up to "
                + (
                    "1M, since the model states no limit"
                    if cell.limit_tokens is None
                    else "the model's own limit"
                ),
                "",
            )
        )
    if most is not None and most.sequences:
        found.append(
            Reason(
                "most sequences",
                f"{most.sequences:,}",
                "the most whose plan gets a verdict no worse than this cell's",
                f"each with {cell.scenario.context_tokens or 0:,} tokens of its own",
                "",
            )
        )
    return tuple(found)


def _needed(cell: Answer) -> tuple[Reason, ...]:
    """Why the figure in the map is less than the total."""
    host = cell.memory.total - cell.needed.total
    if not host:
        return ()
    return (
        Reason(
            "in the map",
            memory(cell.needed.total),
            "total - the host's share",
            f"the accelerators hold every layer; {memory(host)} on the host: what is looked up "
            "there, its buffers and the program",
            "what the verdict is about",
        ),
    )


def _between(rate: Range) -> str:
    return f"{rate.low:,.0f} and {rate.high:,.0f} tokens a second"


def _parts(cell: Answer) -> str:
    return ", ".join(
        f"{placed.device} {memory(placed.memory.total)} of {memory(placed.capacity_bytes)}"
        for placed in cell.placement[:4]
    ) + (f" and {len(cell.placement) - 4} further" if len(cell.placement) > 4 else "")
