"""Image pipelines: whole on a device, one component at a time, or on the host."""

from explorer.fit.architecture import Architecture
from explorer.fit.planner import judge
from explorer.fit.values import Answer, Scenario, Verdict
from explorer.fit.weight_map import WeightMap
from explorer.hardware.spec import parse_machine
from explorer.units import GIB

PIPELINE = Architecture(
    "FluxPipeline", "diffusion", (), hidden=0, vocabulary=0, context_tokens=None, kind="diffusion"
)
# FLUX.1-schnell in BF16: 11.9 B, 4.76 B, 0.12 B and 0.08 B parameters
FLUX = WeightMap(
    "BF16",
    (),
    input_bytes=0,
    output_bytes=0,
    other_bytes=32 * GIB,
    components=(("transformer", 22 * GIB), ("text_encoder_2", 9 * GIB), ("others", 1 * GIB)),
)


def on(machine: str) -> Answer:
    return judge(PIPELINE, FLUX, parse_machine(machine), Scenario())


def test_a_roomy_device_holds_the_whole_pipeline() -> None:
    answer = on("RTX 6000 Ada, 64GB")
    assert answer.verdict is Verdict.FITS
    assert answer.memory.weights == 32 * GIB
    assert answer.scenario.engine == "diffusers"


def test_a_smaller_one_holds_the_largest_component_and_the_host_the_rest() -> None:
    answer = on("RTX 4090, 64GB")
    assert answer.verdict is Verdict.OFFLOAD
    assert [placed.memory.weights for placed in answer.placement] == [22 * GIB, 10 * GIB]


def test_too_small_for_any_component_leaves_the_host_alone() -> None:
    answer = on("RTX 3060 12GB, 64GB")
    assert answer.verdict is Verdict.OFFLOAD
    assert [placed.device for placed in answer.placement] == ["host"]
    assert on("RTX 3060 12GB, 16GB").verdict is Verdict.TOO_LARGE


def test_another_engine_is_said_not_to_run_it() -> None:
    asked = Scenario(engine="vllm", mtp=True, kv_unified=True)
    answer = judge(PIPELINE, FLUX, parse_machine("RTX 6000 Ada, 64GB"), asked)
    assert (answer.scenario.engine, answer.scenario.mtp) == ("diffusers", False)
    assert "vllm does not run pipelines: judged as diffusers runs them." in answer.assumptions
    assert not [said for said in on("RTX 6000 Ada, 64GB").assumptions if "does not run" in said]


def test_it_gives_no_speed_and_no_context() -> None:
    answer = on("RTX 4090, 64GB")
    assert answer.speed.decode is None
    assert answer.max_context_tokens == 0
    assert any("picture" in sentence for sentence in answer.assumptions)
