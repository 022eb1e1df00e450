"""One question to the native library, in a process of its own: JSON on stdin, JSON on the last line.

The question is ``{"path": ..., "settings": {...}}``; the answer has ``model``, ``context`` and ``compute`` in
bytes, or says why it was ``refused``.
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
        answer: dict[str, object] = asdict(Library().plan(path, settings))
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


if __name__ == "__main__":
    sys.exit(main())
