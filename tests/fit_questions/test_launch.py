"""The commands, held against the engines' own option names and against the placement that was judged."""

import importlib.util
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from explorer.fit.launch import Command, Published, layer_counts, plan_launch
from explorer.fit.planner import judge
from explorer.fit.values import Answer, Scenario
from explorer.fit.weight_map import WeightMap
from explorer.hardware.spec import parse_machine
from explorer.units import GIB
from tests.fit_questions.shapes import SPARSE, architecture, dense, sparse

HUB = Published(
    id="org/Model-GGUF",
    revision=None,
    local=False,
    format="gguf",
    quantization="Q4_K_M",
    stored=True,
    label="Q4_K_M",
    first_file="Model-Q4_K_M.gguf",
    split=False,
    projector=False,
)
CHECKPOINT = replace(HUB, id="org/Model", format="safetensors", stored=False, label=None)


def answered(spec: str, scenario: Scenario, weights: WeightMap | None = None) -> Answer:
    weights = weights or dense("Q4_K_M", 5)
    return judge(architecture(), weights, parse_machine(spec), scenario)


def options(line: str) -> dict[str, str]:
    """Options and their values as a program's own parser would see them."""
    words = shlex.split(line)
    return {
        word: value if not value.startswith("-") else ""
        for word, value in zip(words, [*words[1:], ""], strict=True)
        if word.startswith("-")
    }


def server(published: Published, answer: Answer, weights: WeightMap | None = None) -> str:
    launch = plan_launch(published, architecture(), weights or dense("Q4_K_M", 5), answer)
    return next(one.line for one in launch.commands if one.program == "llama-server")


def test_the_server_gets_what_was_judged() -> None:
    scenario = Scenario(context_tokens=16384, sequences=2, kv_dtype="q8_0", batch_tokens=1024)
    line = server(HUB, answered("RTX 4090", scenario))
    assert line.startswith("llama-server -hf org/Model-GGUF:Q4_K_M ")
    assert options(line) == {
        "-hf": "org/Model-GGUF:Q4_K_M",
        "-c": "32768",  # of all slots together
        "-np": "2",
        "-fa": "on",
        "-ngl": "33",  # 32 blocks and the output head
        "-ctk": "q8_0",
        "-ctv": "q8_0",
        "-ub": "1024",
    }


def test_layers_on_the_host_and_experts_on_the_host() -> None:
    some = answered("RTX 3060 12GB, 64 GB", Scenario(gpu_layers=20))
    assert options(server(HUB, some))["-ngl"] == "21"
    weights = sparse("Q4_K_M", 40)
    model = architecture(SPARSE)
    answer = judge(model, weights, parse_machine("RTX 4090, 64 GB"), Scenario())
    launch = plan_launch(HUB, model, weights, answer)
    found = options(launch.commands[0].line)
    assert found["--n-cpu-moe"] == str(answer.host_expert_layers)
    assert found["-ngl"] == "33"
    assert "-ngl" not in options(server(HUB, answered("cpu 64GB", Scenario())))


