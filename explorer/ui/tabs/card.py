"""The Card tab: what the publisher says of the model, made safe."""

from dataclasses import dataclass

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive, var
from textual.widget import Widget
from textual.widgets import Markdown, Static

from explorer.errors import ExplorerError
from explorer.hub.source import Repo, Source
from explorer.inspection.model import Model
from explorer.inspection.opening import card
from explorer.ui.card import readable
from explorer.ui.text import content
from explorer.ui.widgets.status import explain


class CardTab(Widget):
    """Fetches the card when it is first looked at."""

    DEFAULT_CSS = """
    CardTab { height: 1fr; }
    CardTab VerticalScroll { scrollbar-size-vertical: 1; }
    CardTab Markdown { padding: 0 2; background: $background; }
    CardTab Static { padding: 1 2 0 2; height: auto; }
    """
    HELP = """
    ## Card

    Pictures are named, not fetched. A click on a link shows and copies its address; nothing is opened.
    """

    model: var[Model | None] = var(None)
    source: reactive[Source | None] = reactive(None)
    looked_at: reactive[frozenset[str]] = reactive(frozenset)
    """The tabs that are, or were, in front."""

    note = query_one("#card-note", Static)

    @dataclass
    class CardArrived(Message):
        """The text of the card, safe to show; empty if the model has none."""

        text: str

    @dataclass
    class CardFailed(Message):
        """The card could not be read."""

        error: ExplorerError

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def compose(self) -> ComposeResult:
        """A note while there is no card, then the card."""
        with VerticalScroll():
            yield Static(content("reading the card …"), id="card-note")
            yield Markdown(open_links=False)

    def watch_model(self) -> None:
        """The model was looked up."""
        self._ask()

    def watch_looked_at(self) -> None:
        """The tab came to the front."""
        self._ask()

    def _ask(self) -> None:
        if self.model is None or self.source is None or self._asked:
            return
        if "card" not in self.looked_at:
            return
        self._asked = True
        self._fetch(self.source, self.model.repo)

    @work(group="card", exclusive=True, exit_on_error=False)
    async def _fetch(self, source: Source, repo: Repo) -> None:
        try:
            text = await card(source, repo)
        except ExplorerError as error:
            self.post_message(self.CardFailed(error))
        else:
            self.post_message(self.CardArrived(readable(text) if text else ""))

    @on(CardArrived)
    async def _show(self, message: CardArrived) -> None:
        self.note.display = not message.text
        excerpt = self.model is not None and self.model.repo.excerpt
        self.note.update(
            content("the snapshot holds no cards" if excerpt else "this model has no card")
        )
        await self.query_one(Markdown).update(message.text)

    @on(CardFailed)
    def _tell(self, message: CardFailed) -> None:
        self._asked = False
        self.note.update(explain(message.error))

    @on(Markdown.LinkClicked)
    def _show_link(self, event: Markdown.LinkClicked) -> None:
        """Show where a link leads; the person decides whether to go there."""
        event.stop()
        self.app.copy_to_clipboard(content(event.href).plain)
        self.notify(content(event.href).plain, title="Link (copied)", markup=False, timeout=8)
