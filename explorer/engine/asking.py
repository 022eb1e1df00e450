"""Asking an engine what it would allocate, in a process that may end as it likes.

``llama-fit-params`` (llama.cpp ``tools/fit-params``) is asked where it is on the path, since it is the
build that a person runs; otherwise the library of the extra ``weights-explorer[engine]``.
"""

import asyncio
import json
import re
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from explorer.engine.pinned import BUILD, PINNED, why_not
from explorer.engine.told import Told
from explorer.errors import UsageError
from explorer.fit.llama_cpp.settings import Settings
from explorer.units import MIB

PROGRAM = "llama-fit-params"
PATIENCE_SECONDS = 60.0
MOST_OUTPUT = 1 << 16
_ROW = re.compile(r"^(\S.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s*$")
_VERSION = re.compile(r"version:\s*(\S+(?:\s*\([0-9a-f]+\))?)")
INSTALL = "pip install 'weights-explorer[engine]', or put llama.cpp's llama-fit-params on the PATH"


def check_engine() -> None:
    """Raise UsageError, with how to install one, if there is no engine that could be asked."""
    if shutil.which(PROGRAM) is None and (reason := why_not()):
        raise UsageError("No engine can be asked here", reason, INSTALL)


async def ask(
    path: Path, settings: Settings, *, patience_seconds: float = PATIENCE_SECONDS
) -> Told:
    """What the engine at hand would allocate for a GGUF file, which may be sparse.

    An engine that refuses, crashes or takes too long is told of in ``problem``. Raises UsageError if
    there is none.
    """
    check_engine()
    program = shutil.which(PROGRAM)
    if program is not None:
        return await ask_program(program, path, settings, patience_seconds=patience_seconds)
    return await ask_library(path, settings, patience_seconds=patience_seconds)


async def ask_library(
    path: Path, settings: Settings, *, patience_seconds: float = PATIENCE_SECONDS
) -> Told:
    """As ``ask``, of the library of the extra."""
    version = f"llama.cpp {BUILD} (xllamacpp {PINNED})"
    question = {"path": str(path), "settings": asdict(settings)}
    command = (sys.executable, "-m", "explorer.engine")
    try:
        output = await _run(command, json.dumps(question).encode(), patience_seconds)
    except _Failed as failure:
        return Told(version, problem=str(failure))
    answer = _last_object(output)
    if refused := answer.get("refused"):
        return Told(version, problem=str(refused)[:300])
    sizes = [answer.get(key) for key in ("model", "context", "compute")]
    weights, context, compute = (size if isinstance(size, int) else -1 for size in sizes)
    if min(weights, context, compute) < 0:
        return Told(version, problem="it ended without an answer")
    return Told(version, weights, context, compute)


async def ask_program(
    program: str, path: Path, settings: Settings, *, patience_seconds: float = PATIENCE_SECONDS
) -> Told:
    """As ``ask``, of a ``llama-fit-params``. It plans for one sequence, and without drafts."""
    version = f"llama.cpp ({PROGRAM})"
    if settings.sequences > 1:
        return Told(version, problem=f"{PROGRAM} plans for one sequence only")
    if settings.drafts:
        return Told(version, problem=f"{PROGRAM} plans without multi-token prediction")
    options = (
        "-m", str(path), "--fit-print", "on", "-dev", "none", "-ngl", "0", "-c", str(settings.n_ctx),
        "-ub", str(settings.n_ubatch), "-fa", "on" if settings.flash_attention else "off",
        "-ctk", settings.type_k, "-ctv", settings.type_v,
        *(("--swa-full",) if settings.swa_full else ()),
    )  # fmt: skip
    try:
        build = _VERSION.search(
            await _run((program, "--version"), b"", patience_seconds, errors=True)
        )
        version = f"llama.cpp {build[1]} ({PROGRAM})" if build else version
        output = await _run((program, *options), b"", patience_seconds)
    except _Failed as failure:
        return Told(version, problem=str(failure))
    rows = [found for line in output.splitlines() if (found := _ROW.match(line))]
    if not rows:
        return Told(version, problem="it printed no figures")
    weights, context, compute = (sum(int(row[part]) for row in rows) * MIB for part in (2, 3, 4))
    return Told(version, weights, context, compute, rounded=True)


class _Failed(Exception):
    """A process that gave no answer; says why."""


async def _run(
    command: tuple[str, ...], question: bytes, patience_seconds: float, *, errors: bool = False
) -> str:
    """What a program prints, at most ``MOST_OUTPUT`` bytes of it. Raises _Failed, and ends the program."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT if errors else asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise _Failed(f"it does not start: {error.strerror}") from error
    try:
        output = await asyncio.wait_for(_talk(process, question), patience_seconds)
    except TimeoutError as error:
        raise _Failed(f"it gave no answer in {patience_seconds:g} seconds") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        ended = process.returncode
        how = f"was ended by signal {-ended}" if ended < 0 else f"ended with code {ended}"
        raise _Failed(f"it {how}")
    return output.decode(errors="replace")


async def _talk(process: asyncio.subprocess.Process, question: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise _Failed("it has no pipes")
    try:
        process.stdin.write(question)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it ended before it read: its return code tells
    output = b""
    while piece := await process.stdout.read(MOST_OUTPUT):
        output += piece
        if len(output) > MOST_OUTPUT:
            raise _Failed("it prints without end")
    await process.wait()
    return output


def _last_object(output: str) -> dict[str, object]:
    """The JSON object on the last line; empty if there is none."""
    lines = output.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
