"""Violations found in a header that can still be read, bounded in number."""

_MOST = 100


class Problems:
    """Collects sentences; past a hundred it only counts, so that a hostile header cannot fill memory."""

    __slots__ = ("_found", "_unsaid", "malformed")

    def __init__(self) -> None:
        self._found: list[str] = []
        self._unsaid = 0
        self.malformed = False
        """Whether the format's own implementation refuses the file for one of them."""

    def add(self, sentence: str) -> None:
        """Note one violation that the format's own implementation does not let pass."""
        self.malformed = True
        self.note(sentence)

    def note(self, sentence: str) -> None:
        """Note something that is odd and that others let pass."""
        if len(self._found) < _MOST:
            self._found.append(sentence)
        else:
            self._unsaid += 1

    def listed(self) -> tuple[str, ...]:
        """All sentences in the order found, and how many more there were."""
        more = (f"and {self._unsaid} more",) if self._unsaid else ()
        return (*self._found, *more)


def quoted(name: str) -> str:
    """A name from a file in quotation marks, shortened where it is absurdly long."""
    return f"“{name}”" if len(name) <= 200 else f"“{name[:200]}…”"
