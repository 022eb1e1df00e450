"""A row of the listing, judged without its headers, says what the opened model says."""

from contextlib import aclosing

import pytest

from explorer.fit.values import Scenario
from explorer.hardware.spec import parse_machine
from explorer.hub.snapshot import Snapshot
from explorer.hub.source import Listing, ModelRef
from explorer.inspection.fitting import answer
from explorer.inspection.opening import open_model
from explorer.inspection.rows import judge_row

MACHINE = parse_machine("RTX 4090, 64 GB")


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen3-0.6B",  # stores its tied head a second time, which the hub counts
        "Qwen/Qwen2.5-0.5B-Instruct-AWQ",
        "Qwen/Qwen3-VL-2B-Instruct",  # a vision tower, which is a file of its own in llama.cpp
        "openai/clip-vit-large-patch14",
        "Qwen/Qwen3.5-35B-A3B",  # an MTP layer
        "EleutherAI/pythia-160m",  # buffers in the checkpoint
        "Qwen/Qwen3-30B-A3B",
        "google/gemma-2-9b-it",
        "openai/gpt-oss-20b",
        "mistralai/Mixtral-8x7B-v0.1",
    ],
)
async def test_a_row_agrees_with_the_opened_model(name: str) -> None:
    source = Snapshot()
    repo = await source.repo(ModelRef(name))
    row = judge_row(repo.listing, MACHINE, Scenario())
    async with aclosing(open_model(source, ModelRef(name))) as models:
        model = [each async for each in models][-1]
    opened = answer(model, MACHINE, Scenario())
    await source.close()
    assert row.answer is not None
    assert row.answer.verdict is opened.verdict
    assert row.answer.scenario.quantization == opened.scenario.quantization
    assert row.answer.memory.total == pytest.approx(opened.memory.total, rel=0.02)


@pytest.mark.parametrize(
    ("name", "parameters", "method", "published_bytes"),
    [
        ("openai/gpt-oss-20b", 20_914_757_184, {"quant_method": "mxfp4"}, 13_761_264_768),
        # 59.02 GiB as llama.cpp's benches/dgx-spark.md prints it
        ("openai/gpt-oss-120b", 116_829_156_672, {"quant_method": "mxfp4"}, 63_372_242_288),
        (
            "Qwen/Qwen2.5-32B-Instruct-AWQ",
            32_763_876_352,
            {"quant_method": "awq", "bits": 4},
            19_327_352_832,
        ),
    ],
)
def test_a_packed_row_is_as_large_as_its_packing_says(
    name: str, parameters: int, method: dict[str, object], published_bytes: int
) -> None:
    """A listing carries the type and the packing alone; the sizes of published files are the measure."""
    config = {"model_type": "unheard_of", "quantization_config": method}
    row = judge_row(Listing(name, parameters=parameters, config=config), MACHINE, Scenario())
    assert row.estimated
    assert [option.total_bytes for option in row.options] == [
        pytest.approx(published_bytes, rel=0.07)
    ]
