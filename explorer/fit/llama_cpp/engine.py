"""llama.cpp as the planner sees it: defaults, plans and reasons."""

from dataclasses import replace

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.llama_cpp import VERSION
from explorer.fit.llama_cpp.demand import Demand, demand, windowed
from explorer.fit.llama_cpp.placement import FIT_MARGIN, place
from explorer.fit.llama_cpp.reasons import explain
from explorer.fit.llama_cpp.settings import BLOCK_BYTES, Settings
from explorer.fit.speed import estimate
from explorer.fit.values import Plan, Reason, Scenario, Speed
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine

DEFAULT_CONTEXT = 8192
_SAME_TYPE = {"fp16": "f16", "fp32": "f32", "auto": "f16", "float16": "f16", "bfloat16": "bf16"}


class LlamaCpp:
    """llama-server with as many slots as the scenario has sequences, each of the context asked for."""

    def resolve(
        self, architecture: Architecture, scenario: Scenario
    ) -> tuple[Scenario, tuple[str, ...]]:
        """Defaults filled in, and what had to be supposed. Raises UsageError for impossible settings."""
        limit = architecture.context_tokens
        context = scenario.context_tokens or min(DEFAULT_CONTEXT, limit or DEFAULT_CONTEXT)
        kv_dtype = (scenario.kv_dtype or "f16").lower()
        kv_dtype = _SAME_TYPE.get(kv_dtype, kv_dtype)
        if kv_dtype not in BLOCK_BYTES:
            raise UsageError(
                f"llama.cpp has no KV cache of type “{scenario.kv_dtype}”",
                hint=f"choose one of {', '.join(BLOCK_BYTES)}",
            )
        resolved = replace(
            scenario,
            context_tokens=context,
            sequences=max(scenario.sequences, 1),
            kv_dtype=kv_dtype,
            batch_tokens=scenario.batch_tokens or 512,
            reserve_bytes=FIT_MARGIN if scenario.reserve_bytes is None else scenario.reserve_bytes,
        )
        return resolved, _assumptions(architecture, resolved)

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
    kv_dtype = scenario.kv_dtype or "f16"
    quantized = BLOCK_BYTES[kv_dtype][0] > 1
    return Settings(
        n_ctx=(scenario.context_tokens or DEFAULT_CONTEXT) * scenario.sequences,
        sequences=scenario.sequences,
        n_ubatch=scenario.batch_tokens or 512,
        flash_attention=scenario.flash_attention,
        type_k=kv_dtype,
        type_v="f16" if quantized and not scenario.flash_attention else kv_dtype,
        n_outputs=scenario.sequences,
    )


def _assumptions(architecture: Architecture, scenario: Scenario) -> tuple[str, ...]:
    said = [
        f"Compute buffers are those of llama.cpp {VERSION}: other builds differ by 3 %, at worst 26 %."
    ]
    context, limit = scenario.context_tokens or 0, architecture.context_tokens
    if limit and context > limit:
        said.append(
            f"The context of {context:,} tokens is beyond the {limit:,} the model states: "
            "what it writes after that is not what it was trained for."
        )
    if scenario.sequences > 1:
        said.append(
            f"Each of the {scenario.sequences} sequences has the whole context: "
            f"llama-server -c {context * scenario.sequences} -np {scenario.sequences}."
        )
    if limit is None:
        said.append("The model does not state its context length.")
    if scenario.tensor_parallel > 1 or scenario.pipeline_parallel > 1:
        said.append(
            "llama.cpp splits layers over devices: tensor and pipeline parallel were not used."
        )
    if BLOCK_BYTES[scenario.kv_dtype or "f16"][0] > 1 and not scenario.flash_attention:
        said.append("Without flash attention llama.cpp keeps the V cache in f16.")
    if not windowed(architecture) and any(layer.window_tokens for layer, _ in architecture.groups):
        said.append(
            "llama.cpp does not use this model's sliding window: every layer keeps the whole context."
        )
    if architecture.kind == "encoder-decoder" and architecture.model_type not in _T5:
        said.append(
            "llama.cpp does not run this kind of model: its rules were applied all the same."
        )
    return (*said, *architecture.assumptions)


_T5 = frozenset({"t5", "mt5", "umt5"})
