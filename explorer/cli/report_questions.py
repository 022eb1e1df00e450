"""What people read of the questions beyond the fit: enough, most, commands, the engine's own word."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer import units
from explorer.cli.report import GLYPHS
from explorer.cli.table import Column, facts, lines
from explorer.fit.values import Verdict
from explorer.safetext import safe_line

if TYPE_CHECKING:
    from explorer.engine.told import EngineWord
    from explorer.fit.enough import Enough, Setup
    from explorer.fit.most import Most
    from explorer.fit.upgrades import Upgrade
    from explorer.fit.values import Answer, Range
    from explorer.inspection.comparing import Comparison, Line
    from explorer.inspection.launching import Commands


def most_lines(most: "Most", answer: "Answer") -> list[str]:
    """What could be had instead of each of the things asked for."""
    if answer.verdict is Verdict.TOO_LARGE and most.quantization is None:
        return facts([("most", "nothing runs here at this context; see --enough")])
    context = units.tokens(answer.scenario.context_tokens)
    at = f" at {context}" if answer.scenario.context_tokens else ""
    how = GLYPHS[most.quantization_verdict]
    return facts(
        [
            ("most sequences", f"{most.sequences:,} of {context}" if most.sequences else ""),
            (
                "best quality",
                f"{how} {most.quantization}{at}" if most.quantization else "",
            ),
        ]
    )


def enough_lines(found: "Enough", context_tokens: int | None, sequences: int) -> list[str]:
    """A line a family, smallest first."""
    wish = f"at least {found.min_tokens_per_second:g}/s, " if found.min_tokens_per_second else ""
    heading = (
        f"Enough for {found.quantization}, {wish}{units.tokens(context_tokens)} x {sequences}: "
        "the smallest of each family"
    )
    columns = [
        Column("Memory", right=True),
        Column("Machine", flexible=True),
        Column("Family", spare=1),
        Column("Needs", right=True),
        Column("Decode", right=True),
        Column("As large", flexible=True, spare=2),
    ]
    table = lines(columns, [_setup(setup) for setup in found.setups])
    silent = (
        [f"no measured speed, so left out: {', '.join(found.without_speed)}"]
        if found.without_speed
        else []
    )
    if not found.setups:
        return [heading, "no machine of the catalog is enough", *silent]
    return [heading, "", *table, *silent]


def _setup(setup: "Setup") -> tuple[str, ...]:
    return (
        units.memory(setup.memory_bytes),
        setup.machine.name + (f" ({setup.answer.on_host} in RAM)" if setup.answer.on_host else ""),
        setup.family,
        units.memory(setup.answer.needed.total),
        _speed(setup.answer.speed.decode),
        ", ".join(setup.alike[:3]) + (", …" if len(setup.alike) > 3 else ""),
    )


def upgrade_lines(found: "Sequence[Upgrade]") -> list[str]:
    """What each change to the machine would bring, and what none would."""
    if not found:
        return []
    before = found[0].before
    columns = [
        Column("Change", flexible=True),
        Column("Best"),
        Column("Most context", right=True),
        Column("Decode", right=True),
    ]
    from explorer.fit.upgrades import unhelpful  # loaded where the question is asked

    rows = [("as it is", *_upgrade(before))]
    rows += [(one.change, *_upgrade(one.after)) for one in found if one.helps]
    idle = unhelpful(found)
    said = [f"no help: {idle}"] if idle else []
    return [f"If you upgraded {safe_line(before.machine.name)}", "", *lines(columns, rows), *said]


def _upgrade(answer: "Answer") -> tuple[str, str, str]:
    quantization = answer.scenario.quantization or "?"
    most = "-"
    if answer.max_context_tokens:
        most = units.most_tokens(answer.max_context_tokens, answer.limit_tokens)
    return f"{GLYPHS[answer.verdict]} {quantization}", most, _speed(answer.speed.decode)


def _speed(value: "Range | None") -> str:
    return "?" if value is None else units.speed(value.expected)


def command_lines(commands: "Commands") -> list[str]:
    """The lines to type, and nothing else."""
    return list(commands.lines)


def command_notes(commands: "Commands") -> list[str]:
    """What is to be known before typing them: size, room, what was left out."""
    first = [commands.download.account] if commands.download else []
    return [*first, *commands.launch.notes]


def engine_lines(word: "EngineWord") -> list[str]:
    """The engine's own figures beside ours, for a processor alone."""
    heading = f"{safe_line(word.version)}, on a processor alone"
    if word.theirs is None:
        return [f"{heading}: {safe_line(word.problem)}"]
    columns = [Column(""), *(Column(title, right=True) for title in ("engine", "ours", "off"))]
    rows = [
        (one.name, units.memory(one.theirs), units.memory(one.ours), one.off)
        for one in word.figures
    ]
    return [heading, *lines(columns, rows)]


def comparison_lines(found: "Comparison") -> list[str]:
    """Models in columns, properties in lines; ``*`` is best, ``<`` marks the largest differences."""
    columns = [
        Column(""),
        *[Column(model.id, right=True, flexible=True) for model in found.models],
        Column("", right=True),
    ]
    table = lines(columns, [_compared(line) for line in found.lines])
    problems = [f"! {model.id}: {model.problem}" for model in found.models if model.problem]
    legend = f"on {found.machine.name}; * best, < the largest differences"
    return [*table, "", safe_line(legend), *(safe_line(text) for text in problems)]


def _compared(line: "Line") -> tuple[str, ...]:
    cells = [
        f"{cell}{'*' if number == line.best else ' '}" for number, cell in enumerate(line.cells)
    ]
    ratio = f"x{line.ratio:.1f}" if line.ratio is not None and line.ratio >= 1.05 else ""
    return (line.name, *cells, f"{ratio} {'<' if line.marked else ' '}".rstrip())
