"""The command line: a thin face. Standard output is data; diagnostics and progress go to stderr.

Nothing is imported here before ``main`` runs, so that Ctrl-C ends the program quietly while it still loads.
"""

from collections.abc import Sequence

INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``weights`` and return its exit code; see the codes in ``weights --help``."""
    try:
        from explorer.cli.running import run_line

        return run_line(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
