"""Why a source did not answer itself, in a few words."""

from explorer.errors import ExplorerError, Garbled, Offline, RateLimited
from explorer.hub.source import Source


def lapse(source: Source, failure: ExplorerError | None) -> str:
    """``Hugging Face could not be reached``, ``offline, Hugging Face was not asked``."""
    if isinstance(failure, Offline):
        return f"offline, {source.title} was not asked"
    if isinstance(failure, RateLimited):
        return f"{source.title} asks to slow down"
    if isinstance(failure, Garbled):
        return f"{source.title} gave an answer that cannot be understood"
    return f"{source.title} could not be reached"
