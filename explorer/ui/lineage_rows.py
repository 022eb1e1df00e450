"""The lineage of a model as rows of a table: what it was made of, the model, what was made of it."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from explorer.inspection.lineage import Ancestry, Branch, Kin
from explorer.lineage import Relation
from explorer.ui.verdicts import LOOKS
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.units import count, gib, speed

COLUMNS = (
    Column("model", "Model", 26, flex=4, most=90, cut="middle", sortable=False),
    Column("made", "Made by", 12, drop=2, sortable=False),
    Column("params", "Params", 7, align="right", drop=1, sortable=False),
    Column("license", "License", 12, drop=3, sortable=False),
    Column("fit", "Best here", 12, sortable=False),
    Column("gib", "GiB", 5, align="right", drop=5, sortable=False),
    Column("speed", "Speed", 7, align="right", drop=4, sortable=False),
    Column("downloads", "Downloads", 10, align="right", sortable=False),
)
TITLES = {
    Relation.FINETUNE: "Finetunes",
    Relation.ADAPTER: "Adapters",
    Relation.MERGE: "Merges",
    Relation.QUANTIZED: "Quantizations",
}
FIRST = 5
"""Models of a kind that show before more are asked for."""
_INDENT = "  "

Path: TypeAlias = tuple[str, ...]
"""Names and relations from the model to a row: no two rows have the same."""
BranchKey: TypeAlias = tuple[str, Relation]


@dataclass(frozen=True, slots=True)
class Grown:
    """How far a lineage has been walked, and what of it is open."""

    tree: Ancestry
    """The model with what it was made of."""
    branches: Mapping[BranchKey, Branch] = field(default_factory=dict)
    opened: frozenset[Path] = frozenset()
    busy: frozenset[BranchKey] = frozenset()
    unfolded: frozenset[Path] = frozenset()
    """Of the open kinds, those that show all that is listed so far, and not only the first."""
    climbing: bool = False
    """What the model was made of is being looked up."""

    def with_branch(self, branch: Branch) -> "Grown":
        """With what was made of a model in one way; not if more of it has come in the meantime."""
        key = (branch.parent, branch.relation)
        now = self.branches.get(key)
        if now is not None and len(now.kin) > len(branch.kin):
            return self
        return replace(
            self, branches={**self.branches, key: branch}, busy=self.busy.difference({key})
        )

    def with_counted(self, branches: tuple[Branch, ...]) -> "Grown":
        """With the numbers of what was made of a model, where it has not been listed yet."""
        keys = {(branch.parent, branch.relation): branch for branch in branches}
        empty = {key for key, branch in keys.items() if branch.begun}
        return replace(self, branches={**keys, **self.branches}, busy=self.busy.difference(empty))

    def waiting_for(self, key: BranchKey) -> "Grown":
        """A branch was asked for."""
        return replace(self, busy=self.busy | {key})

    def toggled(self, path: Path, *, opened: bool) -> "Grown":
        """A row opened or closed."""
        changed = self.opened | {path} if opened else self.opened - {path}
        return replace(self, opened=changed)

    def unfold(self, path: Path) -> "Grown":
        """All that is listed of a kind shows from now on."""
        return replace(self, unfolded=self.unfolded | {path})


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the tree."""

    path: Path
    depth: int
    kind: Literal["heading", "ancestor", "self", "branch", "kin", "more"]
    kin: Kin | None = None
    branch: BranchKey | None = None
    """What the row opens, or asks more of."""
    text: str = ""
    remark: str = ""
    opened: bool | None = None
    """None for a row that cannot be opened."""


def lines_of(grown: Grown) -> tuple[Line, ...]:
    """Every row that is to be seen, from top to bottom."""
    own = grown.tree.kin
    return (
        *_above(grown),
        Line((own.id,), 0, "self", own),
        *_branches(grown, (own.id,), own.id, 0),
    )


def _above(grown: Grown) -> Iterator[Line]:
    bases = grown.tree.kin.step.bases
    if not bases:
        yield Line(("^",), 0, "heading", text="↑ original: no base is named")
        return
    text = f"↑ made of {len(bases)} model{'' if len(bases) == 1 else 's'}"
    yield Line(("^",), 0, "heading", text=text, remark="asking …" if grown.climbing else "")
    for base in grown.tree.bases:
        yield from _ancestors(base, ("^",), 1)


