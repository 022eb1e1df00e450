"""What the program remembers for a person: one small TOML file, meant to be read and edited by hand.

    filters = "params:7B..32B fits sort:likes"
    machine = "2x RTX 3090, 128 GB"
    marked = ["Qwen/Qwen3-8B"]
    watched = ["Qwen/Qwen3-8B"]

    [searches]
    "small and german" = "params:1B..8B lang:de"

Comments, order and keys of others survive a change, but for comments inside a list that changes. Several
programs may change the file at once: each reads it anew under a lock and writes it whole, so that nobody's
marks are lost. A damaged file is moved aside, never overwritten.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_config_dir

MOST_RECENT = 50
MOST_MACHINES = 20
MOST_ENTRIES = 2_000
"""Of marks, watched models and searches; further ones are left alone and not read."""
LARGEST = 1 << 20
"""Bytes of a file that is read."""

_LONGEST = 2_000
_LOCK_SECONDS = 5.0
_HEADER = "Weights Explorer: what it remembers. Yours to edit; a change shows at the next start."
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A watched model as it was when a person last looked at it; None for what was not known then."""

    at: datetime
    commit: str | None = None
    updated: datetime | None = None
    downloads: int | None = None
    quantizations: int | None = None
    """Models that were quantized from it."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Everything that is remembered. Filters and searches are words as a person types them."""

    filters: str = ""
    """Of the listing that was open last, with its order."""
    machine: str = ""
    """The spec of the machine that was chosen last; empty for the one at hand."""
    machines: tuple[str, ...] = ()
    """Specs of machines that were described, the latest first."""
    context_tokens: int | None = None
    theme: str = ""
    marked: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    recent: tuple[str, ...] = ()
    """Models that were opened, the latest first."""
    searches: Mapping[str, str] = field(default_factory=dict)
    """Saved searches: words by name."""
    seen: Mapping[str, Seen] = field(default_factory=dict)
    """Of watched models: what they were like when they were last looked at."""

    def mark(self, model: str, *, on: bool = True) -> "Remembered":
        """A model marked, or no longer."""
        return replace(self, marked=_with(self.marked, model, on=on))

    def watch(self, model: str, *, on: bool = True) -> "Remembered":
        """A model on the watch list, or no longer."""
        seen = {name: kept for name, kept in self.seen.items() if on or name != model}
        return replace(self, watched=_with(self.watched, model, on=on), seen=seen)

    def look(self, model: str, seen: Seen) -> "Remembered":
        """A model was looked at, which counts if it is watched; what was not seen stays as it was."""
        if model not in self.watched:
            return self
        known = {name: value for name, value in asdict(seen).items() if value is not None}
        before = self.seen.get(model, seen)
        return replace(self, seen={**self.seen, model: replace(before, **known)})

    def choose(self, spec: str, *, described: bool = False) -> "Remembered":
        """A machine to judge for from now on, empty for the one at hand; a described one is kept."""
        machines = (spec, *_with(self.machines, spec, on=False)) if described else self.machines
        return replace(self, machine=spec, machines=machines[:MOST_MACHINES])

    def forget_machine(self, spec: str) -> "Remembered":
        """A description is no longer kept."""
        return replace(self, machines=_with(self.machines, spec, on=False))

    def open(self, model: str) -> "Remembered":
        """A model was opened."""
        return replace(self, recent=(model, *_with(self.recent, model, on=False))[:MOST_RECENT])

    def save(self, name: str, words: str) -> "Remembered":
        """A search saved under a name; without words the name is forgotten."""
        others = {key: value for key, value in self.searches.items() if key != name}
        return replace(self, searches=others | ({name: words} if words else {}))


def default_path() -> Path:
    """``remembered.toml`` in ``WEIGHTS_CONFIG``, or in the platform's folder for configuration."""
    if named := os.environ.get("WEIGHTS_CONFIG"):
        return Path(named).expanduser() / "remembered.toml"
    return Path(user_config_dir("weights-explorer", appauthor=False)) / "remembered.toml"


