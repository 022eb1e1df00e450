"""The main screen: search, filters, the listing, and a preview of the row under the cursor."""

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.getters import query_one
from textual.reactive import reactive
from textual.widgets import Footer, Input

from explorer.hub.source import Listing, ModelRef
from explorer.ui.composed import is_composed
from explorer.ui.filters import CHOICES, WORDS
from explorer.ui.listing import COLUMNS, HUB_SORTS, JudgedRows, columns_for, star
from explorer.ui.listing_keys import LISTING_KEYS
from explorer.ui.messages import DiffModels, OpenModel, Remember, ToggleMark, ToggleWatch
from explorer.ui.screens.listing import ListingScreen
from explorer.ui.searching import chips, words_with
from explorer.ui.session import Session
from explorer.ui.widgets.chips import Chips
from explorer.ui.widgets.preview import Preview
from explorer.ui.widgets.status import State, Status
from explorer.ui.widgets.table import VirtualTable
from explorer.ui.widgets.title import Title
from explorer.units import seconds
from explorer.userfile import Remembered


class ModelsScreen(ListingScreen):
    """Lists models and says of each row how it does on the machine."""

    HELP = """
    ## Models

    Every row says which quantization is **best here**: the best one that fits this machine with
    the chosen context, the memory it takes and the speed to expect.

    `●` fits, `◐` fits, under the reserve, `○` partly on the host, `×` too large; `≈` estimated;
    `!` the chosen context is beyond the model's own.

    The search takes words of a name and filters: `params:7B..32B` `fits` `speed:>=20`
    `context:>=128k` `license:commercial` `format:gguf` `gated:no` `lang:de` `updated:90d`;
    `+` lists them all. `space` marks models to compare, `d` compares the tensors of two.
    `*` keeps an eye on a model (`★`), `W` lists what changed in those.
    """
    AUTO_FOCUS = "#models"
    BINDINGS: ClassVar[list[BindingType]] = LISTING_KEYS

    source_title: reactive[str] = reactive("")
    marked: reactive[tuple[ModelRef, ...]] = reactive(())
    remembered: reactive[Remembered] = reactive(Remembered)

    search = query_one("#search", Input)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall")]
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]

    def compose(self) -> ComposeResult:
        """Title, search and filters, the listing, the preview, the status line."""
        yield Title().data_bind(
            ModelsScreen.machine, ModelsScreen.scenario, subject=ModelsScreen.source_title
        )
        with Horizontal(id="query"):
            yield Input(
                self.listed.words,
                placeholder="press / for a name, + for filters: params:7B..32B fits",
                id="search",
                compact=True,
                max_length=500,
            )
            yield Chips()
        yield VirtualTable(COLUMNS, empty=self.listed.nothing, widget_id="models")
        yield Preview()
        yield Status()
        yield Footer()

    def on_mount(self) -> None:
        """Show the filters and what the list waits for."""
        self.call_after_refresh(self._show)
        self.set_interval(1.0, self._tick)

    # What came from above

    def watch_marked(self, marked: tuple[ModelRef, ...]) -> None:
        """Show which rows are marked."""
        if is_composed(self):
            self.table.marked = frozenset(ref.id for ref in marked)
            self._show_status()

    def watch_remembered(self, before: Remembered, after: Remembered) -> None:
        """What was listed last time is listed again, where nothing else is asked for."""
        if after.filters and not before.filters and self.source is None and not self.listed.words:
            self.listed = replace(self.listed, words=after.filters)
            if is_composed(self):
                self.search.value = after.filters
        if is_composed(self) and (after.watched, after.seen) != (before.watched, before.seen):
            self.table.repaint_rows()

    # Showing

    def _show(self) -> None:
        """Bring the widgets in line with what has been listed."""
        if not is_composed(self):
            return
        listed = self.listed
        asked = dict(chips(listed.words))
        self.table.sorted_by = listed.order if listed.order[0] else (asked["sort"], True)
        asked["sort"] = listed.order[0] or asked["sort"]
        self.query_one(Chips).chips = tuple(asked.items())
        self._show_status()
        self.table.show_empty(listed.nothing)
        self.table.set_columns(columns_for(listed.rows))
        self.table.rows = JudgedRows(listed.shown, self._look, self._session.now(), self._star)
        self._preview()

    def _show_status(self) -> None:
        listed = self.listed
        busy = ("opening the source" if self.source is None else "listing") if listed.busy else ""
        text = [listed.account] if listed.account else []
        if listed.resumes_at is not None:
            left = max(listed.resumes_at - monotonic(), 0.0)
            busy = f"the hub asks to slow down: goes on in {seconds(left)}"
        if self._refiner is not None and self._refiner.state.resumes_in_seconds:
            soon = seconds(self._refiner.state.resumes_in_seconds)
            text.append(f"the hub's limits are used up: ≈ are made exact in {soon}")
        if self.marked:
            pair = ", d their tensors" if len(self.marked) == 2 else ""
            text.append(f"{len(self.marked)} marked: C compares them{pair}")
        self.query_one(Status).state = State(
            text="  ·  ".join(text), busy=busy, age_seconds=listed.age_seconds, error=listed.error
        )

    def _tick(self) -> None:
        """Waiting has an end that comes nearer."""
        if is_composed(self):
            self._show_status()

    def _star(self, listing: Listing) -> str:
        return star(listing, self.remembered)

    def _begin_anew(self, words: str) -> None:
        """Show the list from its top, and remember what is asked for."""
        self.table.restart()
        if words != self.remembered.filters:
            self.post_message(Remember(lambda now: replace(now, filters=words)))

    @on(VirtualTable.HeaderClicked, "#models")
    def _sort_by(self, message: VirtualTable.HeaderClicked) -> None:
        """A heading was clicked: the hub sorts by it if it can, otherwise the rows that are loaded."""
        self._sort(message.column)

    def _sort(self, column: str) -> None:
        if column in HUB_SORTS:
            self._apply("sort", column)
        else:
            self.listed = self.listed.ordered_by(column)

    # The row under the cursor

    @on(VirtualTable.Highlighted, "#models")
    def _preview(self) -> None:
        """Show more of the row the cursor came to."""
        here = self._here()
        self.query_one(Preview).row = self._look(here) if here else None

    def _here(self) -> Listing | None:
        rows = self.listed.shown
        return rows[min(self.table.cursor, len(rows) - 1)] if rows else None

    @on(VirtualTable.Selected, "#models")
    def _open(self, message: VirtualTable.Selected) -> None:
        """Look into a model."""
        listing = self.listed.shown[message.index]
        self.post_message(OpenModel(ModelRef(listing.id), row=self._look(listing)))

    def action_mark(self) -> None:
        """Mark the row for a comparison, or take the mark away, and go to the next."""
        here = self._here()
        if here is not None:
            self.post_message(ToggleMark(ModelRef(here.id)))
            self.table.cursor += 1

    def action_watch(self) -> None:
        """Keep an eye on the row's model, or no longer."""
        here = self._here()
        if here is not None:
            self.post_message(ToggleWatch(here))

    def action_diff(self) -> None:
        """Hold the marked pair against each other, or the marked model against the row."""
        here = self._here()
        pair = list(self.marked[:2])
        if len(pair) == 1 and here is not None and here.id != pair[0].id:
            pair.append(ModelRef(here.id))
        if len(pair) == 2:
            self.post_message(DiffModels(*pair))
        else:
            self.notify("mark two models with space first", markup=False, timeout=3)

    # Search and filters

    def action_search(self) -> None:
        """Put the cursor into the search line."""
        self.set_focus(self.search)  # at once: the next key may be a letter already

    def action_leave_search(self) -> None:
        """Back to the list; then undo an order of the rows, then clear the search."""
        if self.search.has_focus:
            self.table.focus()
        elif self.listed.order[0]:
            self.listed = self.listed.ordered_by("")
        elif self.search.value:
            self.search.value = ""

    def action_publisher(self) -> None:
        """List what the publisher of the row has; clearing the search comes back to everything."""
        here = self._here()
        author = (here.author or here.id.partition("/")[0]) if here is not None else ""
        if author:
            self.search.value = f"author:{author}"

    def action_reload(self) -> None:
        """Ask the source again."""
        self._list(self.listed.words)

    @on(Input.Changed, "#search")
    def _type(self, event: Input.Changed) -> None:
        """Search once typing rests; the older search is cancelled."""
        words = event.value.strip()
        if words != self.listed.words:
            self._list(words, self._session.pause_seconds if self.search.has_focus else 0.0)

    @on(Input.Submitted, "#search")
    def _leave_for_list(self) -> None:
        """Enter goes on to the rows that were found."""
        self.table.focus()

    @on(Chips.Pressed)
    def _press(self, message: Chips.Pressed) -> None:
        """A filter was clicked."""
        self.action_choose(message.name)

    @work(group="choosing", exclusive=True)
    async def action_choose(self, name: str) -> None:
        """Let the person choose a value of one filter."""
        title, values = CHOICES[name]
        current = dict(chips(self.listed.words)).get(name, "any")
        value = await self._ask(title, list(values.items()), current)
        if value is not None:
            self._apply(name, value)

    @work(group="choosing", exclusive=True)
    async def action_add_filter(self) -> None:
        """Let the person pick a filter, and finish it in the search line."""
        width = max(map(len, WORDS)) + 2
        choices = [(word, f"{word:<{width}}{what}") for word, what in WORDS.items()]
        word = await self._ask("Narrow the listing", choices, "")
        if word is not None:
            value = f"{self.search.value} {word}".strip()
            self.search.value = value
            self.set_focus(self.search)  # at once: the next key may be a letter already

    @work(group="choosing", exclusive=True)
    async def action_order(self) -> None:
        """Let the person choose a column that the loaded rows are ordered by."""
        choices = [(column.key, column.label) for column in columns_for(self.listed.rows)]
        column = await self._ask("Order the rows by", choices, self.listed.order[0])
        if column is not None:
            self._sort(column)

    @work(group="choosing", exclusive=True)
    async def action_recent(self) -> None:
        """Open a model that was opened before."""
        recent = [(model, model) for model in self.remembered.recent]
        if not recent:
            self.notify("no model was opened yet", markup=False, timeout=3)
            return
        model = await self._ask("Opened before", recent, recent[0][0])
        if model is not None:
            self.post_message(OpenModel(ModelRef(model)))

    @work(group="choosing", exclusive=True)
    async def action_searches(self) -> None:
        """Search again for what was saved, or save the present search under a name."""
        saved = self.remembered.searches
        if not saved and not self.listed.words:
            self.notify(
                "no search was saved yet: search, then save it here", markup=False, timeout=3
            )
            return
        width = max(map(len, saved), default=0) + 2
        choices = [(name, f"{name:<{width}}{words}") for name, words in saved.items()]
        words = self.listed.words
        typed = "type a name to save this search" if words else ""
        name = await self._ask("Saved searches", choices, "", typed=typed)
        if name is not None and name in saved:
            self.search.value = saved[name]
        elif name and words:
            self.post_message(Remember(lambda now: now.save(name, words)))
            self.notify(f"saved as {name}", markup=False, timeout=3)

    async def _ask(
        self, title: str, choices: Sequence[tuple[str, str]], current: str, *, typed: str = ""
    ) -> str | None:
        from explorer.ui.screens.choose import Choice, ChooseScreen  # loaded when first needed

        offered = [Choice(value, label) for value, label in choices]
        check = str if typed else None
        screen = ChooseScreen(title, offered, current, typed=typed, check=check)
        return await self.app.push_screen_wait(screen)

    def _apply(self, name: str, value: str) -> None:
        """List again with one filter changed: the search line says what is asked."""
        self.listed = self.listed.ordered_by("")
        self.search.value = words_with(self.listed.words, name, value)
