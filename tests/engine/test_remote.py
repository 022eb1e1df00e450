"""A remote GGUF file planned by llama.cpp: only its header crosses the wire."""

import json
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.cli import main
from explorer.engine.pinned import why_not
from explorer.engine.sparse import Piece, write_sparse
from explorer.errors import UsageError
from explorer.fit.values import Scenario
from explorer.hardware.spec import parse_machine
from explorer.hub.huggingface import HuggingFace
from explorer.hub.source import ModelRef, Source
from explorer.inspection.asking import ask_engine, gaps, header_pieces
from explorer.inspection.fitting import answer_subject, subject
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model
from explorer.spans import Span, drive
from tests.engine.described import described
from tests.hub import HubFile, HubRepo, HubServer
from tests.hub.builder import llama_like
from tests.real_weights import SMOLLM2, header_bytes

CAN_ASK = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can be asked")


async def opened(source: Source, name: str) -> Model:
    async with aclosing(open_model(source, ModelRef(name))) as models:
        found = [each async for each in models]
    return found[-1]


def test_a_header_is_fetched_whole_and_no_further() -> None:
    header = header_bytes(SMOLLM2)
    asked: list[Span] = []

    def fetch(span: Span) -> bytes:
        asked.append(span)
        return header[span.start : span.stop].ljust(
            min(span.stop, SMOLLM2.size_bytes) - span.start, b"\0"
        )

    pieces = drive(header_pieces("model.gguf", SMOLLM2.size_bytes), fetch)
    laid = bytearray(len(header))
    seen = bytearray(len(header))
    for start, data in pieces:
        stop = min(start + len(data), len(header))
        laid[start:stop] = data[: stop - start]
        seen[start:stop] = b"\1" * max(stop - start, 0)
    assert bytes(laid) == header
    assert seen.count(0) == 0
    # pieces of up to 2 MiB may reach beyond the end
    assert max(span.stop for span in asked) < len(header) + 3 * 1024 * 1024


@pytest.mark.engine
@CAN_ASK
async def test_the_engine_agrees_about_a_file_that_was_never_downloaded() -> None:
    content = described("Llama-3.1-8B")
    repo = HubRepo("acme/llama-GGUF", [HubFile("llama-F16.gguf", content)])
    with HubServer([repo]) as hub:
        source = HuggingFace(hub.endpoint, token="")
        model = await opened(source, repo.id)
        found = subject(model, Scenario(context_tokens=4096))
        answer = answer_subject(found, parse_machine("cpu 64GB"))
        word = await ask_engine(source, model, found, answer)
        moved = source.transfer.bytes
        await source.close()
    assert word.theirs is not None, word.problem
    assert word.ours.context == word.theirs.context
    assert word.ours.weights == pytest.approx(word.theirs.weights, rel=0.001)
    assert word.ours.compute == pytest.approx(word.theirs.compute, rel=0.3)
    assert moved < content.size / 1000


async def test_what_is_no_gguf_cannot_be_asked_about() -> None:
    repo = llama_like("acme/plain")
    with HubServer([repo]) as hub:
        source = HuggingFace(hub.endpoint, token="")
        model = await opened(source, repo.id)
        found = subject(model, Scenario())
        answer = answer_subject(found, parse_machine("cpu 16GB"))
        with pytest.raises(UsageError, match="GGUF"):
            await ask_engine(source, model, found, answer)
        await source.close()


@pytest.mark.engine
@CAN_ASK
def test_the_command_line_prints_both_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = described("Llama-3.1-8B")
    path = tmp_path / "llama-F16.gguf"
    write_sparse(path, [Piece(0, content.beginning)], content.size)
    arguments = ["fit", str(path), "--machine", "cpu 64GB", "--context", "4k", "--ask-engine"]
    assert main([*arguments, "--json"]) == 0
    [answer] = json.loads(capsys.readouterr().out)
    says = answer["engine_says"]
    assert says["version"].startswith("llama.cpp")
    assert says["theirs"]["context"] == says["ours"]["context"]
    assert says["problem"] is None
    assert main(arguments) == 0
    assert "on a processor alone" in capsys.readouterr().out


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=6), st.integers(0, 80))
def test_gaps_and_pieces_together_are_everything(ranges: list[tuple[int, int]], stop: int) -> None:
    pieces = [Piece(start, bytes(size)) for start, size in ranges]
    covered = {n for start, size in ranges for n in range(start, start + size)}
    missing = [n for gap in gaps(pieces, stop) for n in range(gap.start, gap.stop)]
    assert missing == sorted(set(range(stop)) - covered)
