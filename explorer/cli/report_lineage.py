"""What people read of ``lineage``, ``variants``, ``license`` and ``publisher``."""

from collections.abc import Iterator

from explorer import units
from explorer.cli.report import GLYPHS
from explorer.cli.table import Column, facts, lines
from explorer.fit.values import Answer
from explorer.inspection.best_variant import Choice
from explorer.inspection.lineage import Ancestry, Kin, Offspring
from explorer.inspection.publisher import Publisher
from explorer.inspection.terms import InheritedTerms, LicenseText
from explorer.inspection.variants import Variant, Variants
from explorer.license.terms import Permission, questions
from explorer.lineage import Relation
from explorer.safetext import safe_line, safe_text

PLURALS = {
    Relation.FINETUNE: "finetunes",
    Relation.ADAPTER: "adapters",
    Relation.MERGE: "merges",
    Relation.QUANTIZED: "quantizations",
}
_MARKS = {
    Permission.YES: "+",
    Permission.CONDITIONS: "~",
    Permission.UNKNOWN: "?",
    Permission.NO: "x",
}
_FIT = (
    Column("Best here"),
    Column("GiB", right=True),
    Column("Speed", right=True),
    Column("Downloads", right=True, spare=3),
)
_INDENT = "  "


def lineage(tree: Ancestry, below: tuple[Offspring, ...] | None) -> list[str]:
    """What a model was made of, above it what that was made of; then what was made of it."""
    columns = [
        Column("Model", flexible=True),
        Column("Made by"),
        Column("Params", right=True, spare=1),
        Column("License", spare=2),
        *_FIT,
    ]
    rows = [*_above(tree, 0)]
    if below is not None:
        rows += _below(below, 1)
    return lines(columns, rows)


def _above(tree: Ancestry, depth: int) -> Iterator[tuple[str, ...]]:
    """The model with its bases under it, each marked with an arrow up."""
    mark = f"{_INDENT * depth}↑ " if depth else ""
    remark = " (see above)" if tree.repeated else " (has bases further up)" if tree.cut else ""
    yield _kin_cells(tree.kin, mark, remark)
    for base in tree.bases:
        yield from _above(base, depth + 1)


def _below(below: tuple[Offspring, ...], depth: int) -> Iterator[tuple[str, ...]]:
    for one in below:
        listed = one.branch.account.replace("+", ", more on the hub")
        failed = f": {one.branch.error}" if one.branch.error else ""
        heading = f"{_INDENT * depth}↓ {PLURALS[one.branch.relation]} ({listed}){failed}"
        yield (heading, *[""] * 7)
        for kin in one.branch.kin:
            yield _kin_cells(kin, _INDENT * (depth + 2))
            yield from _below(one.next.get(kin.id, ()), depth + 3)


def _kin_cells(kin: Kin, indent: str, remark: str = "") -> tuple[str, ...]:
    name = f"{indent}{kin.id}{remark}"
    if kin.error is not None:
        return (name, kin.error.title, *[""] * 6)
    made = f"{kin.step.word}{' (?)' if kin.step.inferred else ''}"
    row = kin.row
    if row is None:
        return (name, made, *[""] * 6)
    return (
        name,
        made,
        units.count(row.parameters),
        row.license,
        *_fit_cells(row.answer, "≈" if row.estimated else " "),
        units.count(row.listing.downloads),
    )


def _fit_cells(answer: Answer | None, mark: str = " ") -> tuple[str, str, str]:
    if answer is None:
        return "", "", ""
    decode = answer.speed.decode
    return (
        f"{GLYPHS[answer.verdict]}{mark}{answer.scenario.quantization or '?'}",
        units.gib(answer.needed.total),
        units.speed(decode.expected) if decode else "?",
    )


