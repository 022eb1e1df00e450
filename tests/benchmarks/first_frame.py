"""Time from starting the program to its first painted frame, beside a hello-world Textual app.

    python -m tests.benchmarks.first_frame

Each runs as a whole process on a pseudo terminal of 120 by 40, until a text that is only in the painted
frame arrives. Nothing is asserted: times are for people.
"""

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass

RUNS = 7
GIVE_UP_SECONDS = 20.0
HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("Hello, world")
Hello().run()
"""


@dataclass(frozen=True)
class Contender:
    """A command, and the text that its first frame shows."""

    name: str
    command: tuple[str, ...]
    text: bytes


CONTENDERS = (
    Contender("hello-world Textual app", (sys.executable, "-c", HELLO), b"Hello, world"),
    Contender(
        "weights, first frame",
        (sys.executable, "-m", "explorer", "--source", "snapshot"),
        b"Best here",
    ),
    Contender(
        "weights, first rows from the snapshot",
        (sys.executable, "-m", "explorer", "--source", "snapshot"),
        b"models, more below",
    ),
    Contender(
        "import textual alone", (sys.executable, "-c", "import textual.app; print('in')"), b"in"
    ),
)


def seconds_until(contender: Contender) -> float:
    """Seconds from starting the process to its text on the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    started = time.perf_counter()
    process = subprocess.Popen(
        contender.command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        start_new_session=True,
    )
    os.close(theirs)
    painted = b""
    try:
        while contender.text not in painted:
            ready, _, _ = select.select([ours], [], [], GIVE_UP_SECONDS)
            if not ready:
                raise TimeoutError(f"{contender.name} did not paint {contender.text!r}")
            painted += os.read(ours, 65536)
        return time.perf_counter() - started
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


def main() -> None:
    """Print the median of each, and its ratio to the hello-world app."""
    medians: dict[str, float] = {}
    for contender in CONTENDERS:
        seconds_until(contender)  # once to warm the file cache
        medians[contender.name] = statistics.median(seconds_until(contender) for _ in range(RUNS))
    reference = medians[CONTENDERS[0].name]
    print(f"{'median of ' + str(RUNS):40} {'seconds':>8} {'ratio':>6}")
    for name, median in medians.items():
        print(f"{name:40} {median:8.3f} {median / reference:6.2f}")


if __name__ == "__main__":
    main()
