"""Speed estimates against measured runs, against hand computation, and their honesty about their basis."""

import json
import statistics
import tomllib
from pathlib import Path

import pytest

from explorer.fit import speed
from explorer.fit.planner import judge
from explorer.fit.quantize import plan
from explorer.fit.speed import DeviceRead, decode, device_class, estimate, prefill
from explorer.fit.values import Range, Scenario, Speed
from explorer.hardware.machine import Device, Machine
from explorer.hardware.spec import parse_machine
from tests.benchmarks.fit_speed import TARGET, Row, offloaded, rows, shallow
from tests.fit_quantize.checkpoints import checkpoint

GB = 10**9
FITTED = tomllib.loads(TARGET.read_text(encoding="utf-8"))
FITS = {row["class"]: row for row in FITTED["decode"]}


def read_of(row: Row) -> list[DeviceRead]:
    """A measured run as the estimate is asked about it: split runs share the work equally."""
    part = 1 / row.devices
    return [
        DeviceRead(
            row.device_class,
            row.bandwidth,
            row.weight_bytes * part,
            (row.kv_bytes or 0) * part,
            row.layers * part,
            row.expert_layers * part,
        )
    ] * row.devices


def expected(found: Range | None) -> float:
    assert found is not None
    return found.expected


@pytest.mark.parametrize(
    ("name", "median"),
    [
        ("nvidia-gddr", 0.06),
        ("nvidia-hbm", 0.08),
        ("nvidia-gb10", 0.09),
        ("apple", 0.10),
        ("apple-m1", 0.17),
        ("amd-apu", 0.08),
        ("amd-rdna", 0.08),
        ("intel-arc", 0.12),
        ("mlx", 0.06),
    ],
)
def test_measured_runs_are_predicted_and_lie_in_the_range(name: str, median: float) -> None:
    mine = [row for row in rows() if row.device_class == name and shallow(row)]
    answers = [decode(read_of(row)) for row in mine]
    errors = [
        abs(expected(answer) / row.decode - 1) for row, answer in zip(mine, answers, strict=True)
    ]
    assert statistics.median(errors) < median
    inside = [
        answer is not None and answer.low <= row.decode <= answer.high
        for row, answer in zip(mine, answers, strict=True)
    ]
    assert sum(inside) >= 0.7 * len(inside)


def test_runs_partly_on_the_host_are_predicted() -> None:
    errors = []
    for run in offloaded():
        found = decode([*read_of(run.device), *read_of(run.host)])
        assert found is not None
        assert found.low < run.decode < 1.1 * found.high
        errors.append(abs(found.expected / run.decode - 1))
    assert statistics.median(errors) < 0.35


def test_deep_caches_slow_decoding_as_measured_on_gb10() -> None:
    deep = [row for row in rows() if row.device_class == "nvidia-gb10" and row.depth == 32768]
    for row in deep:
        if row.kv_bytes and not row.expert_layers:
            assert expected(decode(read_of(row))) == pytest.approx(row.decode, rel=0.15)


def test_decode_is_the_sum_of_the_formula_by_hand() -> None:
    fit = FITS["nvidia-gddr"]
    read = DeviceRead("nvidia-gddr", 800 * GB, 4 * GB, 0, 32)
    seconds = 4 / (fit["efficiency"] * 800) + 32 * fit["layer_us"] / 1e6
    found = decode([read])
    assert found is not None
    assert found.expected == pytest.approx(1 / seconds)
    assert found.low == pytest.approx(fit["low"] / seconds)
    assert found.high == pytest.approx(fit["high"] / seconds)


def test_wider_cards_are_quicker_a_layer_but_wider_chips_of_apple_are_not() -> None:
    def layers(name: str, bandwidth: int) -> float:
        return 1 / expected(decode([DeviceRead(name, bandwidth, GB, 0, 400)])) - 1 / expected(
            decode([DeviceRead(name, bandwidth, GB)])
        )

    assert layers("apple", 200 * GB) == pytest.approx(layers("apple", 800 * GB))
    assert layers("nvidia-gddr", 200 * GB) == pytest.approx(2 * layers("nvidia-gddr", 800 * GB))


