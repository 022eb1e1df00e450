"""The Variants tab: every published quantization of the model, the best one for the machine on top."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from explorer.errors import ExplorerError
from explorer.fit.values import Scenario
from explorer.hardware.machine import Machine
from explorer.hub.source import ModelRef, Source
from explorer.inspection.best_variant import Choice, choose, choose_published
from explorer.inspection.lineage import Kin, Lineage
from explorer.inspection.variants import (
    REPOSITORIES,
    Origin,
    Variant,
    Variants,
    find_variants,
    judge_variants,
    opened,
)
from explorer.safetext import safe_line
from explorer.ui.composed import is_composed
from explorer.ui.messages import OpenModel
from explorer.ui.tabs.relatives import JudgedRelativesTab
from explorer.ui.text import many
from explorer.ui.verdicts import LOOKS, TONES
from explorer.ui.widgets.columns import Cell, Column, Run
from explorer.ui.widgets.rows import ItemRows
from explorer.ui.widgets.status import explain
from explorer.ui.widgets.table import VirtualTable
from explorer.units import count, file_size, gib, speed

COLUMNS = (
    Column("quantization", "Quant", 11, flex=1, most=24),
    Column("repo", "Repository", 20, flex=4, most=60, cut="middle"),
    Column("format", "Format", 11, drop=6),
    Column("size", "Size", 9, align="right"),
    Column("bits", "Bits", 5, align="right", drop=4),
    Column("fit", "Runs here", 20, flex=2, most=40, sortable=False),
    Column("engine", "Engine", 9, flex=1, most=12, drop=2, sortable=False),
    Column("gib", "GiB", 5, align="right", drop=3, sortable=False),
    Column("speed", "Speed", 7, align="right", drop=1),
    Column("downloads", "Downloads", 10, align="right", drop=5),
)
_ORDERS: dict[str, Callable[[Variant], Any]] = {
    "quantization": lambda one: one.quantization.lower(),
    "repo": lambda one: one.repo.lower(),
    "format": lambda one: one.format,
    "size": lambda one: one.size_bytes or 0,
    "bits": lambda one: one.bits_per_weight or 0.0,
    "speed": lambda one: _decode(one) or 0.0,
    "downloads": lambda one: one.downloads or 0,
}
_BY_NAME = {"quantization", "repo", "format"}


class VariantsTab(JudgedRelativesTab):
    """Looks repositories up a few at a time when it is first looked at; what is there is judged at once."""

    DEFAULT_CSS = """
    VariantsTab { height: 1fr; }
    VariantsTab #variants-best { height: auto; min-height: 3; max-height: 6; padding: 0 2; }
    VariantsTab #variants-account {
        height: 1; padding: 0 2; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis;
    }
    VariantsTab VirtualTable { height: 1fr; }
    """
    HELP = """
    ## Variants

    Every quantization of the model that somebody published, with the size its files really have.
    The best one for the machine stands on top, as the list and the Fit tab have it, with the reason
    and with the best that is published if that is another. **Enter** looks into its repository, a
    click on a heading sorts, `+` looks at more repositories.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "plus,equals_sign",
            "more",
            "More",
            key_display="+",
            id="variants.more",
            tooltip="Look at more repositories",
        ),
        Binding(
            "B",
            "best",
            "Best",
            show=False,
            id="variants.best",
            tooltip="Go to the best published one for this machine",
        ),
    ]

    source: reactive[Source | None] = reactive(None)
    found: reactive[Variants | None] = reactive(None)
    order: reactive[tuple[str, bool]] = reactive(("size", True))
    error: reactive[ExplorerError | None] = reactive(None)

    table = query_one("#variants", VirtualTable)
    best_line = query_one("#variants-best", Static)
    account = query_one("#variants-account", Static)

    @dataclass
    class VariantsFound(Message):
        """Some more repositories were looked up and judged, or the same judged anew."""

        found: Variants

    @dataclass
    class LookingFailed(Message):
        """The variants could not be listed."""

        error: ExplorerError

    def __init__(self) -> None:
        super().__init__()
        self._wanted = 0
        """Repositories that were asked for; 0 before the first look."""
        self._opened: Origin | None = None
        """The model by its headers, where it is what all of them were made of."""

    def compose(self) -> ComposeResult:
        """The best one, the account, all of them."""
        yield Static(Content(""), id="variants-best")
        yield Static(Content(""), id="variants-account")
        yield VirtualTable(COLUMNS, empty="looking the model up …", widget_id="variants")

    def watch_found(self) -> None:
        """More variants, or other verdicts."""
        self._show()

    def watch_order(self) -> None:
        """Sort differently."""
        self._show()

    def watch_error(self) -> None:
        """Something went wrong, or is right again."""
        self._show()

    # Asking

    def _ask(self) -> None:
        if self.model is not None and "variants" in self.looked_at and not self._wanted:
            self._look(REPOSITORIES)

    def _look(self, repositories: int) -> None:
        if self.model is None or self.source is None or self.lineage is None:
            return
        self._wanted = repositories
        self.error = None
        kin = self.lineage.add(self.model.repo)
        self._find(self.source, self.lineage, kin, repositories)

    @work(group="variants", exclusive=True, exit_on_error=False)
    async def _find(self, source: Source, lineage: Lineage, kin: Kin, repositories: int) -> None:
        """Post the variants each time some more are there and judged."""
        judged: Variants | None = None
        judged_for: tuple[Machine | None, Scenario] = (None, Scenario())
        try:
            async with aclosing(find_variants(source, lineage, kin, repositories)) as growing:
                async for listed in growing:
                    machine, scenario = self.machine, self.scenario
                    if machine is None:
                        self.post_message(self.VariantsFound(listed))
                        continue
                    kept = judged if judged_for == (machine, scenario) else None
                    found = await self._by_headers(listed)
                    judged = await asyncio.to_thread(judge_variants, found, machine, scenario, kept)
                    judged_for = (machine, scenario)
                    self.post_message(self.VariantsFound(judged))
        except ExplorerError as error:
            self.post_message(self.LookingFailed(error))

    async def _by_headers(self, found: Variants) -> Variants:
        """The variants of the model that is open, by what its headers say once they are there."""
        if self._opened is None and self.model is not None:
            origin = await asyncio.to_thread(opened, found.origin, self.model)
            self._opened = origin if origin is not found.origin else None
        return found if self._opened is None else replace(found, origin=self._opened)

    def watch_model(self) -> None:
        """The model was looked up, or its headers are there, which tell more than its listing."""
        super().watch_model()
        if self._opened is None and self.model is not None and self.model.complete:
            self._judge_again()

    def _judge_again(self) -> None:
        if self.found is not None and self.machine is not None:
            self._judge(self.found, self.machine, self.scenario)

    @work(group="variants-verdicts", exclusive=True, exit_on_error=False)
    async def _judge(self, found: Variants, machine: Machine, scenario: Scenario) -> None:
        """The same variants for another machine."""
        found = await self._by_headers(found)
        judged = await asyncio.to_thread(judge_variants, found, machine, scenario)
        self.post_message(self.VariantsFound(judged))

    @on(VariantsFound)
    def _take(self, message: VariantsFound) -> None:
        now = self.found
        if now is None or len(message.found.variants) >= len(now.variants):
            self.found = message.found

    @on(LookingFailed)
    def _tell(self, message: LookingFailed) -> None:
        self._wanted = 0
        self.error = message.error

    # Showing

    @property
    def best(self) -> Choice | None:
        """The variant to take here, as far as is known."""
        return choose(self.found) if self.found else None

    def _show(self) -> None:
        if not is_composed(self):
            return
        found = self.found
        if found is None:
            if self.error is not None:
                self.best_line.update(explain(self.error))
                self.table.show_empty("press + to try again")
            return
        key, descending = self.order
        ordered = sorted(found.variants, key=_ORDERS[key], reverse=descending)
        best = self.best
        chosen = best.variant.key if best else None
        published = choose_published(found)
        self.best_line.update(headline(found, best, published, judged=self.machine is not None))
        self.account.update(self._account(found))
        self.table.sorted_by = self.order
        self.table.show_empty("nobody has published a quantization of this model")
        self.table.rows = ItemRows(
            ordered, lambda one: cells(one, best=one.key == chosen), lambda one: one.key
        )

    def _account(self, found: Variants) -> Content:
        looked = f"{found.looked_at} of {found.repositories} repositories looked at"
        if not found.done:
            return Content.styled(f"… {looked}", "$text-accent")
        variants = many(len(found.variants), "variant")
        repositories = many(found.looked_at, "repository", "repositories")
        pieces = [Content(f"{variants} in {repositories}")]
        if found.more:
            pieces.append(Content("+ looks at more"))
        if self.error is not None:
            pieces.append(explain(self.error))
        elif found.problems:
            pieces.append(explain(found.problems[0]))
        if found.note:
            pieces.append(Content(found.note))
        return Content("  ·  ").join(pieces)

    @on(VirtualTable.HeaderClicked)
    def _sort(self, message: VirtualTable.HeaderClicked) -> None:
        """Sort by a column, the other way round the second time."""
        message.stop()
        key, descending = self.order
        self.order = (
            message.column,
            not descending if key == message.column else message.column not in _BY_NAME,
        )

    # Acting

    @on(VirtualTable.Selected)
    def _open(self, message: VirtualTable.Selected) -> None:
        """Look into the repository, unless it is the one that is open."""
        message.stop()
        own = self.model.id if self.model else ""
        if isinstance(message.key, tuple) and message.key[0] != own:
            self.post_message(OpenModel(ModelRef(str(message.key[0]))))

    def action_more(self) -> None:
        """Look at twice as many repositories, or try again."""
        if self.found is None:
            self._look(REPOSITORIES)
        elif self.found.done and self.found.more:
            self._look(2 * self._wanted)

    def action_best(self) -> None:
        """Put the cursor on the best one."""
        best = self.best
        if best is not None and not best.is_published and self.found is not None:
            best = choose_published(self.found)
        place = self.table.rows.find(best.variant.key) if best else None
        if place is not None:
            self.table.cursor = place


