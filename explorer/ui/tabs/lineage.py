"""The Lineage tab: a tree up to what a model was made of and down to what was made of it."""

import asyncio
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import ModelRef
from explorer.inspection.lineage import (
    Ancestry,
    Branch,
    Kin,
    Lineage,
    judge_ancestry,
    judge_branch,
)
from explorer.lineage import Relation
from explorer.ui.composed import is_composed
from explorer.ui.lineage_rows import COLUMNS, BranchKey, Grown, Line, LineageRows, lines_of
from explorer.ui.messages import OpenModel
from explorer.ui.tabs.relatives import JudgedRelativesTab
from explorer.ui.widgets.status import explain
from explorer.ui.widgets.table import VirtualTable


class LineageTab(JudgedRelativesTab):
    """Asks for a generation when it is opened, and for a page when its end is asked for."""

    DEFAULT_CSS = """
    LineageTab { height: 1fr; }
    LineageTab Static {
        height: 1; padding: 0 2; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis;
    }
    LineageTab VirtualTable { height: 1fr; }
    """
    HELP = """
    ## Lineage

    Above the model stands what it was made of, below it what was made of it, the most downloaded first.
    **Right** opens a kind or a model's own descendants, **left** closes it. **Enter** opens a kind, lists
    more, or looks into the model. A relation with a `?` is not said by the card, but follows from its files.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "right,l",
            "open(True)",
            "Open",
            show=False,
            id="lineage.open",
            tooltip="Show what was made of it",
        ),
        Binding(
            "left,h",
            "open(False)",
            "Close",
            show=False,
            id="lineage.close",
            tooltip="Fold what was made of it",
        ),
    ]

    grown: reactive[Grown | None] = reactive(None)

    table = query_one("#lineage-tree", VirtualTable)
    note = query_one("#lineage-note", Static)

    @dataclass
    class Climbed(Message):
        """What the model was made of was looked up, or judged anew."""

        tree: Ancestry

    @dataclass
    class BranchGrown(Message):
        """Another page of what was made of a model, or the same judged anew."""

        branch: Branch

    @dataclass
    class Counted(Message):
        """How many models were made of one, by kind."""

        branches: tuple[Branch, ...]

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def compose(self) -> ComposeResult:
        """A line that says what is under way, and the tree."""
        yield Static(Content(""), id="lineage-note")
        yield VirtualTable(COLUMNS, empty="looking the model up …", widget_id="lineage-tree")

    def watch_grown(self) -> None:
        """More is known, or another row is open."""
        self._show()

    # Asking

    def _ask(self) -> None:
        model, lineage = self.model, self.lineage
        if model is None or lineage is None or self._asked or "lineage" not in self.looked_at:
            return
        self._asked = True
        kin = lineage.add(model.repo)
        opened = frozenset({(kin.id, relation.value) for relation in Relation})
        self.grown = Grown(
            Ancestry(kin),
            opened=opened,
            busy=frozenset((kin.id, relation) for relation in Relation),
            climbing=bool(kin.step.bases),
        )
        self.table.cursor = self.table.rows.find((kin.id,)) or 0
        self._climb(lineage, kin)
        self._count(lineage, kin.id)

    @work(group="lineage", exit_on_error=False)
    async def _climb(self, lineage: Lineage, kin: Kin) -> None:
        """Look up what the model was made of, and judge it in a thread."""
        tree = await lineage.ancestry(kin)
        machine = self.machine
        if machine is not None:
            tree = await asyncio.to_thread(judge_ancestry, tree, machine, self.scenario)
        self.post_message(self.Climbed(tree))

    @work(group="lineage", exit_on_error=False)
    async def _count(self, lineage: Lineage, parent: str) -> None:
        """How many were made of a model, before any is listed."""
        self.post_message(self.Counted(await lineage.branches(parent)))

    @work(group="lineage", exit_on_error=False)
    async def _list(self, lineage: Lineage, branch: Branch) -> None:
        """Another page of a branch, judged in a thread."""
        grown = await (
            lineage.grow(branch) if branch.begun else lineage.branch(branch.parent, branch.relation)
        )
        machine = self.machine
        if machine is not None:
            grown = await asyncio.to_thread(judge_branch, grown, machine, self.scenario)
        self.post_message(self.BranchGrown(grown))

    def _judge_again(self) -> None:
        if self.grown is not None and self.machine is not None:
            self._judge(self.grown, self.machine, self.scenario)

    @work(group="lineage-verdicts", exclusive=True, exit_on_error=False)
    async def _judge(self, grown: Grown, machine: Machine, scenario: Scenario) -> None:
        """Everything that is shown, for another machine."""
        tree = await asyncio.to_thread(judge_ancestry, grown.tree, machine, scenario)
        self.post_message(self.Climbed(tree))
        for branch in grown.branches.values():
            judged = await asyncio.to_thread(judge_branch, branch, machine, scenario)
            self.post_message(self.BranchGrown(judged))

    @on(Climbed)
    def _take_tree(self, message: Climbed) -> None:
        if self.grown is not None:
            self.grown = replace(self.grown, tree=message.tree, climbing=False)

    @on(Counted)
    def _take_count(self, message: Counted) -> None:
        """Show the numbers, and list the kinds that are open."""
        if self.grown is None or self.lineage is None:
            return
        self.grown = self.grown.with_counted(message.branches)
        for branch in message.branches:
            if (branch.parent, branch.relation) in self.grown.busy:
                self._list(self.lineage, branch)

    @on(BranchGrown)
    def _take_branch(self, message: BranchGrown) -> None:
        if self.grown is not None:
            self.grown = self.grown.with_branch(message.branch)

    # Showing

    def _show(self) -> None:
        grown = self.grown
        if grown is None or not is_composed(self):
            return
        self.table.rows = LineageRows(lines_of(grown))
        self.note.update(self._said(grown))

    def _said(self, grown: Grown) -> Content:
        errors = [one.error for one in grown.branches.values() if one.error is not None]
        errors += [found.kin.error for _, found in grown.tree.walk() if found.kin.error]
        if errors:
            return explain(errors[0])
        if grown.climbing or grown.busy:
            return Content.styled("… asking what it was made of, and what of it", "$text-accent")
        note = self.lineage.note if self.lineage else ""
        return Content(note or _account(grown))

    # Acting

    def _line(self) -> Line | None:
        rows = self.table.rows
        if not isinstance(rows, LineageRows) or not len(rows):
            return None
        return rows.lines[self.table.cursor]

    @on(VirtualTable.Selected)
    def _select(self, message: VirtualTable.Selected) -> None:
        """Open a kind, list more, or look into a model."""
        message.stop()
        line = self._line()
        if line is None:
            return
        if line.kind == "branch":
            self._open(line, opened=not line.opened)
        elif line.kind == "more":
            self._unfold(line)
        elif line.kin is not None and line.kind != "self":
            self.post_message(OpenModel(ModelRef(line.kin.id)))

    def action_open(self, opened: bool) -> None:
        """Open the row, or close it or the one that it is in."""
        line = self._line()
        if line is None:
            return
        if line.opened is not None and (opened or line.opened):
            self._open(line, opened=opened)
        elif not opened and len(line.path) > 1:
            above = self.table.rows.find(line.path[:-1])
            if above is not None:
                self.table.cursor = above

    def _open(self, line: Line, *, opened: bool) -> None:
        if self.grown is None:
            return
        self.grown = self.grown.toggled(line.path, opened=opened)
        key = line.branch
        if opened and key is not None and not self._branch(key).begun:
            self._more(key)
        if opened and line.kind == "kin" and line.kin is not None and self.lineage is not None:
            self._count(self.lineage, line.kin.id)

    def _unfold(self, line: Line) -> None:
        """Show all that is listed of a kind, and when that shows already ask for more."""
        path, key = line.path[:-1], line.branch
        if self.grown is None or key is None:
            return
        if path in self.grown.unfolded:
            self._more(key)
        else:
            self.grown = self.grown.unfold(path)

    def _more(self, key: BranchKey) -> None:
        """Ask for a page of a branch, unless it is on its way."""
        if self.grown is None or self.lineage is None or key in self.grown.busy:
            return
        branch = self._branch(key)
        self.grown = self.grown.waiting_for(key)
        self._list(self.lineage, branch)

    def _branch(self, key: BranchKey) -> Branch:
        known = self.grown.branches.get(key) if self.grown is not None else None
        return known or Branch(*key)


def _account(grown: Grown) -> str:
    own = grown.tree.kin.id
    branches = [one for (parent, _), one in grown.branches.items() if parent == own]
    listed = f"{sum(len(one.kin) for one in branches):,}"
    if any(one.total is None for one in branches):
        listed += "+" if any(one.more for one in branches) else ""
    else:
        listed += f" of {sum(one.total or 0 for one in branches):,}"
    return f"{listed} listed that were made of it, the most downloaded first"
