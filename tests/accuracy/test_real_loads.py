"""Real GGUF files loaded for real: what we say they take, against what was resident.

Weights, caches and compute buffers are known to the megabyte; the rest of a process (its vocabulary, the
loader, the library itself) is told as 60 MiB, and is 25 to 80 MiB in real loads. So the whole may be off by
40 MiB, and never less than the buffers alone.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.engine.pinned import why_not
from explorer.fit.gguf_metadata import from_gguf
from explorer.fit.planner import judge
from explorer.fit.values import Memory, Scenario, Verdict
from explorer.fit.weight_map import from_tensors
from explorer.hardware.spec import parse_machine
from explorer.spans import drive
from explorer.units import MIB
from explorer.weights.gguf import read_header
from tests.real_weights import GEMMA3, SMOLLM2, NoRegistry, RealFile, real_file

pytestmark = [
    pytest.mark.engine,
    pytest.mark.registry,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can be asked"),
]
OTHERWISE = 40 * MIB


def measured(path: Path, context: int) -> dict[str, int]:
    """What llama.cpp held, and what was resident at most beyond a bare Python."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.accuracy.loaded", str(path), str(context)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found: dict[str, int] = json.loads(ran.stdout.splitlines()[-1])
    assert found["status"] == 0
    return found


def predicted(path: Path, context: int) -> Memory:
    with path.open("rb") as file:

        def fetch(span: tuple[int, int]) -> bytes:
            file.seek(span[0])
            return file.read(span[1] - span[0])

        header = drive(read_header(path.name, path.stat().st_size), fetch)
    shape = from_gguf(header.metadata)
    tied = not any(tensor.name == "output.weight" for tensor in header.tensors)
    weights = from_tensors(header.tensors, "Q4_K_M", len(shape.layers), tied=tied)
    answer = judge(
        shape, weights, parse_machine("cpu 16GB"), Scenario(context_tokens=context), explain=False
    )
    assert answer.verdict is Verdict.FITS
    return answer.memory


@pytest.mark.parametrize(("wanted", "context"), [(SMOLLM2, 8192), (GEMMA3, 2048)])
def test_what_is_resident_is_what_was_predicted(wanted: RealFile, context: int) -> None:
    try:
        path = real_file(wanted)
    except NoRegistry as reason:
        pytest.skip(str(reason))
    found, ours = measured(path, context), predicted(path, context)
    resident = found["peak"] - found["before"]
    assert ours.weights == pytest.approx(found["model"], rel=0.001)
    assert ours.kv_cache + ours.recurrent_state == found["context"]
    assert ours.compute == pytest.approx(found["compute"], rel=0.2)
    assert abs(ours.total - resident) < OTHERWISE
    assert ours.total - ours.overhead < resident
