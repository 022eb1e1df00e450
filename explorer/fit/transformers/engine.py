"""transformers as the planner sees it: defaults, plans and reasons."""

from dataclasses import replace

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.cache_reasons import STEP, of_caches, of_states
from explorer.fit.supposed import is_parallel, on_context, on_unused, without
from explorer.fit.transformers import VERSION
from explorer.fit.transformers.cache import cached_tokens, kv_bytes
from explorer.fit.transformers.demand import Demand, Settings, demand
from explorer.fit.transformers.placement import RESERVE_BYTES, place
from explorer.fit.values import Memory, Plan, Reason, Scenario, Speed
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine
from explorer.units import memory

DEFAULT_CONTEXT = 8192
KV_DTYPES = ("auto", "bfloat16", "float16")
_SAME_TYPE = {"f16": "float16", "fp16": "float16", "bf16": "bfloat16"}
_SOURCE = f"transformers {VERSION}"


class Transformers:
    """``AutoModelForCausalLM.from_pretrained(..., device_map="auto").generate`` with its defaults."""

    def resolve(
        self, architecture: Architecture, scenario: Scenario
    ) -> tuple[Scenario, tuple[str, ...]]:
        """Defaults filled in, and what had to be supposed. Raises UsageError for a KV type it has not."""
        limit = architecture.context_tokens
        context = scenario.context_tokens or min(DEFAULT_CONTEXT, limit or DEFAULT_CONTEXT)
        kv_dtype = (scenario.kv_dtype or "auto").lower()
        kv_dtype = _SAME_TYPE.get(kv_dtype, kv_dtype)
        if kv_dtype not in KV_DTYPES:
            raise UsageError(
                f"transformers' cache has the model's own type, not “{scenario.kv_dtype}”",
                hint=f"choose one of {', '.join(KV_DTYPES)}",
            )
        reserve = scenario.reserve_bytes
        resolved = replace(
            without(scenario),
            context_tokens=context,
            sequences=max(scenario.sequences, 1),
            kv_dtype=kv_dtype,
            batch_tokens=scenario.batch_tokens or context,
            reserve_bytes=RESERVE_BYTES if reserve is None else reserve,
        )
        return resolved, _assumptions(architecture, scenario, resolved)

    def plan(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, scenario: Scenario
    ) -> Plan:
        """The best placement of a resolved scenario."""
        return place(
            self.needs(architecture, weights, scenario), machine, scenario.reserve_bytes or 0
        )

    def needs(self, architecture: Architecture, weights: WeightMap, scenario: Scenario) -> Demand:
        """What the model needs, before it is placed."""
        return demand(architecture, weights, settings_of(scenario))

    def reasons(
        self, architecture: Architecture, weights: WeightMap, plan: Plan, scenario: Scenario
    ) -> tuple[Reason, ...]:
        """Why each part of the plan is as large as it is."""
        settings = settings_of(scenario)
        total = sum((placed.memory for placed in plan.placement), Memory())
        return (
            _weights(weights, total),
            *_caches(architecture, settings),
            *of_states(architecture, settings.sequences, total.recurrent_state, "2 or 4",
                       f"{_SOURCE}, cache_utils.py, LinearAttentionLayer"),
            Reason(
                "compute", memory(total.compute),
                f"{STEP}scores or mask",
                f"{settings.step_tokens:,} tokens, hidden {architecture.hidden:,}, "
                f"{'fused' if settings.fused_attention else 'eager'} attention",
                f"{_SOURCE}: a whole prompt at once, unless prefill_chunk_size is set",
            ),
            Reason(
                "overhead", memory(total.overhead),
                "460 MiB a device + 600 MiB on the host + 5 % of cache and activations",
                f"{len(plan.placement)} places",
                "usual: a context of 0.3 to 0.6 GiB, fragments of 2 to 10 %",
            ),
        )  # fmt: skip

    def speed(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, plan: Plan
    ) -> Speed:
        """None: there are no measured runs of transformers to rest a figure on."""
        del architecture, weights, machine, plan
        return Speed(None, None, "No measured runs of transformers: no figure is given.")


def settings_of(scenario: Scenario) -> Settings:
    """How ``generate`` is called for a resolved scenario."""
    context = scenario.context_tokens or DEFAULT_CONTEXT
    return Settings(
        context_tokens=context,
        sequences=scenario.sequences,
        step_tokens=scenario.batch_tokens or context,
        fused_attention=scenario.flash_attention,
    )


def _weights(weights: WeightMap, total: Memory) -> Reason:
    return Reason(
        "weights", memory(total.weights),
        "sum of the tensors, without multi-token prediction and a tied head's stored copy",
        f"{weights.quantization}: {memory(weights.total_bytes)} stored",
        "tensor sizes in the file headers" if weights.exact else "planned by format",
    )  # fmt: skip


def _caches(architecture: Architecture, settings: Settings) -> list[Reason]:
    def size_of(layer: Layer) -> int:
        return kv_bytes(layer, settings.context_tokens)

    def said(layer: Layer) -> tuple[str, str]:
        kept = (
            "latent and rotary part" if layer.mixer is Mixer.MLA else "KV heads x width of K and V"
        )
        tokens = cached_tokens(layer, settings.context_tokens)
        return f"layers x sequences x tokens x {kept} x 2 bytes", f"{tokens:,} tokens"

    return of_caches(architecture, settings.sequences, size_of, said, f"{_SOURCE}, cache_utils.py")


def _assumptions(
    architecture: Architecture, asked: Scenario, scenario: Scenario
) -> tuple[str, ...]:
    said = ["Activations and overhead of transformers are estimates; no published run was at hand."]
    if asked.batch_tokens is None:
        said.append("A prompt of the whole context is processed at once, as generate does.")
    said += [*on_context(architecture, scenario), *on_unused(asked, scenario, "transformers")]
    if is_parallel(scenario):
        said.append("Layers are dealt to devices as device_map does: no parallel size was used.")
    if scenario.gpu_layers is not None:
        said.append("device_map chooses what stays on the host: the number of layers was not used.")
    return (*said, *architecture.assumptions)
