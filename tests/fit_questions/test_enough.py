"""What would be enough, held against trying every machine of the catalog."""

import pytest

from explorer.errors import UsageError
from explorer.fit.enough import COUNTS, Setup, find_enough, wanted_quantization
from explorer.fit.planner import judge
from explorer.fit.values import Scenario, Verdict
from explorer.hardware import catalog
from explorer.hardware.spec import parse_machine
from explorer.units import GIB
from tests.fit_questions.shapes import SPARSE, architecture, dense, sparse

ASKED = Scenario(context_tokens=16384)


def by_family(setups: tuple[Setup, ...]) -> dict[str, Setup]:
    return {setup.family: setup for setup in setups if setup.answer.verdict is Verdict.FITS}


def test_the_smallest_of_a_family_is_the_smallest_that_fits_when_all_are_tried() -> None:
    model, weights = architecture(), dense("Q4_K_M", 17)
    found = by_family(find_enough(model, [weights], ASKED).setups)
    families = {entry.family for entry in catalog.entries() if not entry.unified}
    for family in families:
        fitting = [
            (count * size, count)
            for entry in catalog.entries()
            if entry.family == family and not entry.unified
            for size in entry.memory_bytes
            for count in COUNTS[entry.tier]
            if _fits(f"{count}x {entry.name} {size / GIB:g}GB")
        ]
        if fitting:
            assert (found[family].memory_bytes, found[family].count) == min(fitting), family
        else:
            assert family not in found


def _fits(spec: str) -> bool:
    try:
        machine = parse_machine(spec)
    except UsageError:  # a name shared by several parts: those are tried under their own names
        return False
    answer = judge(architecture(), dense("Q4_K_M", 17), machine, ASKED, explain=False)
    return answer.verdict is Verdict.FITS


def test_setups_come_by_memory_and_then_by_count() -> None:
    setups = find_enough(architecture(), [dense("Q4_K_M", 17)], ASKED).setups
    keys = [(setup.memory_bytes, setup.count) for setup in setups]
    assert keys == sorted(keys)
    assert len(keys) > 10
    assert len({(setup.family, setup.answer.verdict) for setup in setups}) == len(setups)


def test_of_equals_what_people_can_buy_comes_first_and_then_the_fastest() -> None:
    setups = find_enough(architecture(), [dense("Q4_K_M", 17)], ASKED).setups
    equals = [one for one in setups if (one.memory_bytes, one.count) == (24 * GIB, 1)]
    tiers = [one.tier for one in equals]
    assert tiers[0] == "consumer"
    assert tiers == sorted(tiers, key=["consumer", "workstation", "datacenter"].index)
    speeds = [
        one.machine.devices[0].bandwidth_bytes_per_second
        for one in equals
        if one.tier == "consumer"
    ]
    assert len(speeds) > 2
    assert speeds == sorted(speeds, key=lambda speed: -(speed or 0))


def test_the_machine_in_use_is_known_among_them() -> None:
    setups = find_enough(architecture(), [dense("Q4_K_M", 17)], ASKED).setups
    for name, known in [("RTX 3090", True), ("RTX 3090 Ti", True), ("2x RTX 3090", False)]:
        mine = [one for one in setups if one.is_like(parse_machine(name))]
        assert [one.family for one in mine] == ["GeForce RTX 30"] * known, name
    assert not any(one.is_like(parse_machine("cpu 32GB")) for one in setups)


def test_a_speed_that_is_wanted_is_met_and_unmeasured_families_are_named() -> None:
    model, weights = architecture(), [dense("Q4_K_M", 5)]
    found = find_enough(model, weights, ASKED, min_tokens_per_second=60)
    speeds = [setup.answer.speed.decode for setup in found.setups]
    assert speeds
    assert all(speed is not None and speed.expected >= 60 for speed in speeds)
    everything = {setup.family for setup in find_enough(model, weights, ASKED).setups}
    assert set(found.without_speed) <= everything
    assert "Desktop processor" in everything - {setup.family for setup in found.setups}


def test_a_mixture_of_experts_may_keep_them_in_ram_beside_one_card() -> None:
    setups = find_enough(architecture(SPARSE), [sparse("Q4_K_M", 60)], ASKED).setups
    beside = [setup for setup in setups if setup.answer.verdict is Verdict.OFFLOAD]
    assert beside
    for setup in beside:
        assert setup.count == 1
        assert setup.answer.host_expert_layers > 0
        assert setup.memory_bytes >= 60 * GIB
    assert not any(
        setup.answer.verdict is Verdict.OFFLOAD
        for setup in find_enough(architecture(), [dense("Q4_K_M", 60)], ASKED).setups
    )


def test_the_usual_quantization_is_looked_for_unless_another_is_named() -> None:
    options = [dense("BF16", 16), dense("Q5_K_M", 6), dense("Q4_K_M", 5), dense("Q2_K", 3)]
    assert wanted_quantization(options, None).quantization == "Q4_K_M"
    assert wanted_quantization(options, "q2_k").quantization == "Q2_K"
    assert wanted_quantization([options[0], options[3]], None).quantization == "BF16"
    with pytest.raises(UsageError, match="Q9"):
        wanted_quantization(options, "Q9")


def test_vllm_is_looked_for_on_devices_that_it_runs_on() -> None:
    asked = Scenario(engine="vllm", context_tokens=8192)
    setups = find_enough(architecture(), [dense("AWQ", 5)], asked).setups
    kinds = {device.kind for setup in setups for device in setup.machine.devices}
    assert kinds <= {"cuda", "rocm", "xpu"}
    assert all(setup.machine.devices for setup in setups)
    families = {setup.family for setup in setups}
    assert "GeForce RTX 40" in families
    assert "GeForce GTX 10" not in families  # compute capability 6.1
