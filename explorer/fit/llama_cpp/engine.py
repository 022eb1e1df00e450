"""llama.cpp as the planner sees it: defaults, plans and reasons."""

from dataclasses import replace

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.llama_cpp import VERSION
from explorer.fit.llama_cpp.builds import OFF
from explorer.fit.llama_cpp.demand import Demand, demand, windowed
from explorer.fit.llama_cpp.placement import FIT_MARGIN, place
from explorer.fit.llama_cpp.reasons import explain
from explorer.fit.llama_cpp.settings import BLOCK_BYTES, MOST_SEQUENCES, Settings
from explorer.fit.speed import estimate
from explorer.fit.supposed import is_parallel, on_context, on_drafts, with_drafts
from explorer.fit.values import Plan, Reason, Scenario, Speed
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine

DEFAULT_CONTEXT = 8192
MICRO_BATCH = 512
DRAFT_TOKENS = 3
"""``--spec-draft-n-max``, as build b11549 has it."""
_SAME_TYPE = {"fp16": "f16", "fp32": "f32", "auto": "f16", "float16": "f16", "bfloat16": "bf16"}


class LlamaCpp:
    """llama-server with as many slots as the scenario has sequences, each of the context asked for."""

    def resolve(
        self, architecture: Architecture, scenario: Scenario
    ) -> tuple[Scenario, tuple[str, ...]]:
        """Defaults filled in, and what had to be supposed. Raises UsageError for impossible settings."""
        if scenario.sequences > MOST_SEQUENCES:
            raise UsageError(
                f"llama.cpp has no more than {MOST_SEQUENCES} sequences at once",
                hint="ask for fewer, or for another engine",
            )
        limit = architecture.context_tokens
        context = scenario.context_tokens or min(DEFAULT_CONTEXT, limit or DEFAULT_CONTEXT)
        resolved = replace(
            with_drafts(architecture, scenario, DRAFT_TOKENS),
            context_tokens=context,
            sequences=max(scenario.sequences, 1),
            kv_dtype=_kv_dtype(scenario.kv_dtype or "f16"),
            kv_unified=bool(scenario.kv_unified),
            batch_tokens=scenario.batch_tokens or _micro_batch(architecture, context),
            reserve_bytes=FIT_MARGIN if scenario.reserve_bytes is None else scenario.reserve_bytes,
        )
        return resolved, _assumptions(architecture, scenario, resolved)

    def plan(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, scenario: Scenario
    ) -> Plan:
        """The best placement of a resolved scenario."""
        needs = self.needs(architecture, weights, machine, scenario)
        return place(needs, machine, scenario.reserve_bytes or 0, scenario.gpu_layers)

    def needs(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, scenario: Scenario
    ) -> Demand:
        """What the model needs, before it is placed."""
        cuda = any(device.kind in {"cuda", "rocm"} for device in machine.devices)
        return demand(architecture, weights, settings_of(scenario), cuda=cuda)

    def reasons(
        self, architecture: Architecture, weights: WeightMap, plan: Plan, scenario: Scenario
    ) -> tuple[Reason, ...]:
        """Why each part of the plan is as large as it is."""
        return explain(architecture, weights, plan, settings_of(scenario))

    def speed(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, plan: Plan
    ) -> Speed:
        """From the public runs of llama.cpp, with the cache full."""
        return estimate(
            architecture,
            weights,
            machine,
            plan.placement,
            gpu_layers=plan.gpu_layers,
            host_expert_layers=plan.host_expert_layers,
        )


def settings_of(scenario: Scenario) -> Settings:
    """llama.cpp's own parameters for a resolved scenario."""
    type_k, type_v = cache_types(scenario.kv_dtype or "f16")
    quantized = BLOCK_BYTES[type_v][0] > 1
    context = scenario.context_tokens or DEFAULT_CONTEXT
    drafts = (scenario.draft_tokens or DRAFT_TOKENS) if scenario.mtp else 0
    return Settings(
        n_ctx=context if scenario.kv_unified else context * scenario.sequences,
        sequences=scenario.sequences,
        n_ubatch=scenario.batch_tokens or MICRO_BATCH,
        flash_attention=scenario.flash_attention,
        type_k=type_k,
        type_v="f16" if quantized and not scenario.flash_attention else type_v,
        unified=bool(scenario.kv_unified),
        n_outputs=scenario.sequences * (1 + drafts),
        swa_full=scenario.swa_full,
        drafts=drafts,
    )


