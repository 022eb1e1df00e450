"""The commands that run a model as it was judged.

Option spellings: llama.cpp ``common/arg.cpp`` (build b11549; ``-fa`` takes a value since 2025),
``convert_hf_to_gguf.py`` and ``llama-quantize``; Ollama ``envconfig/config.go``; vLLM 0.33.0
``engine/arg_utils.py``; mlx-lm 0.32.2 ``server.py`` and ``convert.py``.
"""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.llama_cpp.demand import aligned
from explorer.fit.llama_cpp.engine import settings_of
from explorer.fit.values import Answer, Scenario
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Device

if TYPE_CHECKING:
    from explorer.fit.vllm.settings import Settings as VllmSettings

_OLLAMA_KV = frozenset({"f16", "q8_0", "q4_0"})
_NEED_MATRIX = ("IQ1", "IQ2", "IQ3_XXS", "Q2_K_S")
"""Types that llama-quantize refuses, or that are poor, without an importance matrix."""
_CONVERTED_ALONE = frozenset({"BF16", "MXFP4"})
"""What the converter writes as it is published: 16 bits, and gpt-oss's experts beside them."""
_MADE_BY_VLLM = {"FP8": "fp8", "NF4": "bitsandbytes"}
"""What vLLM makes of a 16-bit checkpoint as it loads it (docs/features/quantization)."""
_DEFAULT_STEP = 512
_DEFAULT_BATCH = 2048


@dataclass(frozen=True, slots=True)
class Published:
    """The files that hold the quantization which was judged, or those it would be made of."""

    id: str
    """``org/name``, or the path of a local model."""
    revision: str | None
    """Branch, tag or commit that was asked for; None for the default."""
    local: bool
    format: str
    """``gguf``, ``safetensors`` or ``torch``."""
    quantization: str
    stored: bool
    """The files hold this quantization already."""
    label: str | None
    """The tag that names one GGUF file of the repository: ``Q4_K_M``; None if no tag does."""
    first_file: str
    """Path of the first weight file; of a local model its place on the disk."""
    split: bool
    """The GGUF is in several files."""
    projector: bool
    """The repository has a vision projector beside it, which is not in the figures."""


