"""One run of the command line: what it opens, and what becomes of what goes wrong."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import parse
from explorer.cli.complaints import complain
from explorer.errors import ExplorerError, UsageError

if TYPE_CHECKING:
    from explorer.hardware.machine import Machine
    from explorer.hub.names import ModelName
    from explorer.hub.options import SourceKind
    from explorer.hub.other_names import HubName
    from explorer.hub.source import Source
    from explorer.userfile import UserFile

_LOCAL = "This machine: caches, folders, Ollama, LM Studio"
_WRITING_FAILED = ExplorerError.exit_code


def run_line(argv: Sequence[str] | None = None) -> int:
    """Run a command line, by default the program's own, and return its exit code."""
    collect_rarely()
    if sys.stderr is None:
        # Closed by the shell: print would send diagnostics to standard output. Open until the program ends.
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        if sys.stdout is not None:
            sys.stdout.flush()
    except ExplorerError as error:
        complain(error)
        return error.exit_code
    except BrokenPipeError:
        # the reader went away (`| head`): nothing to report, and nothing left to flush at exit
        _write_no_more()
        return 0
    except OSError as fault:
        _write_no_more()
        where = fault.filename or "standard output"
        complain(ExplorerError(f"{where} cannot be written", fault.strerror or str(fault)))
        return _WRITING_FAILED
    return code


def _run(argv: list[str]) -> int:
    try:
        options = parse(argv)
    except SystemExit as told:  # --help and --version have printed
        return int(told.code or 0)
    if options.command is None:
        return _open_ui(options)
    if sys.stdout is None:
        raise ExplorerError(
            "Standard output is closed", "there is nowhere to print to", "leave out “>&-”"
        )
    from explorer.cli.commands import run

    return run(options)


def _write_no_more() -> None:
    """Let what is still to be flushed at exit vanish rather than fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def collect_rarely() -> None:
    """Make the garbage collector look through everything less often.

    A model of 150,000 tensors is as many tuples, none of which is ever part of a cycle. By Python's own
    thresholds they are looked through again and again while they arrive, 40 to 90 ms each time, in which
    nothing is painted. The youngest 20,000 take 5 ms.
    """
    gc.set_threshold(20_000, 50, 100)


def give_way_often() -> None:
    """Make threads that parse and count let the one that paints have its turn after 1 ms.

    By Python's own 5 ms, and several turns to a frame, opening a model of 160 shards was seen to stall.
    """
    sys.setswitchinterval(0.001)


def _open_ui(options: argparse.Namespace) -> int:
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise UsageError(
            "the UI needs a terminal",
            hint="in a pipe or a script use: weights search, show, tensors, fit or machine; "
            "see weights --help",
        )
    from explorer.hub.names import parse_name
    from explorer.ui.app import WeightsApp
    from explorer.ui.session import Session

    named = parse_name(options.model) if options.model else None
    give_way_often()
    app = WeightsApp(
        Session(
            open_source=lambda: _open_source(options, named),
            model=named.ref if named else None,
            sources={
                "Hugging Face": lambda: _other_source(options, "auto"),
                "ModelScope": lambda: _other_source(options, "hub", "modelscope"),
                "Snapshot that comes with weights": lambda: _other_source(options, "snapshot"),
                _LOCAL: lambda: _other_source(options, "local"),
            },
            local=_LOCAL,
            open_user_file=_user_file,
            detect=_detect,
            machine=_machine(getattr(options, "machine", None)),
        )
    )
    app.run()
    return app.return_code or 0


# What the UI does after its first frame is imported then.


def _open_source(options: argparse.Namespace, named: "ModelName | None") -> "Source":
    from explorer.cli.asked import open_for

    return open_for(options, named)


def _other_source(
    options: argparse.Namespace, kind: "SourceKind", hub: "HubName" = "huggingface"
) -> "Source":
    from explorer.hub.options import open_source

    return open_source(kind, hub=hub, offline=options.offline, folders=options.folder)


def _user_file() -> "UserFile":
    from explorer.userfile import UserFile

    return UserFile()


def _detect() -> "Machine":
    from explorer.hardware.detect import detect

    return detect()


def _machine(text: str | None) -> "Machine | None":
    if text is None:
        return None
    from explorer.hardware.spec import parse_machine

    return parse_machine(text)
