"""The model in a line: name, size, dtypes, context, license. What matters least gives way first."""

from collections.abc import Iterator

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from explorer.hub.source import ModelRef
from explorer.inspection.model import Model
from explorer.inspection.rows import Row
from explorer.safetext import safe_line
from explorer.ui.listing import STAR
from explorer.units import count, file_size, tokens

WIDE, NARROW = "  ·  ", " · "
FORMS = 7
"""Each says less than the one before, the last nothing but name, size, context and license."""


class Identity(Widget):
    """On little room first words go, then dtypes, bytes, active parameters and the publisher."""

    DEFAULT_CSS = """
    Identity { text-wrap: nowrap; }
    """

    model: reactive[Model | None] = reactive(None)
    watched: reactive[bool] = reactive(False)

    def __init__(self, ref: ModelRef, row: Row | None) -> None:
        """``row`` is what the list knows, which stands for what is not read yet."""
        super().__init__(id="identity")
        self._ref = ref
        self._row = row

    def render(self) -> Content:
        """The fullest form that has room."""
        width = max(self.content_size.width, 1)
        line = Content("")
        for form in range(FORMS):
            line = identity(self._ref, self.model, self._row, form)
            if self.watched:
                line = Content.styled(f"{STAR} ", "$text-accent") + line
            if line.cell_length <= width:
                return line
        return line.truncate(width, ellipsis=True)


def identity(ref: ModelRef, model: Model | None, row: Row | None = None, form: int = 0) -> Content:
    """The line in one of its forms; from the model's row what is not read yet."""
    author, slash, name = ref.id.rpartition("/")
    line = Content.assemble(
        (safe_line(author + slash) if form < FORMS - 1 else "", "$foreground-muted"),
        (safe_line(name), "bold"),
    )
    if ref.revision:
        line += Content.styled(f" @ {safe_line(ref.revision, 40)}", "$foreground-muted")
    return Content(WIDE if form < 1 else NARROW).join([line, *_pieces(model, row, form)])


def _pieces(model: Model | None, row: Row | None, form: int) -> Iterator[Content]:
    if model is None and row is None:
        return
    counts = model.checkpoint.counts if model is not None else None
    if model is not None and counts is not None and counts.parameters:
        yield _sizes(counts.parameters, model.active_parameters, form)
        if form < 3:
            dtypes = sorted(counts.by_dtype, key=lambda dtype: -counts.by_dtype[dtype])
            yield Content(" ".join(dtypes[:3]))
        if form < 4:
            yield Content(file_size(counts.stored_bytes))
    elif row is not None and row.parameters:
        yield _sizes(row.parameters, row.active, form)
    shape = model.architecture if model is not None else None
    context = shape.context_tokens if shape is not None else row.context_tokens if row else None
    if context:
        yield Content(f"{tokens(context)} context")
    license_name = model.terms.name if model is not None else row.license if row else ""
    known = license_name if license_name != "unknown" else ""
    yield Content(safe_line(known or "license unknown", 40))
    listing = model.repo.listing if model is not None else row.listing if row else None
    if listing is not None and listing.gated:
        yield Content.styled("gated", "$text-warning")


def _sizes(parameters: int, active: int | None, form: int) -> Content:
    told = form < 5 and active not in {None, parameters}
    some = f", {count(active)} active" if told else ""
    return Content(f"{count(parameters)}{' parameters' if form < 2 else ''}{some}")
