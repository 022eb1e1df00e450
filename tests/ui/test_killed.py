"""The UI starts nothing that listens, and leaves nothing behind when it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pty = pytest.importorskip("pty", reason="a terminal of one's own needs a Unix")
PATIENCE_SECONDS = 30


def test_a_killed_ui_leaves_no_process_and_never_listened(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    ui = subprocess.Popen(
        [sys.executable, "-m", "explorer", "--source", "snapshot"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "WEIGHTS_CACHE": str(tmp_path), "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    try:
        seen = b""
        while b"weights" not in seen:
            seen += os.read(ours, 65536)
        process = psutil.Process(ui.pid)
        assert [one for one in process.net_connections() if one.status == psutil.CONN_LISTEN] == []
        children = process.children(recursive=True)
        ui.send_signal(signal.SIGKILL)
        ui.wait(PATIENCE_SECONDS)
        assert psutil.wait_procs(children, PATIENCE_SECONDS)[1] == []
        assert not [one for one in psutil.process_iter() if session_of(one) == ui.pid]
    finally:
        ui.kill()
        os.close(ours)


def session_of(process: psutil.Process) -> int | None:
    """The session a process belongs to; None for one that is gone by now, or not ours to see."""
    try:
        return os.getsid(process.pid)
    except OSError:
        return None
