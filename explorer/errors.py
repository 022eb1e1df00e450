"""Everything that can go wrong in a way a person can act on.

    ExplorerError
    ├── UsageError            a wrong option, machine or path: exit code 2
    ├── HubError              exit code 4
    │   ├── Unreachable       no network, or the hub does not answer
    │   │   └── Garbled           it answers, with what cannot be understood
    │   ├── Offline           the network was ruled out by --offline or HF_HUB_OFFLINE
    │   ├── RateLimited       too many requests; knows when to come back
    │   ├── BadToken          the hub does not accept the token
    │   └── Missing           exit code 3
    │       ├── ModelNotFound     no such model, or it is private
    │       ├── RevisionNotFound  no such branch, tag or commit
    │       ├── FileNotFound      no such file in the model
    │       └── Gated             the terms of the model must be accepted first
    ├── HeaderError           a malformed file: exit code 5
    └── HardwareError         a device that could not be read

Each carries a ``title`` (what happened), a ``detail`` (the particulars, may be empty) and a ``hint``
(what the person can do, may be empty). They are raised in the core and shown in two places only:
``explorer.cli.main`` and the app.
"""


class ExplorerError(Exception):
    """The root of the tree. ``exit_code`` is what the command line returns for it."""

    exit_code = 4

    def __init__(self, title: str, detail: str = "", hint: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        """Title, detail and hint as one line."""
        return ". ".join(part.rstrip(".") for part in (self.title, self.detail, self.hint) if part)


class UsageError(ExplorerError):
    """The person asked for something that cannot be asked."""

    exit_code = 2


class HubError(ExplorerError):
    """A source of models did not give what was asked of it."""


class Unreachable(HubError):
    """The hub could not be reached, or answered with a failure of its own."""


class Garbled(Unreachable):
    """The hub answered, and its answer is not what its API gives."""


class Offline(HubError):
    """The network was ruled out, and what was asked is not in the store or the snapshot."""


class RateLimited(HubError):
    """The hub asks to slow down; ``retry_after_seconds`` is when it will answer again, if known."""

    def __init__(
        self, title: str, detail: str = "", hint: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(title, detail, hint)
        self.retry_after_seconds = retry_after_seconds


class BadToken(HubError):
    """The hub does not accept the token it was sent."""


class Missing(HubError):
    """What was asked for is not there, or not for this person."""

    exit_code = 3


class ModelNotFound(Missing):
    """No model of this name, or it is private."""


class RevisionNotFound(Missing):
    """The model has no such branch, tag or commit."""


class FileNotFound(Missing):
    """The model has no such file."""


class Gated(Missing):
    """The files of the model are given only to people who accepted its terms."""


class HeaderError(ExplorerError):
    """A weight file or a config is not what its format allows; ``title`` names the file or tensor."""

    exit_code = 5


class HardwareError(ExplorerError):
    """A device could not be read."""
