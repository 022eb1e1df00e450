"""An adapter and the model it was made for."""

from dataclasses import dataclass

from explorer.errors import ExplorerError
from explorer.hub.names import parse_name
from explorer.hub.source import Source
from explorer.inspection.model import Model
from explorer.weights.layout import lay_out

_LARGEST_RANK = 1 << 20


@dataclass(frozen=True, slots=True)
class Adapter:
    """What is known of an adapter's base. Merged into it, the two are as large as the base alone."""

    base: str | None
    """As the adapter names it; None if it does not."""
    rank: int | None
    """Of a LoRA's matrices."""
    parameters: int | None
    """Of the base, as its hub publishes them."""
    size_bytes: int | None
    """Of the base's weight files."""
    unknown: str = ""
    """Why the base's size is not known; empty if it is."""


async def read_adapter(source: Source, model: Model) -> Adapter | None:
    """The base of an adapter, looked up in one request and without its headers; None for other models.

    A base that cannot be looked up is no failure: ``unknown`` says why.
    """
    if model.layout.kind != "adapter":
        return None
    named = model.layout.base_model or next(iter(model.repo.listing.base_models), None)
    rank = model.documents.get("adapter_config.json", {}).get("r")
    if type(rank) is not int or not 0 < rank < _LARGEST_RANK:
        rank = None
    if named is None:
        return Adapter(None, rank, None, None, "it does not name its base model")
    if source.name == "local":
        return Adapter(named, rank, None, None, "not looked up for an adapter on disk")
    try:
        name = parse_name(named)
        if name.local:
            return Adapter(named, rank, None, None, "the base is a path on its author's disk")
        repo = await source.repo(name.ref)
    except ExplorerError as error:
        return Adapter(named, rank, None, None, error.title)
    layout = lay_out((file.path, file.size_bytes) for file in repo.files)
    size = sum(group.size_bytes for group in layout.default)
    parameters = repo.listing.parameters
    unknown = "" if parameters else "its hub does not say how many parameters it has"
    return Adapter(named, rank, parameters, size or None, unknown)