@dataclass(frozen=True, slots=True)
class Command:
    """One line for a shell."""

    program: str
    """``llama-server``, ``vllm``..."""
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    purpose: str = ""
    """A few words: ``serve``, ``chat``, ``convert``."""

    @property
    def line(self) -> str:
        """Quoted for a POSIX shell."""
        before = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.environment)
        words = shlex.join((self.program, *self.arguments))
        return f"{before} {words}" if before else words


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run what was judged: any of the commands, after those that prepare it."""

    preparation: tuple[Command, ...]
    """In order: conversion and quantization, where the quantization is not published."""
    commands: tuple[Command, ...]
    notes: tuple[str, ...] = ()


def plan_launch(
    published: Published, architecture: Architecture, weights: WeightMap, answer: Answer
) -> Launch:
    """The commands for an answer's engine, context, KV type, offload and devices.

    ``weights`` is the quantization of the answer. A model that its engine would have to convert first
    comes with those commands too.
    """
    engine = answer.scenario.engine
    if not architecture.layers and engine != "diffusers":
        return Launch((), (), ("No file tells the model's shape: no command was made up for it.",))
    if engine == "llama.cpp":
        return _llama_cpp(published, architecture, weights, answer)
    if engine == "vllm":
        return _vllm(published, architecture, weights, answer)
    if engine == "mlx":
        return _mlx(published, answer)
    return Launch((), (), (f"{engine} is a library: there is no command that serves with it.",))


def _llama_cpp(
    published: Published, architecture: Architecture, weights: WeightMap, answer: Answer
) -> Launch:
    own = _model_name(published)
    preparation: tuple[Command, ...] = ()
    notes: list[str] = []
    if published.format == "gguf" and published.stored:
        where = _gguf(published)
    else:
        preparation = _conversion(published)
        where = ("-m", f"{own}-{published.quantization}.gguf")
        notes.append("It is not published here: the commands make it, with llama.cpp's own tools.")
        if published.quantization.startswith(_NEED_MATRIX):
            notes.append("It needs an importance matrix of the model: see llama-imatrix.")
    if published.projector and not published.local:
        notes.append("--no-mmproj leaves out the vision projector, which is not in the figures.")
        where = (*where, "--no-mmproj")
    options = _llama_options(architecture, weights, answer)
    encoder = architecture.kind == "encoder"
    own_options = (*_server_options(answer.scenario), *(("--embedding",) if encoder else ()))
    commands = [Command("llama-server", (*where, *options, *own_options), purpose="serve")]
    if answer.scenario.sequences == 1 and not encoder and not answer.scenario.mtp:
        commands.append(Command("llama-cli", (*where, *options), purpose="chat"))
    if published.revision and published.format == "gguf" and not published.local:
        notes.append("llama.cpp and Ollama take the main branch, whatever revision was asked for.")
    ollama = () if encoder else _ollama(published, answer)
    return Launch(preparation, (*commands, *ollama), tuple(notes))


def _gguf(published: Published) -> tuple[str, ...]:
    if published.local:
        return ("-m", published.first_file)
    if published.label:
        return ("-hf", f"{published.id}:{published.label}")
    return ("-hf", published.id, "--hf-file", published.first_file)


def _conversion(published: Published) -> tuple[Command, ...]:
    """What makes the GGUF: of a checkpoint its converter first, of a GGUF in 16 bits the quantizer alone."""
    own = _model_name(published)
    if published.format == "gguf":
        there = published.first_file if published.local else f"{own}/{published.first_file}"
        return (_quantize(published, there),)
    folder = published.id if published.local else own
    kept = published.quantization in _CONVERTED_ALONE
    whole = f"{own}-{published.quantization if kept else 'BF16'}.gguf"
    convert = Command(
        "python",
        ("convert_hf_to_gguf.py", folder, "--outtype", "bf16", "--outfile", whole),
        purpose="convert",
    )
    return (convert,) if kept else (convert, _quantize(published, whole))


def _quantize(published: Published, whole: str) -> Command:
    matrix = ("--imatrix", "imatrix.gguf")
    needed = matrix if published.quantization.startswith(_NEED_MATRIX) else ()
    made = f"{_model_name(published)}-{published.quantization}.gguf"
    return Command(
        "llama-quantize", (*needed, whole, made, published.quantization), purpose="quantize"
    )


def _model_name(published: Published) -> str:
    """A name for files made here: the last part of the id."""
    return published.id.rstrip("/").replace("\\", "/").rpartition("/")[2] or "model"


def _llama_options(
    architecture: Architecture, weights: WeightMap, answer: Answer
) -> tuple[str, ...]:
    """Context, offload, devices, KV types and step, as the memory was counted for them."""
    scenario = answer.scenario
    settings = settings_of(scenario)
    options = ["-c", str(settings.n_ctx), "-fa", "on" if scenario.flash_attention else "off"]
    if answer.machine.devices:
        # the output head counts as one more layer and goes to a device with the last block; blocks of
        # multi-token prediction count too, whether they are used or not (n_layer_all in llama-model.cpp)
        behind = 1 + architecture.mtp_layers
        options += ["-ngl", str(answer.gpu_layers + behind if answer.gpu_layers else 0)]
        if answer.host_expert_layers:
            options += ["--n-cpu-moe", str(answer.host_expert_layers)]
        options += _devices(architecture, weights, answer)
    if (settings.type_k, settings.type_v) != ("f16", "f16"):
        options += ["-ctk", settings.type_k, "-ctv", settings.type_v]
    if scenario.swa_full:
        options.append("--swa-full")
    step = scenario.batch_tokens or _DEFAULT_STEP
    if step != _DEFAULT_STEP:
        options += ["-ub", str(step)]
    if step > _DEFAULT_BATCH:
        options += ["-b", str(step)]
    return tuple(options)


def _server_options(scenario: Scenario) -> tuple[str, ...]:
    """Slots, how they share the cache, and drafts: what llama-server alone is told."""
    options = ["-np", str(scenario.sequences)]
    if scenario.kv_unified and scenario.sequences > 1:
        options.append("-kvu")
    if scenario.mtp:
        options += ["--spec-type", "draft-mtp", "--spec-draft-n-max", str(scenario.draft_tokens)]
    return tuple(options)


def _devices(architecture: Architecture, weights: WeightMap, answer: Answer) -> list[str]:
    """Which of several devices, or how many layers each takes."""
    known = [device for device in answer.machine.devices if device.kind != "cpu"]
    if len(known) < 2 or not answer.gpu_layers:
        return []
    placed = [one for one in answer.placement if one.device != "host"]
    if len(placed) == 1:
        return [
            "-sm",
            "none",
            "-mg",
            str(_index(known, placed[0].device, placed[0].capacity_bytes)),
        ]
    counts = layer_counts(architecture, weights, answer)
    return ["-ts", ",".join(map(str, counts))] if counts else []


def _index(devices: list[Device], name: str, capacity: int) -> int:
    return next(
        (
            number
            for number, device in enumerate(devices)
            if device.name == name and device.available_bytes == capacity
        ),
        0,
    )


def layer_counts(architecture: Architecture, weights: WeightMap, answer: Answer) -> tuple[int, ...]:
    """Layers each device of the machine takes in an answer of llama.cpp.

    The output head and blocks of multi-token prediction count with the last device.

    Read back from the bytes of weights that the placement gives each; zero for a device that was left
    out. Empty if they do not add up to whole blocks.
    """
    placed = [one for one in answer.placement if one.device != "host"]
    blocks = aligned(weights.blocks, len(architecture.layers))
    first = len(blocks) - answer.gpu_layers
    sizes = [
        block.dense_bytes + (block.expert_bytes if index >= answer.host_expert_layers else 0)
        for index, block in enumerate(blocks)
    ][first:]
    ends = {total: index for index, total in enumerate(accumulate(sizes, initial=0))}
    counts: list[int] = []
    taken = 0
    for total in accumulate(one.memory.weights for one in placed[:-1]):
        if total not in ends:
            return ()
        counts.append(ends[total] - taken)
        taken = ends[total]
    counts.append(len(sizes) - taken + 1 + architecture.mtp_layers)
    return _by_device(answer, counts)


def _by_device(answer: Answer, counts: list[int]) -> tuple[int, ...]:
    """Counts of the devices in use laid out over all of the machine's, in order."""
    placed = [one.device for one in answer.placement if one.device != "host"]
    laid: list[int] = []
    for device in answer.machine.devices:
        if device.kind == "cpu":
            continue
        takes = bool(placed) and placed[0] == device.name
        laid.append(counts[len(counts) - len(placed)] if takes else 0)
        placed = placed[1:] if takes else placed
    return tuple(laid)


