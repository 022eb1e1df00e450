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
from explorer.units import gib, memory, speed, tokens

PENDING = "…"
NO_SPEED = "not known: it is measured for text that a model writes"


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


def heat_grid(grid: Grid) -> HeatGrid:
    """The map of judged cells; a single column without a context where nothing grows with one."""
    columns = tuple(tokens(context) for context in grid.contexts)
    return HeatGrid(
        tuple(grid.quantizations),
        columns if grid.by_context else ("GiB",),
        tuple(tuple(heat(cell) for cell in row) for row in grid.cells),
    )


def heat(cell: Answer) -> HeatCell:
    """A cell of the map: glyph, GiB, tone."""
    look = LOOKS[cell.verdict]
    return HeatCell(look.glyph, gib(cell.memory.total), look.tone)


def start(grid: Grid, best: str, context_tokens: int | None) -> tuple[int, int]:
    """Where the cursor begins: the best quantization, at the context nearest to the one asked for."""
    wanted = context_tokens or 8192
    near = min(range(len(grid.contexts)), key=lambda i: abs(grid.contexts[i] - wanted))
    row = grid.quantizations.index(best) if best in grid.quantizations else 0
    return row, near


def headline(cell: Answer, *, by_context: bool = True) -> Content:
    """One cell in a line: quantization, context, verdict, total."""
    look = LOOKS[cell.verdict]
    scenario = cell.scenario
    estimated = "" if cell.exact else " (planned)"
    context = f"  at {tokens(scenario.context_tokens)} context" if by_context else ""
    return Content.assemble(
        (f"{look.glyph} {safe_line(scenario.quantization or '')}", f"bold {TONES[look.tone]}"),
        f"{context}  ",
        (f"{memory(cell.memory.total)}{estimated}", "bold"),
        (f"  {look.word}", TONES[look.tone]),
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
        Fact("Decode", spread(cell.speed.decode, runs=runs), "bold"),
        Fact("Prefill", spread(cell.speed.prefill, runs=runs)),
        Fact("Most context", _most_context(cell, most)),
        Fact("Most sequences", _most_sequences(cell, most)),
        *_best(cell, most),
    )
    basis = (Fact("Speed rests on", cell.speed.basis),) if runs else ()
    return (*known, *basis)


def _most_context(cell: Answer, most: Most | None) -> str:
    if most is None:
        return PENDING
    if not most.context_tokens:
        return "none runs here"
    return f"{tokens(most.context_tokens)} in {cell.scenario.quantization}, with the same verdict"


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
    """The engines that cannot be chosen, and why."""
    return tuple(
        Fact(f"Not {choice.engine}", choice.refusal, "$foreground-muted")
        for choice in choices
        if choice.refusal
    )


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
                tokens(most.context_tokens),
                "the longest whose plan gets a verdict no worse than this cell's",
                f"{most.context_tokens:,} tokens, looked for in steps of 256 up to the model's own limit",
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


def _between(rate: Range) -> str:
    return f"{rate.low:,.0f} and {rate.high:,.0f} tokens a second"


def _parts(cell: Answer) -> str:
    return ", ".join(
        f"{placed.device} {memory(placed.memory.total)} of {memory(placed.capacity_bytes)}"
        for placed in cell.placement[:4]
    ) + (f" and {len(cell.placement) - 4} further" if len(cell.placement) > 4 else "")