def variants(found: Variants, best: Choice | None, published: Choice | None) -> list[str]:
    """The best one for the machine with the reason and the best that is published, then all of them."""
    columns = [
        Column("Repository", flexible=True),
        Column("Format", spare=2),
        Column("Quantization"),
        Column("Size", right=True),
        Column("Bits", right=True, spare=3),
        Column("Runs here"),
        Column("GiB", right=True, spare=1),
        Column("Speed", right=True),
        Column("Downloads", right=True, spare=5),
        Column("Remark", spare=4),
    ]
    head = ["nothing is known to run here"]
    if best is not None:
        head = facts(_chosen("best here", best))
    if published is not None and (best is None or published.variant.key != best.variant.key):
        head += facts(_chosen("published", published))
    return [*head, "", *lines(columns, [_variant_cells(one) for one in found.variants])]


def _chosen(label: str, choice: Choice) -> list[tuple[str, str]]:
    one = choice.variant
    name, repo = one.quantization, one.repo
    made = f"weights fit {repo} --quant {name} --command" if not choice.is_published else ""
    return [
        (label, f"{name}{'' if choice.is_published else ' planned'} of {repo}"),
        ("file", one.files[0] if one.files and one.format == "GGUF" else ""),
        ("because", choice.reason),
        ("made by", made),
    ]


def _variant_cells(one: Variant) -> tuple[str, ...]:
    runs, size, speed = _fit_cells(one.answer)
    engine = one.answer.scenario.engine if one.answer else ""
    return (
        one.repo,
        one.format or "?",
        one.quantization,
        units.file_size(one.size_bytes) if one.size_bytes is not None else "?",
        f"{one.bits_per_weight:.2f}" if one.bits_per_weight else "",
        f"{runs[:1]} {engine}" if runs else "?",
        size,
        speed,
        units.count(one.downloads),
        one.remark,
    )


def variants_footing(found: Variants, machine: str, source: str) -> str:
    """What the table rests on."""
    looked = f"{found.looked_at} repositories looked at"
    looked += ", more are listed: --limit" if found.more else ""
    legend = "+ fits  ~ tight  o offload  x too large"
    return " | ".join(part for part in (legend, f"on {machine}", looked, source) if part)


def terms(model_id: str, found: InheritedTerms, texts: tuple[LicenseText, ...]) -> list[str]:
    """Three answers, what limits them, where they come from, and where the text is."""
    whole = found.whole
    answers = [
        f"{_MARKS[one.verdict]} {one.question} {safe_line(one.sentence)}"
        for one in questions(whole)
    ]
    lineage_ = [
        ("base", f"{one.model_id}: {one.name}{f' ({one.caveat})' if not one.id else ''}")
        for one in found.ancestors
    ]
    inherited = "the strictest of the lineage holds, not the model's own license alone"
    pairs = [
        ("license", whole.name),
        ("title", whole.title),
        ("own license", found.own.name if found.ancestors else ""),
        *lineage_,
        ("inherits", inherited if found.inherits else ""),
        ("thresholds", whole.thresholds),
        ("territory", whole.territory),
        ("attribution", whole.attribution),
        ("use", whole.use_restrictions),
        ("source", whole.source),
        ("read", whole.confidence),
        ("caveat", whole.caveat),
        ("link", whole.link),
        *[("text", f"{one.path} of {one.model_id}") for one in texts],
        *[("note", note) for note in found.notes],
    ]
    return [safe_line(model_id), *answers, "", *facts(pairs), "For display, not legal advice."]


def license_text(one: LicenseText) -> list[str]:
    """The text of one license, made safe to print."""
    heading = f"----- {one.path} of {one.model_id}{' (its beginning)' if one.cut else ''} -----"
    return ["", safe_line(heading), *safe_text(one.text).split("\n")]


def publisher(found: Publisher) -> list[str]:
    """Sizes over time, a quarter a line, the latest first."""
    columns = [
        Column("Quarter"),
        Column("Models", right=True),
        Column("Smallest", right=True),
        Column("Median", right=True, spare=1),
        Column("Largest", right=True),
        Column("Downloads", right=True, spare=2),
        Column("The largest", flexible=True),
    ]
    rows = [
        (
            one.name,
            str(one.models),
            units.count(one.smallest),
            units.count(one.median),
            units.count(one.largest),
            units.count(one.downloads),
            one.largest_id,
        )
        for one in found.quarters
    ]
    return lines(columns, rows)
