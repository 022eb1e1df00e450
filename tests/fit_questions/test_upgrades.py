"""What changes to a machine bring."""

from dataclasses import replace

from explorer.fit.most import find_most
from explorer.fit.planner import best, judge
from explorer.fit.upgrades import Upgrade, upgrades
from explorer.fit.values import Scenario, Verdict
from explorer.hardware.spec import parse_machine
from explorer.units import GIB
from tests.fit_questions.shapes import SPARSE, architecture, dense, sparse

OPTIONS = [dense("BF16", 16), dense("Q8_0", 8), dense("Q5_K_M", 6), dense("Q4_K_M", 5)]
ASKED = Scenario(context_tokens=8192)


def of(spec: str) -> dict[str, Upgrade]:
    return {
        one.change: one for one in upgrades(architecture(), OPTIONS, parse_machine(spec), ASKED)
    }


def test_a_machine_with_a_card_may_get_ram_a_second_or_a_larger_one() -> None:
    found = of("RTX 4060 Ti 8GB, 32 GB")
    assert list(found)[:4] == [
        "+32 GB RAM", "+64 GB RAM", "+128 GB RAM", "a second RTX 4060 Ti 8GB",
    ]  # fmt: skip
    second = found["a second RTX 4060 Ti 8GB"]
    assert [device.memory_bytes for device in second.machine.devices] == [8 * GIB] * 2
    assert second.machine.name == "2x RTX 4060 Ti 8GB"
    assert second.helps
    assert second.after.verdict is Verdict.FITS
    assert second.after.max_context_tokens > second.before.max_context_tokens
    larger = list(found.values())[4]
    assert larger.machine.devices[0].memory_bytes > 8 * GIB


def test_an_upgrade_is_judged_as_the_upgraded_machine_is() -> None:
    second = of("RTX 4060 Ti 8GB, 32 GB")["a second RTX 4060 Ti 8GB"]
    described = best(architecture(), OPTIONS, parse_machine("2x RTX 4060 Ti 8GB, 32 GB"), ASKED)
    assert second.after.scenario == described.scenario
    assert second.after.memory == described.memory
    assert second.after.max_context_tokens == described.max_context_tokens


def test_ram_helps_where_experts_are_in_it() -> None:
    machine = parse_machine("RTX 3060 12GB, 16 GB")
    options = [sparse("Q4_K_M", 40)]
    found = upgrades(architecture(SPARSE), options, machine, ASKED)
    assert found[0].before.verdict is Verdict.TOO_LARGE
    more = next(one for one in found if one.change == "+64 GB RAM")
    assert more.after.verdict is Verdict.OFFLOAD
    assert more.helps


def test_shared_memory_grows_with_the_device_alone() -> None:
    found = of("M4 Max 36GB")
    assert found
    assert all("instead of" in change for change in found)
    assert all(len(one.machine.devices) == 1 for one in found.values())
    sizes = [one.machine.host_memory_bytes for one in found.values()]
    assert sizes == sorted(sizes)
    assert sizes[0] > 36 * GIB


def test_a_processor_may_get_a_first_card() -> None:
    first = list(of("cpu 32GB").values())[-1]
    assert len(first.machine.devices) == 1
    assert first.after.speed.decode is not None
    assert first.before.speed.decode is not None
    assert first.after.speed.decode.expected > first.before.speed.decode.expected


def test_the_most_of_each_still_runs_and_one_more_does_not() -> None:
    machine, model = parse_machine("RTX 4090"), architecture()
    asked = Scenario(context_tokens=8192, quantization="Q4_K_M")
    weights = OPTIONS[3]
    answer = judge(model, weights, machine, asked)
    most = find_most(model, OPTIONS, machine, asked, answer)
    assert most.quantization == best(model, OPTIONS, machine, ASKED).scenario.quantization
    assert most.context_tokens == answer.max_context_tokens

    def runs(sequences: int = 1, context_tokens: int = 8192) -> bool:
        scenario = Scenario(context_tokens=context_tokens, sequences=sequences)
        return judge(model, weights, machine, scenario, explain=False).verdict is Verdict.FITS

    assert runs(sequences=most.sequences)
    assert not runs(sequences=most.sequences + 1)
    assert runs(context_tokens=most.context_tokens)


def test_nothing_is_the_most_of_what_does_not_run() -> None:
    machine, options = parse_machine("cpu 8GB"), [dense("BF16", 60)]
    answer = best(architecture(), options, machine, ASKED)
    most = find_most(architecture(), options, machine, ASKED, answer)
    assert (most.context_tokens, most.sequences, most.quantization) == (0, 0, None)


def test_a_pipeline_has_neither_context_nor_sequences() -> None:
    pipeline = replace(architecture(), kind="diffusion", layers=(), context_tokens=None)
    options = [replace(dense("BF16", 6), blocks=(), other_bytes=6 * GIB)]
    machine = parse_machine("RTX 4060 8GB, 32 GB")
    answer = best(pipeline, options, machine, Scenario())
    most = find_most(pipeline, options, machine, Scenario(), answer)
    assert (most.context_tokens, most.sequences) == (0, 0)
    found = upgrades(pipeline, options, machine, Scenario())
    assert {one.after.max_context_tokens for one in found} == {0}
    assert any(one.helps and one.after.verdict is Verdict.FITS for one in found)