def _ancestors(tree: Ancestry, above: Path, depth: int) -> Iterator[Line]:
    path = (*above, tree.kin.id)
    remark = "shown already" if tree.repeated else "has bases further up" if tree.cut else ""
    yield Line(path, depth, "ancestor", tree.kin, remark=remark)
    for base in tree.bases:
        yield from _ancestors(base, path, depth + 1)


def _branches(grown: Grown, above: Path, parent: str, depth: int) -> Iterator[Line]:
    """The four kinds of what was made of a model, those that are open with their models."""
    for relation in Relation:
        path, key = (*above, relation.value), (parent, relation)
        opened = path in grown.opened
        branch = grown.branches.get(key)
        yield Line(
            path,
            depth,
            "branch",
            branch=key,
            text=TITLES[relation],
            remark=_state(branch, busy=key in grown.busy),
            opened=opened,
        )
        if branch is None or not opened:
            continue
        shown = branch.kin if path in grown.unfolded else branch.kin[:FIRST]
        for kin in shown:
            yield from _kin(grown, path, kin, depth + 1)
        if key in grown.busy and not branch.kin:
            continue  # its heading says so
        if branch.more or branch.error is not None or len(shown) < len(branch.kin):
            text = "asking …" if key in grown.busy else "… enter shows more"
            yield Line((*path, "+"), depth + 1, "more", branch=key, text=text)


def _kin(grown: Grown, above: Path, kin: Kin, depth: int) -> Iterator[Line]:
    path = (*above, kin.id)
    opened = path in grown.opened
    yield Line(path, depth, "kin", kin, opened=opened)
    if opened:
        yield from _branches(grown, path, kin.id, depth + 1)


def _state(branch: Branch | None, *, busy: bool) -> str:
    if busy:
        return "asking …"
    if branch is None:
        return ""
    if branch.error is not None:
        return f"! {branch.error.title}"
    if not branch.begun and branch.total is None:
        return ""
    return branch.account if branch.kin or branch.total else "none listed"


class LineageRows:
    """The rows as a table shows them."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self._places = {line.path: index for index, line in enumerate(lines)}

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, index: int) -> Sequence[Cell]:
        """Cells of a row."""
        return cells(self.lines[index])

    def key(self, index: int) -> Hashable:
        """The path of a row."""
        return self.lines[index].path

    def find(self, key: Hashable) -> int | None:
        """Where a path is now."""
        return self._places.get(key) if isinstance(key, tuple) else None


def cells(line: Line) -> tuple[Cell, ...]:
    """One row: the name where it belongs in the tree, then what its listing tells."""
    kin = line.kin
    if kin is None:
        tone = "dim" if line.kind in {"heading", "more"} else "strong"
        named = (Run(f"{_lead(line)}{line.text}", tone), Run(f"  {line.remark}", "dim"))
        return (named, *[""] * 7)
    remark = line.remark or (f"! {kin.error.title}" if kin.error else "")
    name = (
        Run(f"{_lead(line)}{kin.id}", _NAME_TONES.get(line.kind, "")),
        Run(f"  {remark}", "dim"),
    )
    made = f"{kin.step.word}{' ?' if kin.step.inferred else ''}" if kin.listing else ""
    row = kin.row
    if row is None:
        downloads = kin.listing.downloads if kin.listing else None
        return (name, Run(made, "dim"), *[""] * 5, count(downloads) if kin.listing else "")
    return (
        name,
        Run(made, "dim"),
        count(row.parameters),
        row.license,
        *_fit(kin),
        count(row.listing.downloads),
    )


_NAME_TONES = {"self": "accent"}


def _lead(line: Line) -> str:
    mark = "  " if line.opened is None else "▾ " if line.opened else "▸ "
    return f"{_INDENT * line.depth}{'' if line.kind == 'heading' else mark}"


def _fit(kin: Kin) -> tuple[Cell, str, str]:
    answer = kin.row.answer if kin.row else None
    if answer is None:
        what = "on its base" if kin.step.relation is Relation.ADAPTER else "?"
        return Run(what, "dim"), "", ""
    look = LOOKS[answer.verdict]
    mark = "≈" if kin.row and kin.row.estimated else " "
    decode = answer.speed.decode
    return (
        (Run(look.glyph, look.tone), Run(f"{mark}{answer.scenario.quantization or '?'}")),
        gib(answer.needed.total),
        speed(decode.expected) if decode else "",
    )