def _micro_batch(architecture: Architecture, context_tokens: int) -> int:
    """``n_ubatch``; of an encoder as long as its longest input, which llama-server would refuse otherwise.

    Source: “input is too large to process. increase the physical batch size” in ``server-context.cpp``.
    """
    if architecture.kind != "encoder":
        return MICRO_BATCH
    return max(MICRO_BATCH, context_tokens)


def cache_types(kv_dtype: str) -> tuple[str, str]:
    """The types of keys and of values: ``q8_0`` for both, ``q8_0/q4_0`` apart."""
    keys, _, values = kv_dtype.partition("/")
    return keys, values or keys


def _kv_dtype(asked: str) -> str:
    """The types under llama.cpp's own names. Raises UsageError for one it does not have."""
    types = [_SAME_TYPE.get(name, name) for name in cache_types(asked.lower())]
    if any(name not in BLOCK_BYTES for name in types):
        raise UsageError(
            f"llama.cpp has no KV cache of type “{asked}”",
            hint=f"choose one of {', '.join(BLOCK_BYTES)}, or two for keys and values: q8_0/q4_0",
        )
    return types[0] if types[0] == types[1] else "/".join(types)


def _assumptions(
    architecture: Architecture, asked: Scenario, scenario: Scenario
) -> tuple[str, ...]:
    said = [
        f"Compute buffers are those of llama.cpp {VERSION}: other builds differ by 3 %, at worst 26 %."
    ]
    if off := OFF.get(architecture.model_type.lower()):
        said.append(
            f"The compute buffer may be {off} % off on one device, and more on several: not all of "
            "llama.cpp's graph of this architecture is followed."
        )
    said += on_context(
        architecture,
        scenario,
        "it was not trained to read that much"
        if architecture.kind == "encoder"
        else "llama-server sets memory aside for it, warns, and answers within the model's own",
    )
    if architecture.kind == "encoder" and (scenario.batch_tokens or 0) > MICRO_BATCH:
        said.append(
            f"llama-server reads an input in one micro-batch: -ub {scenario.batch_tokens} for inputs "
            "of the whole context."
        )
    said += [*_on_sequences(scenario), *on_drafts(asked, scenario, _DRAFTS)]
    if is_parallel(scenario):
        said.append(
            "llama.cpp splits layers over devices: tensor and pipeline parallel were not used."
        )
    keys, values = cache_types(scenario.kv_dtype or "f16")
    if BLOCK_BYTES[values][0] > 1 and not scenario.flash_attention:
        said.append("Without flash attention llama.cpp keeps the V cache in f16.")
    if keys != values:
        said.append(
            "On CUDA flash attention over keys and values of different types needs a build with "
            "GGML_CUDA_FA_ALL_QUANTS."
        )
    if not windowed(architecture) and any(layer.window_tokens for layer, _ in architecture.groups):
        said.append(
            "llama.cpp does not use this model's sliding window: every layer keeps the whole context."
        )
    if architecture.kind == "encoder-decoder" and architecture.model_type not in _T5:
        said.append(
            "llama.cpp does not run this kind of model: its rules were applied all the same."
        )
    return (*said, *architecture.assumptions)


def _on_sequences(scenario: Scenario) -> list[str]:
    """What each of several sequences has, in llama-server's own options."""
    context, number = scenario.context_tokens or 0, scenario.sequences
    if number == 1:
        return []
    if scenario.kv_unified:
        return [
            (
                f"The {number} sequences share one context of {context:,} tokens, as llama-server has it "
                f"when it picks the number of slots itself: -c {context} -np {number} -kvu."
            )
        ]
    return [
        (
            f"Each of the {number} sequences has the whole context: "
            f"llama-server -c {context * number} -np {number}."
        )
    ]


_DRAFTS = (
    "the model's blocks for multi-token prediction are loaded, with an f16 cache and a compute buffer "
    "of their own (llama-server --spec-type draft-mtp)."
)
_T5 = frozenset({"t5", "mt5", "umt5"})
