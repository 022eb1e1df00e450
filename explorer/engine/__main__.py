"""One question to the native library, in a process of its own: JSON on stdin, JSON on the last line.

The question is ``{"path": ..., "settings": {...}, "allocate": false}``; the answer has ``model``,
``context`` and ``compute`` in bytes and the ``peak_bytes`` that were resident, or ``refused``.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from explorer.engine.library import Library, Refused
from explorer.fit.llama_cpp.settings import Settings


def main() -> int:
    """Answer the question on standard input."""
    _limit()
    question = json.load(sys.stdin)
    path, settings = Path(question["path"]), Settings(**question["settings"])
    try:
        before = _peak_bytes()
        found = Library().plan(path, settings, allocate=question["allocate"])
        answer: dict[str, object] = {**asdict(found), "before_bytes": before}
        answer["peak_bytes"] = _peak_bytes()
    except Refused as error:
        answer = {"refused": str(error)}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
    sys.stdout.flush()
    # native destructors may abort after everything is said
    os._exit(0)


def _limit() -> None:
    """No core dump of a process that holds nothing worth one."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _peak_bytes() -> int:
    """The most memory that was resident so far; 0 where that is not told."""
    if sys.platform != "linux":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
