"""Writing a file that a person named: whole or not at all."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from explorer.errors import UsageError


def save(path: Path, pieces: Iterable[str], *, replace: bool = False) -> int:
    """Write text to a file and return its bytes; it appears when all of it is there.

    Raises UsageError if the file exists and may not be replaced, or cannot be written.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="name a file in it")
    if not replace and path.exists():
        raise UsageError(
            f"{path} is there already", hint="name another file, or allow to replace it"
        )
    try:
        return _write(path, pieces)
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise UsageError(f"{path} cannot be written", reason or "", "name another place") from fault


def _write(path: Path, pieces: Iterable[str]) -> int:
    draft = path.with_name(f".{path.name[:80]}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines(pieces)
        size = draft.stat().st_size
        draft.replace(path)
    finally:
        with suppress(OSError):  # after a success there is no draft left
            draft.unlink(missing_ok=True)
    return size