@pytest.mark.parametrize("spec", ["2x RTX 4090", "RTX 4090 + RTX 3060 12GB", "4x RTX 3090"])
def test_the_split_gives_each_device_the_blocks_that_were_judged(spec: str) -> None:
    weights = dense("Q8_0", 28)
    answer = answered(spec, Scenario(), weights)
    counts = layer_counts(architecture(), weights, answer)
    # llama.cpp gives layer i of n to the first device whose cumulated share is above i / n
    total = sum(counts)
    assert total == 32 + 1
    taken = [0] * len(counts)
    for layer in range(total):
        shares = [sum(counts[: number + 1]) / total for number in range(len(counts))]
        taken[next(n for n, share in enumerate(shares) if share > layer / total)] += 1
    assert taken == list(counts)
    block = weights.blocks[0].dense_bytes
    used = [one for one in answer.placement if one.device != "host"]
    assert [one.memory.weights // block for one in used][:-1] == [n for n in counts if n][:-1]
    assert options(server(HUB, answer, weights))["-ts"] == ",".join(map(str, counts))


def test_what_sequences_share_and_what_is_drafted_is_told_to_the_server_alone() -> None:
    scenario = Scenario(
        context_tokens=16384, sequences=4, kv_unified=True, swa_full=True, kv_dtype="q8_0/q4_0"
    )
    line = server(HUB, answered("RTX 4090", scenario))
    found = options(line)
    assert (found["-c"], found["-np"]) == ("16384", "4")
    assert (found["-ctk"], found["-ctv"]) == ("q8_0", "q4_0")
    assert {"-kvu", "--swa-full"} <= found.keys()

    shape = replace(architecture(), mtp_layers=1)
    weights = replace(dense("Q4_K_M", 5), mtp_bytes=GIB // 4)
    answer = judge(shape, weights, parse_machine("RTX 4090"), Scenario(mtp=True))
    launch = plan_launch(HUB, shape, weights, answer)
    [command] = launch.commands  # neither llama-cli nor Ollama
    found = options(command.line)
    assert (found["--spec-type"], found["--spec-draft-n-max"]) == ("draft-mtp", "3")


def test_blocks_of_multi_token_prediction_count_as_layers_even_unused() -> None:
    """``n_layer_all + 1 - n_gpu_layers`` blocks stay on the host: 34 are 32, one that predicts, the head."""
    shape = replace(architecture(), mtp_layers=1)
    weights = replace(dense("Q8_0", 28), mtp_bytes=GIB // 4)
    answer = judge(shape, weights, parse_machine("2x RTX 4090"), Scenario())
    found = options(plan_launch(HUB, shape, weights, answer).commands[0].line)
    assert found["-ngl"] == "34"
    assert sum(map(int, found["-ts"].split(","))) == 34


def test_one_of_several_devices_is_named() -> None:
    answer = answered("RTX 3060 12GB + RTX 4090", Scenario())
    found = options(server(HUB, answer))
    assert (found["-sm"], found["-mg"]) == ("none", "1")


def test_a_quantization_that_is_not_published_is_made_first() -> None:
    launch = plan_launch(
        CHECKPOINT, architecture(), dense("Q4_K_M", 5), answered("RTX 4090", Scenario())
    )
    assert [one.line for one in launch.preparation] == [
        "python convert_hf_to_gguf.py Model --outtype bf16 --outfile Model-BF16.gguf",
        "llama-quantize Model-BF16.gguf Model-Q4_K_M.gguf Q4_K_M",
    ]
    assert launch.commands[0].line.startswith("llama-server -m Model-Q4_K_M.gguf ")
    rare = replace(CHECKPOINT, quantization="IQ2_XXS")
    launch = plan_launch(
        rare, architecture(), dense("IQ2_XXS", 3), answered("RTX 4090", Scenario())
    )
    assert "--imatrix" in launch.preparation[1].line
    assert any("importance matrix" in note for note in launch.notes)


def test_an_encoder_is_served_for_its_embeddings() -> None:
    shape = replace(architecture(), kind="encoder")
    launch = plan_launch(HUB, shape, dense("Q4_K_M", 5), answered("RTX 4090", Scenario()))
    assert [one.program for one in launch.commands] == ["llama-server"]
    assert "--embedding" in launch.commands[0].arguments


def test_no_command_is_made_up_for_an_unknown_shape() -> None:
    shape = replace(architecture(), layers=())
    launch = plan_launch(HUB, shape, dense("Q4_K_M", 5), answered("RTX 4090", Scenario()))
    assert not launch.commands
    assert launch.notes


def test_ollama_takes_single_files_of_a_hub() -> None:
    scenario = Scenario(context_tokens=16384, kv_dtype="q8_0")
    launch = plan_launch(HUB, architecture(), dense("Q4_K_M", 5), answered("RTX 4090", scenario))
    lines = [one.line for one in launch.commands if one.program == "ollama"]
    settings = "OLLAMA_CONTEXT_LENGTH=16384 OLLAMA_NUM_PARALLEL=1 OLLAMA_FLASH_ATTENTION=1"
    assert lines == [
        f"{settings} OLLAMA_KV_CACHE_TYPE=q8_0 ollama serve",
        "ollama run hf.co/org/Model-GGUF:Q4_K_M",
    ]
    for other in (replace(HUB, split=True), replace(HUB, local=True), CHECKPOINT):
        launch = plan_launch(
            other, architecture(), dense("Q4_K_M", 5), answered("RTX 4090", scenario)
        )
        assert not [one for one in launch.commands if one.program == "ollama"]


def test_vllm_gets_its_ranks_and_its_lengths() -> None:
    weights = dense("AWQ", 30)
    published = replace(CHECKPOINT, quantization="AWQ", stored=True, revision="v1.0")
    scenario = Scenario(engine="vllm", context_tokens=32768, kv_dtype="fp8")
    answer = answered("2x RTX 4090", scenario, weights)
    [command] = plan_launch(published, architecture(), weights, answer).commands
    found = options(command.line)
    assert command.line.startswith("vllm serve org/Model ")
    assert found["--tensor-parallel-size"] == "2"
    assert found["--max-model-len"] == "32768"
    assert found["--kv-cache-dtype"] == "fp8"
    assert found["--gpu-memory-utilization"] == "0.92"
    assert found["--revision"] == "v1.0"
    assert "--quantization" not in found
    drafting = replace(architecture(), mtp_layers=1)
    told = judge(drafting, weights, parse_machine("2x RTX 4090"), replace(scenario, mtp=True))
    [command] = plan_launch(published, drafting, weights, told).commands
    drafts = shlex.split(command.line)[shlex.split(command.line).index("--speculative-config") + 1]
    assert json.loads(drafts) == {"method": "mtp", "num_speculative_tokens": 1}
    online = replace(published, stored=False, quantization="FP8")
    [command] = plan_launch(online, architecture(), weights, answer).commands
    assert options(command.line)["--quantization"] == "fp8"
    unpublished = replace(published, stored=False)
    launch = plan_launch(unpublished, architecture(), weights, answer)
    assert not launch.commands
    assert launch.notes


def test_a_hostile_name_stays_one_word_of_the_shell() -> None:
    name = "x'; rm -rf ~; echo '"
    line = Command("llama-server", ("-m", name), (("A", name),)).line
    assert shlex.split(line) == [f"A={name}", "llama-server", "-m", name]
    local = replace(HUB, local=True, first_file=f"/models/{name}.gguf", id=f"/models/{name}.gguf")
    words = shlex.split(server(local, answered("RTX 4090", Scenario())))
    assert words[:3] == ["llama-server", "-m", f"/models/{name}.gguf"]


@pytest.mark.engine
@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
)
def test_llama_cpp_has_these_options() -> None:
    spec = importlib.util.find_spec("xllamacpp")
    assert spec is not None
    assert spec.origin is not None
    [library] = Path(spec.origin).parent.glob("*.so")
    strings = library.read_bytes()
    for option in (
        "-hf", "-hff", "-c", "-ngl", "--n-cpu-moe", "-ts", "-sm", "-mg", "-ctk", "-ctv", "-fa", "-np",
        "-ub", "-b", "--hf-file", "--no-mmproj", "--embedding", "-kvu", "--swa-full", "--spec-type",
        "--spec-draft-n-max", "draft-mtp",
    ):  # fmt: skip
        # the linker merges a string with the end of a longer one
        assert option.encode() + b"\0" in strings, option
