"""Errors in words, on stderr."""

import sys

from explorer.errors import ExplorerError
from explorer.safetext import safe_line


def complain(error: ExplorerError) -> None:
    """Say on stderr what happened and what to do."""
    print(f"weights: {safe_line(error.title)}", file=sys.stderr)
    for line in (error.detail, error.hint):
        if line:
            print(f"  {safe_line(line)}", file=sys.stderr)