class UserFile:
    """The file at a path. Never raises for the state of the disk: ``notices`` and the log say what is wrong.

    ``clock`` tells seconds since 1970, for the name of a damaged file that is moved aside.
    """

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path or default_path()
        self._clock = clock
        self._notices: list[str] = []

    @property
    def notices(self) -> tuple[str, ...]:
        """What went wrong with the file, in sentences for people."""
        return tuple(self._notices)

    def read(self) -> Remembered:
        """What is remembered; values of a wrong kind count as not there."""
        return _remembered(self._load())

    def change(self, edit: Callable[[Remembered], Remembered]) -> Remembered:
        """Change what is remembered, and return it: ``change(lambda now: now.mark("org/name"))``.

        ``edit`` is given what the file says at this moment, which another program may have written.
        Where the file can't be written the change is returned all the same.
        """
        from filelock import FileLock, Timeout

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                before = self.read()
                after = edit(before)
                if after != before:
                    self._write(before, after)
                return after
        except (OSError, Timeout) as fault:
            self._notice(f"{self.path} could not be written: {fault}")
            return edit(self.read())

    def _load(self) -> Mapping[str, Any]:
        """The file's content; a damaged one is moved aside."""
        import tomllib

        try:
            with self.path.open("rb") as stream:
                body = stream.read(LARGEST + 1)
            if len(body) > LARGEST:
                self._set_aside("it is too large")
                return {}
            return tomllib.loads(body.decode())
        except FileNotFoundError:
            return {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as fault:
            self._set_aside(str(fault))
        except OSError as fault:
            self._notice(f"{self.path} could not be read: {fault.strerror}")
        return {}

    def _write(self, before: Remembered, after: Remembered) -> None:
        """Write what differs into the file as it is, whole or not at all."""
        import tomlkit

        try:
            document = tomlkit.parse(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            document = tomlkit.document()
            document.add(tomlkit.comment(_HEADER))
        for name in (one.name for one in fields(Remembered)):
            value = getattr(after, name)
            if value == getattr(before, name):
                continue
            if not value:
                document.pop(name, None)
            elif isinstance(value, tuple):
                document[name] = tomlkit.array()
                document[name].extend(value)
                document[name].multiline(len(value) > 1)
            elif isinstance(value, Mapping):
                _merge(document.setdefault(name, tomlkit.table()), value)
            else:
                document[name] = value
        self._replace(tomlkit.dumps(document))

    def _replace(self, text: str) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".remembered-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(self.path)
        except OSError:
            with suppress(OSError):
                Path(temporary).unlink()
            raise

    def _set_aside(self, reason: str) -> None:
        moved = self.path.with_name(f"{self.path.stem}.damaged-{int(self._clock())}.toml")
        with suppress(OSError):
            self.path.rename(moved)
            self._notice(f"{self.path} could not be understood ({reason}) and was moved to {moved}")

    def _notice(self, sentence: str) -> None:
        if sentence not in self._notices:
            self._notices.append(sentence)
            _LOG.warning(sentence)


def _merge(table: Any, value: Mapping[str, str | Seen]) -> None:
    """Make a table of the file hold these entries; those that stay keep their place and comments."""
    import tomlkit

    for key in [key for key in table if key not in value]:
        del table[key]
    for key, entry in value.items():
        plain: Any = entry
        if isinstance(entry, Seen):
            plain = tomlkit.inline_table()
            plain.update({name: one for name, one in asdict(entry).items() if one is not None})
        if table.get(key) != plain:
            table[key] = plain


def _remembered(content: Mapping[str, Any]) -> Remembered:
    tokens = content.get("context_tokens")
    searches = content.get("searches")
    seen = content.get("seen")
    return Remembered(
        filters=_text(content.get("filters")),
        machine=_text(content.get("machine")),
        machines=_texts(content.get("machines"))[:MOST_MACHINES],
        context_tokens=tokens if isinstance(tokens, int) and 0 < tokens < 1 << 40 else None,
        theme=_text(content.get("theme")),
        marked=_texts(content.get("marked")),
        watched=_texts(content.get("watched")),
        recent=_texts(content.get("recent"))[:MOST_RECENT],
        searches={
            key: words
            for key, value in list(searches.items())[:MOST_ENTRIES]
            if (words := _text(value))
        }
        if isinstance(searches, dict)
        else {},
        seen={
            key: known
            for key, value in list(seen.items())[:MOST_ENTRIES]
            if (known := _seen(value)) is not None
        }
        if isinstance(seen, dict)
        else {},
    )


def _seen(value: object) -> Seen | None:
    """None for what has no moment; values of a wrong kind count as not there."""
    content = value if isinstance(value, dict) else {}
    at = _moment(content.get("at"))
    if at is None:
        return None
    return Seen(
        at,
        _text(content.get("commit")) or None,
        _moment(content.get("updated")),
        _count(content.get("downloads")),
        _count(content.get("quantizations")),
    )


def _moment(value: object) -> datetime | None:
    """A moment of TOML, in UTC where it names no zone."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""


def _texts(value: object) -> tuple[str, ...]:
    """Texts without repetition, in order."""
    items = value[:MOST_ENTRIES] if isinstance(value, list) else []
    return tuple(dict.fromkeys(text for item in items if (text := _text(item))))


def _with(names: tuple[str, ...], name: str, *, on: bool) -> tuple[str, ...]:
    others = tuple(other for other in names if other != name)
    if not on:
        return others
    return names if name in names else (*others, name)
