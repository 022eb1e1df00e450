"""What sources over another source have from it."""

from explorer.hub.source import Source, Transfer


class Over:
    """The part of a ``Source`` that is the same as that of the one beneath."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def name(self) -> str:
        """The name of the source beneath."""
        return self._source.name

    @property
    def title(self) -> str:
        """The title of the source beneath."""
        return self._source.title

    @property
    def transfer(self) -> Transfer:
        """What the source beneath has moved."""
        return self._source.transfer