def _ollama(published: Published, answer: Answer) -> Iterator[Command]:
    """Ollama takes single GGUF files of a hub by tag, and settings from its server's environment."""
    scenario = answer.scenario
    kv_dtype = scenario.kv_dtype or "f16"
    usable = published.format == "gguf" and not published.local and not published.split
    if not usable or not published.label or kv_dtype not in _OLLAMA_KV:
        return
    if scenario.mtp or scenario.swa_full or scenario.kv_unified:
        return  # it has no such settings
    environment = [
        ("OLLAMA_CONTEXT_LENGTH", str(scenario.context_tokens or 0)),
        ("OLLAMA_NUM_PARALLEL", str(scenario.sequences)),
        ("OLLAMA_FLASH_ATTENTION", "1" if scenario.flash_attention else "0"),
    ]
    if kv_dtype != "f16":
        environment.append(("OLLAMA_KV_CACHE_TYPE", kv_dtype))
    yield Command("ollama", ("serve",), tuple(environment), "serve")
    yield Command("ollama", ("run", f"hf.co/{published.id}:{published.label}"), purpose="chat")


def _vllm(
    published: Published, architecture: Architecture, weights: WeightMap, answer: Answer
) -> Launch:
    if published.format == "gguf":
        return Launch((), (), ("vLLM is not asked to run GGUF files: their sizes there differ.",))
    if not published.stored and published.quantization not in _MADE_BY_VLLM:
        note = (
            f"{published.quantization} is a plan of this model: serve a repository that has it, or make "
            "it with llm-compressor."
        )
        return Launch((), (), (note,))
    scenario = answer.scenario
    options = ["serve", published.id, "--max-model-len", str(scenario.context_tokens or 0)]
    if published.revision and not published.local:
        options += ["--revision", published.revision]
    from explorer.fit.vllm.engine import deploy  # only what vLLM runs needs it

    try:
        settings = deploy(architecture, weights, answer.machine, scenario).settings
    except UsageError as error:
        return Launch((), (), (str(error),))
    options += _vllm_ranks(settings)
    options += ["--gpu-memory-utilization", f"{scenario.memory_utilization or 0.92:g}"]
    if scenario.kv_dtype not in (None, "auto"):
        options += ["--kv-cache-dtype", str(scenario.kv_dtype)]
    if not published.stored:
        options += ["--quantization", _MADE_BY_VLLM[published.quantization]]
    options += ["--max-num-seqs", str(settings.max_sequences)]
    options += _vllm_drafts(settings)
    if scenario.batch_tokens:
        options += ["--max-num-batched-tokens", str(scenario.batch_tokens)]
    return Launch((), (Command("vllm", tuple(options), purpose="serve"),))


def _vllm_ranks(settings: "VllmSettings") -> list[str]:
    sizes = (
        ("--tensor-parallel-size", settings.tensor_parallel),
        ("--pipeline-parallel-size", settings.pipeline_parallel),
    )
    return [word for name, size in sizes if size > 1 for word in (name, str(size))]


def _vllm_drafts(settings: "VllmSettings") -> list[str]:
    if not settings.draft_tokens:
        return []
    drafts = {"method": "mtp", "num_speculative_tokens": settings.draft_tokens}
    return ["--speculative-config", json.dumps(drafts)]


def _mlx(published: Published, answer: Answer) -> Launch:
    preparation: tuple[Command, ...] = ()
    model, notes = published.id, []
    bits = "".join(filter(str.isdigit, published.quantization))
    if not published.stored and bits:
        model = f"{_model_name(published)}-{bits}bit"
        made = ("--hf-path", published.id, "--mlx-path", model, "-q", "--q-bits", bits)
        preparation = (Command("mlx_lm.convert", made, purpose="convert"),)
    notes.append("mlx_lm.server has no limit on the context: the cache grows with it.")
    options = ["--model", model, "--decode-concurrency", str(answer.scenario.sequences)]
    if answer.scenario.batch_tokens:
        options += ["--prefill-step-size", str(answer.scenario.batch_tokens)]
    kv_bits = {"q8": "8", "q8_0": "8", "q4": "4", "q4_0": "4"}.get(answer.scenario.kv_dtype or "")
    if kv_bits:
        options += ["--kv-bits", kv_bits]
    return Launch(
        preparation, (Command("mlx_lm.server", tuple(options), purpose="serve"),), tuple(notes)
    )
