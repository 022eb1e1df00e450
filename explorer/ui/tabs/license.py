"""The License tab: may I use it at work, sell it as a service, distil from it, and who says so."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from explorer.errors import ExplorerError
from explorer.hub.source import Source
from explorer.inspection.lineage import Ancestry, Kin, Lineage
from explorer.inspection.terms import (
    InheritedTerms,
    LicenseText,
    inherited_terms,
    license_texts,
)
from explorer.license.terms import Permission, Terms, questions
from explorer.safetext import safe_line, safe_text
from explorer.ui.composed import is_composed
from explorer.ui.tabs.relatives import RelativesTab
from explorer.ui.verdicts import TONES, Look
from explorer.ui.widgets.facts import Fact, Facts
from explorer.ui.widgets.status import explain

LOOKS = {
    Permission.YES: Look("●", "yes", "good"),
    Permission.CONDITIONS: Look("◐", "under conditions", "warn"),
    Permission.UNKNOWN: Look("?", "unknown", "dim"),
    Permission.NO: Look("×", "no", "bad"),
}
SHOWN_CHARACTERS = 60_000
"""Of the license texts: Facts and answers are what the tab is for."""
NO_ADVICE = "For display, not legal advice: read the license before you rely on it."


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of a model's terms so far."""

    terms: InheritedTerms
    texts: tuple[LicenseText, ...] = ()
    note: str = ""
    """What the source cannot tell."""
    busy: str = ""
    error: ExplorerError | None = None
    """Why there is no text."""


class Answers(Widget):
    """The three questions, each with its verdict as glyph and sentence."""

    DEFAULT_CSS = """
    Answers { height: auto; width: 1fr; }
    """

    terms: reactive[InheritedTerms | None] = reactive(None, layout=True)

    def render(self) -> Content:
        """A question, and under it the sentence, indented."""
        if self.terms is None:
            return Content.styled("looking the model up …", "$text-accent")
        room = max(self.container_size.width - 6, 16)
        lines: list[Content] = []
        for one in questions(self.terms.whole):
            look = LOOKS[one.verdict]
            lines.append(
                Content.assemble((f"{look.glyph} ", TONES[look.tone]), (one.question, "bold"))
            )
            sentence = Content(safe_line(one.sentence)).wrap(room)
            lines += [Content.assemble("  ", part) for part in sentence]
        return Content("\n").join(lines)


