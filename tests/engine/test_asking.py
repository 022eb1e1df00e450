"""Engines that answer, refuse, crash, hang and print without end: none of it reaches who asked."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.engine import asking
from explorer.engine.asking import ask_library, ask_program
from explorer.engine.pinned import why_not
from explorer.engine.sparse import Piece, write_sparse
from explorer.engine.told import Told
from explorer.fit.llama_cpp.settings import Settings
from explorer.units import MIB
from tests.engine.described import described
from tests.hub.gguf_files import gguf
from tests.hub.layouts import Weight

MODEL = "Llama-3.1-8B"
SETTINGS = Settings(n_ctx=4096)
CAN_ASK = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can be asked")
UNKNOWN = gguf({"general.architecture": "no-such"}, [Weight("token_embd.weight", "F32", (4, 32))])


def program(folder: Path, script: str) -> str:
    """A ``llama-fit-params`` that does what the script says when it is asked for figures."""
    path = folder / "llama-fit-params"
    version = 'if [ "$1" = --version ]; then echo "version: 8123 (abc1234)" >&2; exit 0; fi'
    path.write_text(f"#!/bin/sh\n{version}\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


async def told(folder: Path, script: str, *, patience_seconds: float = 20) -> Told:
    asked = program(folder, script)
    return await ask_program(
        asked, folder / "model.gguf", SETTINGS, patience_seconds=patience_seconds
    )


async def test_the_program_on_the_path_is_read(tmp_path: Path) -> None:
    # as tools/fit-params prints: device, model, context and compute in MiB
    found = await told(tmp_path, 'echo "CUDA0 100 20 3 "; echo "Host 7 0 1 "')
    assert (found.weights, found.context, found.compute) == (107 * MIB, 20 * MIB, 4 * MIB)
    assert found.version == "llama.cpp 8123 (abc1234) (llama-fit-params)"
    assert found.rounded
    assert not found.problem


async def test_the_program_is_asked_for_the_same_settings(tmp_path: Path) -> None:
    script = f'echo "$@" > {tmp_path}/asked; echo "Host 1 1 1"'
    asked = program(tmp_path, script)
    settings = Settings(n_ctx=8192, n_ubatch=1024, type_k="q8_0", type_v="q8_0")
    await ask_program(asked, tmp_path / "a model.gguf", settings)
    words = (tmp_path / "asked").read_text()
    assert f"-m {tmp_path}/a model.gguf" in words
    for option in ("-c 8192", "-ub 1024", "-ctk q8_0", "-ctv q8_0", "-fa on", "--fit-print on"):
        assert option in words


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("kill -ABRT $$", "signal 6"),
        ("exit 3", "code 3"),
        ("echo nothing of use", "no figures"),
        ("while true; do echo 0123456789012345678901234567890123456789; done", "without end"),
        ("exec sleep 60", "no answer in 1 seconds"),
    ],
)
async def test_whatever_happens_is_told(tmp_path: Path, script: str, problem: str) -> None:
    found = await told(tmp_path, script, patience_seconds=1 if "sleep" in script else 20)
    assert problem in found.problem
    assert (found.weights, found.context, found.compute) == (0, 0, 0)


async def test_a_program_that_cannot_start_is_told(tmp_path: Path) -> None:
    found = await ask_program(str(tmp_path / "gone"), tmp_path / "model.gguf", SETTINGS)
    assert "does not start" in found.problem


@pytest.mark.engine
@CAN_ASK
async def test_the_library_plans_a_header_over_a_hole(tmp_path: Path) -> None:
    file = described(MODEL)
    path = tmp_path / "model.gguf"
    write_sparse(path, [Piece(0, file.beginning)], file.size)
    assert path.stat().st_blocks * 512 < len(file.beginning) + 65536
    found = await ask_library(path, SETTINGS)
    assert not found.problem
    assert found.version.startswith("llama.cpp b")
    # 32 layers, 8 KV heads of 128, keys and values of 2 bytes
    assert found.context == 4096 * 32 * 8 * 128 * 2 * 2
    # the tensors are the file without its header
    assert found.weights == pytest.approx(file.size - len(file.beginning), rel=0.001)


@pytest.mark.engine
@CAN_ASK
@pytest.mark.parametrize("data", [b"", b"GGUF", UNKNOWN.read(0, UNKNOWN.size)])
async def test_what_the_library_refuses_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(data)
    found = await ask_library(path, SETTINGS)
    assert "broken.gguf" in found.problem


@pytest.mark.engine
@CAN_ASK
async def test_a_native_crash_ends_its_own_process(tmp_path: Path) -> None:
    file = described(MODEL)
    path = tmp_path / "model.gguf"
    write_sparse(path, [Piece(0, file.beginning)], file.size)
    # an impossible micro-batch makes llama.cpp abort rather than refuse
    found = await ask_library(path, Settings(n_ctx=4096, sequences=100_000))
    assert found.problem


def test_without_the_package_the_reason_is_said() -> None:
    script = "from explorer.engine.pinned import why_not; print(why_not())"
    bare = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True
    )
    assert bare.stdout.strip() in {
        "xllamacpp is not installed", "the package's library is asked on Linux only",
    }  # fmt: skip
    assert "weights-explorer[engine]" in asking.INSTALL