def test_no_figure_is_faster_than_every_measured_run() -> None:
    fastest = max(row.decode for row in rows())
    tiny = decode([DeviceRead("nvidia-gddr", 1800 * GB, GB // 20, 0, 6)])
    assert tiny is not None
    assert tiny.expected == pytest.approx(fastest)
    assert tiny.low < fastest < tiny.high
    small = answered("openai-community/gpt2", parse_machine("RTX 4090"))
    assert expected(small.decode) == pytest.approx(fastest)


def test_devices_work_one_after_another() -> None:
    fast = DeviceRead("nvidia-hbm", 2000 * GB, 10 * GB)
    slow = DeviceRead("cpu", 80 * GB, 10 * GB)
    both = expected(decode([fast, slow]))
    assert 1 / both == pytest.approx(1 / expected(decode([fast])) + 1 / expected(decode([slow])))


def test_no_figure_without_a_basis() -> None:
    assert decode([DeviceRead("ascend", 1600 * GB, 5 * GB)]) is None
    assert decode([DeviceRead("cpu", 0, 5 * GB)]) is None
    assert decode([]) is None
    unknown = Device("Quantum 9", "cuda", 24 * 2**30, 24 * 2**30, memory_kind="ddr")
    assert device_class(unknown) is None
    assert prefill(unknown, 8e9) is None
    assert device_class(parse_machine("MI300X").devices[0]) is None


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("RTX 4090", "nvidia-gddr"),
        ("H100 SXM", "nvidia-hbm"),
        ("DGX Spark", "nvidia-gb10"),
        ("GTX 1080 Ti", "nvidia-pascal"),
        ("M4 Max 64GB", "apple"),
        ("M1 Ultra 128GB", "apple-m1"),
        ("Strix Halo 128GB", "amd-apu"),
        ("RX 7900 XTX", "amd-rdna"),
        ("Arc B580", "intel-arc"),
    ],
)
def test_devices_have_the_class_whose_runs_speak_for_them(machine: str, name: str) -> None:
    assert device_class(parse_machine(machine).devices[0]) == name


def answered(model: str, machine: Machine, scenario: Scenario | None = None) -> Speed:
    tensors, architecture = checkpoint(model)
    weights = plan(tensors, architecture, "Q4_K_M")
    answer = judge(architecture, weights, machine, scenario or Scenario(), explain=False)
    return estimate(
        architecture,
        weights,
        machine,
        answer.placement,
        gpu_layers=answer.gpu_layers,
        host_expert_layers=answer.host_expert_layers,
        depth=0.1,
    )


def test_a_mixture_of_experts_is_fast_but_not_fantasy() -> None:
    # published runs of Qwen3-30B-A3B on this card say 150 to 196; another tool says 472
    found = answered("Qwen/Qwen3-30B-A3B", parse_machine("RTX 4090"))
    assert 150 < expected(found.decode) < 200
    assert found.decode is not None
    assert found.decode.high < 250
    assert "1.9 GB of weights" in found.basis
    assert "1,008 GB/s" in found.basis
    assert "with experts" in found.basis


def test_layers_on_the_host_cost_what_its_memory_allows() -> None:
    whole = answered("meta-llama/Llama-3.3-70B-Instruct", parse_machine("A100 80GB"))
    offloaded = answered("meta-llama/Llama-3.3-70B-Instruct", parse_machine("RTX 4090, 64GB"))
    assert expected(whole.decode) > 15
    assert 1 < expected(offloaded.decode) < 6
    assert "processor" in offloaded.basis
    assert offloaded.prefill is None  # what the host's share costs there was not measured


def test_experts_on_the_host_are_counted_there() -> None:
    found = answered("Qwen/Qwen3-30B-A3B", parse_machine("RTX 4060, 64GB"))
    whole = answered("Qwen/Qwen3-30B-A3B", parse_machine("RTX 3090, 64GB"))
    assert "processor" in found.basis
    # published runs on cards of 8 GB with --n-cpu-moe say 30 to 40
    assert 20 < expected(found.decode) < 45 < expected(whole.decode)


def test_unknown_bandwidth_is_said() -> None:
    machine = Machine(
        "a machine",
        (Device("RTX 9999", "cuda", 24 * 2**30, 24 * 2**30, memory_kind="gddr"),),
        64 * 2**30,
        60 * 2**30,
    )
    found = answered("Qwen/Qwen3-8B", machine)
    assert found.decode is None
    assert "RTX 9999" in found.basis


def test_prefill_is_a_share_of_the_peak() -> None:
    card = parse_machine("RTX 4090").devices[0]
    found = prefill(card, 8.03e9)
    assert found is not None
    assert card.fp16_flops is not None
    assert found.low < found.expected < found.high < 1.5 * card.fp16_flops / (2 * 8.03e9)
    # llama.cpp in May 2024, two of them: 8545 tokens a second
    assert found.low < 8545 < 1.2 * found.high


def test_every_coefficient_is_possible() -> None:
    for name, fit in FITS.items():
        assert 0 < fit["efficiency"] <= 0.95, name
        assert 0 <= fit["layer_us"] < 1000, name
        assert 0 < fit["low"] <= 1 <= fit["high"], name
        assert fit["rows"] >= fit["machines"] >= 1, name
        assert 0 <= fit["scaling"] <= 0.5, name


def test_the_runs_name_their_sources() -> None:
    lines = (Path(__file__).parent / "data" / "speed.jsonl").read_text(encoding="utf-8")
    assert all(json.loads(line)["source"] for line in lines.splitlines())
    assert speed.HOST in FITS