class LicenseTab(RelativesTab):
    """Shows the model's own terms at once, and those of its lineage when they have been looked up."""

    DEFAULT_CSS = """
    LicenseTab { height: 1fr; }
    LicenseTab VerticalScroll { scrollbar-size-vertical: 1; padding: 0 2; }
    LicenseTab Static { height: auto; }
    LicenseTab Facts { margin: 1 0 0 0; }
    LicenseTab #license-text { margin: 1 0 0 0; }
    """
    HELP = """
    ## License

    Three questions and their answers, the strictest of the model's lineage: what its bases forbid, it
    cannot allow. Below stands where each answer comes from and how far that was read, then the license's
    own text if the repository carries it. It is no legal advice.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "y",
            "copy",
            "Copy link",
            show=False,
            id="license.copy",
            tooltip="Copy the address of the license",
        ),
    ]

    source: reactive[Source | None] = reactive(None)
    shown: reactive[Shown | None] = reactive(None)

    note = query_one("#license-note", Static)
    text = query_one("#license-text", Static)

    @dataclass
    class TermsFound(Message):
        """The lineage was walked, or the text was read."""

        shown: Shown

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def compose(self) -> ComposeResult:
        """The answers, what they rest on, the text."""
        with VerticalScroll():
            yield Answers()
            yield Facts()
            yield Static(Content(""), id="license-note")
            yield Static(Content(""), id="license-text")

    def watch_shown(self) -> None:
        """More is known."""
        self._show()

    def _ask(self) -> None:
        model, source, lineage = self.model, self.source, self.lineage
        if model is None or source is None or lineage is None or self._asked:
            return
        if "license" not in self.looked_at:
            return
        self._asked = True
        kin = lineage.add(model.repo)
        own = inherited_terms(Ancestry(kin))
        busy = "looking up what it was made of" if kin.step.bases else "looking for the text"
        self.shown = Shown(own, note=lineage.note, busy=busy)
        self._look_up(source, lineage, kin)

    @work(group="license", exclusive=True, exit_on_error=False)
    async def _look_up(self, source: Source, lineage: Lineage, kin: Kin) -> None:
        """The lineage first, since the answers depend on it, then the text."""
        tree = await lineage.ancestry(kin)
        shown = Shown(inherited_terms(tree), note=lineage.note, busy="looking for the text")
        self.post_message(self.TermsFound(shown))
        try:
            texts = await license_texts(source, tree)
        except ExplorerError as error:
            done = Shown(shown.terms, note=lineage.note, error=error)
        else:
            done = Shown(shown.terms, texts, lineage.note)
        self.post_message(self.TermsFound(done))

    @on(TermsFound)
    def _take(self, message: TermsFound) -> None:
        self.shown = message.shown

    def _show(self) -> None:
        shown = self.shown
        if shown is None or not is_composed(self):
            return
        self.query_one(Answers).terms = shown.terms
        self.query_one(Facts).facts = tuple(facts(shown))
        excerpt = self.model is not None and self.model.repo.excerpt
        self.note.update(remarks(shown, excerpt=excerpt))
        self.text.update(license_text(shown.texts))

    def action_copy(self) -> None:
        """Copy where the license can be read."""
        link = self.shown.terms.whole.link if self.shown else ""
        if link:
            self.app.copy_to_clipboard(safe_line(link))
            self.notify(safe_line(link), title="Link (copied)", markup=False)


def facts(shown: Shown) -> list[Fact]:
    """What the answers rest on, the model's own license and those of its lineage apart."""
    whole, own = shown.terms.whole, shown.terms.own
    found = [Fact("License", _title(own if shown.terms.ancestors else whole), "bold")]
    found += [
        Fact("Made of", f"{one.model_id}: {_title(one)}", "" if one.id else "$text-warning")
        for one in shown.terms.ancestors
    ]
    if shown.terms.inherits:
        found.append(
            Fact("Inherits", "the strictest of these holds, not its own alone", "$text-warning")
        )
    found += [
        Fact("Thresholds", whole.thresholds),
        Fact("Territory", whole.territory),
        Fact("Attribution", whole.attribution),
        Fact("Use", whole.use_restrictions),
        Fact("Link", whole.link),
        Fact("Source", whole.source, "$foreground-muted"),
        Fact("Checked", whole.confidence, "$foreground-muted"),
        Fact("Caveat", whole.caveat, "$text-warning"),
    ]
    found += [Fact("Note", note, "$text-warning") for note in shown.terms.notes]
    return [fact for fact in found if fact.value]


def _title(terms: Terms) -> str:
    if not terms.title or terms.title == terms.name:
        return terms.name
    return f"{terms.name} ({terms.title})"


def remarks(shown: Shown, *, excerpt: bool) -> Content:
    """What is under way, what went wrong, and what this is not; an excerpt of a model has no texts."""
    lines = [Content("")]
    if shown.error is not None:
        lines.append(Content.assemble("the text cannot be read: ", explain(shown.error)))
    elif shown.busy:
        lines.append(Content.styled(f"… {shown.busy}", "$text-accent"))
    elif not shown.texts:
        none = "the snapshot holds no license texts"
        if not excerpt:
            none = "no repository of its lineage carries a license text"
        lines.append(Content.styled(none, _DIM))
    if shown.note:
        lines.append(Content.styled(shown.note, _DIM))
    lines.append(Content.styled(NO_ADVICE, _DIM))
    return Content("\n").join(lines)


_DIM = "$foreground-muted"


def license_text(texts: tuple[LicenseText, ...]) -> Content:
    """The texts one after the other, each under its file's name; safe, and of bounded length."""
    left = SHOWN_CHARACTERS
    pieces: list[Content] = []
    for one in texts:
        if left <= 0:
            break
        heading = f"{one.path} of {one.model_id}, {len(one.text):,} characters"
        pieces += [Content.styled(safe_line(heading), "bold"), Content(safe_text(one.text, left))]
        left -= len(one.text)
    return Content("\n\n").join(pieces)
