"""What the Weights tab says of itself: how much is shown, and what stands where nothing is."""

from textual.content import Content

from explorer.inspection.model import Model
from explorer.ui.tensor_view import Shown
from explorer.ui.text import many
from explorer.ui.widgets.progress import progress
from explorer.units import count, file_size

NO_WEIGHTS = "this model has no weight files that can be read"


def account(model: Model, shown: Shown) -> Content:
    """How much is shown, how many files are still to come, and how many failed."""
    pieces = []
    if model.shards_read < model.shards_total:
        pieces.append(progress(model.shards_read, model.shards_total))
    pieces += _amount(model, shown)
    failed = sum(1 for shard in model.checkpoint.shards if shard.error is not None)
    if failed:
        pieces.append(Content.styled(f"! {many(failed, 'file')} failed: R to retry", "$text-error"))
    return Content("  ·  ").join(pieces)


def _amount(model: Model, shown: Shown) -> list[Content]:
    view = shown.view
    if view.mode == "metadata":
        return [Content(many(len(shown.entries), "entry", "entries"))]
    if view.filter:
        found, total = len(shown.indices), len(shown.table.rows)
        return [Content(f"{found:,} of {many(total, 'tensor')}")]
    if view.mode == "bytes":
        each = "e folds the layers" if view.apart else "e shows each layer"
        return [
            Content(file_size(shown.bytes.size_bytes)),
            Content.styled(each, "$foreground-muted"),
        ]
    counts = model.checkpoint.counts
    return [
        Content(many(counts.tensors, "tensor")),
        Content(f"{count(counts.parameters)} parameters"),
        Content(file_size(counts.stored_bytes)),
    ]


def nothing(model: Model | None, shown: Shown) -> str:
    """What stands in place of the rows when there are none."""
    if shown.view.filter and (shown.table.rows or shown.view.mode == "metadata"):
        what = "entry" if shown.view.mode == "metadata" else "tensor"
        return f"no {what} matches “{shown.view.filter}”: esc clears the filter"
    if model is None or model.shards_read < model.shards_total:
        return "reading headers …"
    if not model.shards_total:
        return NO_WEIGHTS
    if shown.view.mode == "metadata" and shown.table.rows:
        return "the files have no metadata"
    return "no header of this model could be read: R reads them again"