def headline(
    found: Variants, best: Choice | None, published: Choice | None, *, judged: bool
) -> Content:
    """The best variant with the reason; below it the best that is published, if that is another."""
    if not judged:
        return Content.styled("… reading the machine", "$text-accent")
    if best is None:
        words = "nothing is known to run here" if found.done else "… looking"
        return Content.styled(words, "$foreground-muted")
    lines = [*_chosen("Best here", best)]
    if not best.is_published and best.variant.engine == "llama.cpp":
        lines.append(Content.styled("y on its Fit tab has the commands", "$foreground-muted"))
    if published is not None and published.variant.key != best.variant.key:
        lines += _chosen("Published", published)
    elif published is None and found.done:
        lines.append(Content("nothing that is published is known to run here"))
    return Content("\n").join(lines)


def _chosen(label: str, choice: Choice) -> tuple[Content, Content]:
    """A choice in two lines: which, and why."""
    one, answer = choice.variant, choice.variant.answer
    look = LOOKS[answer.verdict] if answer else None
    size = f"  {file_size(one.size_bytes)}" if one.size_bytes else ""
    planned = "" if choice.is_published else " planned"
    return (
        Content.assemble(
            (f"{label}  ", "$foreground-muted"),
            (f"{look.glyph} ", TONES[look.tone]) if look else "",
            (safe_line(one.quantization), "bold"),
            f"{planned} of {safe_line(one.repo)}{size}",
        ),
        Content.styled(safe_line(choice.reason, 400), "$foreground-muted"),
    )


def cells(one: Variant, *, best: bool = False) -> tuple[Cell, ...]:
    """One variant in the order of the columns."""
    size, decode = one.size_bytes, _decode(one)
    return (
        Run(one.quantization, "accent" if best else "strong"),
        one.repo,
        Run(one.format or "?", "dim"),
        file_size(size) if size is not None else "?",
        f"{one.bits_per_weight:.2f}" if one.bits_per_weight else "",
        _runs(one),
        Run(one.answer.scenario.engine or "", "dim") if one.answer else "",
        gib(one.answer.needed.total) if one.answer else "",
        speed(decode) if decode else "",
        count(one.downloads),
    )


def _decode(one: Variant) -> float | None:
    decode = one.answer.speed.decode if one.answer else None
    return decode.expected if decode else None


def _runs(one: Variant) -> Cell:
    if one.answer is None:
        return Run(one.remark or "?", "dim")
    look = LOOKS[one.answer.verdict]
    return (Run(f"{look.glyph} ", look.tone), Run(look.word))
