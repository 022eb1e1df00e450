"""mlx-lm as the planner sees it: defaults, plans and reasons."""

from dataclasses import replace

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.mlx import VERSION
from explorer.fit.mlx.cache import Settings, cached_tokens, kv_bytes, rotates, state_bytes
from explorer.fit.mlx.reasons import explain
from explorer.fit.mlx.speed import decode
from explorer.fit.supposed import is_parallel, on_context, on_unused, without
from explorer.fit.values import Memory, Placed, Plan, Reason, Scenario, Speed, Verdict
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Device, Machine
from explorer.units import MIB

DEFAULT_CONTEXT = 8192
STEP_TOKENS = 2048
OVERHEAD_BYTES = 256 * MIB
"""The process and Metal's own buffers: an estimate, no published figure was at hand."""
WEIGHTS_SHARE = 0.9
"""Of the working set: beyond it mlx-lm warns that generation can be slow."""
FUSED_WIDTHS = frozenset({64, 80, 128})
"""Head widths MLX has a fused attention for when it reads a prompt; others hold their scores."""
SCORE_BYTES = 4
"""Scores in 16 bits, and their softmax."""
KV_BITS: dict[str, int | None] = {
    "auto": None, "bfloat16": None, "float16": None,
    "q2": 2, "q3": 3, "q4": 4, "q6": 6, "q8": 8,
}  # fmt: skip
"""``--kv-bits`` by the names other engines use."""
_SAME_TYPE = {
    "f16": "float16", "fp16": "float16", "bf16": "bfloat16", "q8_0": "q8", "q4_0": "q4",
    "2bit": "q2", "3bit": "q3", "4bit": "q4", "6bit": "q6", "8bit": "q8",
}  # fmt: skip


class Mlx:
    """``mlx_lm.generate`` or ``mlx_lm.server`` on a Mac, with their defaults."""

    def resolve(
        self, architecture: Architecture, scenario: Scenario
    ) -> tuple[Scenario, tuple[str, ...]]:
        """Defaults filled in, and what had to be supposed.

        Raises UsageError for a cache mlx-lm does not have, and for models that do not generate text.
        """
        if architecture.kind != "decoder":
            raise UsageError(
                f"mlx-lm generates text, and {architecture.name} is an {architecture.kind}",
                hint="choose another engine",
            )
        limit = architecture.context_tokens
        context = scenario.context_tokens or min(DEFAULT_CONTEXT, limit or DEFAULT_CONTEXT)
        resolved = replace(
            without(scenario),
            context_tokens=context,
            sequences=max(scenario.sequences, 1),
            kv_dtype=_kv_dtype(architecture, scenario.kv_dtype),
            batch_tokens=scenario.batch_tokens or STEP_TOKENS,
            reserve_bytes=scenario.reserve_bytes or 0,
        )
        return resolved, _assumptions(architecture, scenario, resolved)

    def plan(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, scenario: Scenario
    ) -> Plan:
        """Whole in the GPU's working set, or TOO_LARGE. Raises UsageError for a machine that is no Mac."""
        device = _device(machine)
        memory = needs(architecture, weights, settings_of(scenario))
        placed = Placed(device.name, memory, device.available_bytes)
        verdict = _verdict(placed, scenario.reserve_bytes or 0)
        return Plan(verdict, (placed,), gpu_layers=len(architecture.layers))

    def reasons(
        self, architecture: Architecture, weights: WeightMap, plan: Plan, scenario: Scenario
    ) -> tuple[Reason, ...]:
        """Why each part of the plan is as large as it is."""
        return explain(architecture, weights, plan, settings_of(scenario))

    def speed(
        self, architecture: Architecture, weights: WeightMap, machine: Machine, plan: Plan
    ) -> Speed:
        """From the published runs of MLX, with the caches full."""
        total = sum((placed.memory for placed in plan.placement), Memory())
        return decode(architecture, weights, _device(machine), total)


def needs(architecture: Architecture, weights: WeightMap, settings: Settings) -> Memory:
    """Bytes of every part. Vision towers and multi-token prediction are not loaded by mlx-lm."""
    rotating, kind = rotates(architecture), architecture.model_type
    unloaded = weights.vision_bytes + weights.mtp_bytes + weights.copied_bytes
    cache = sum(
        count * kv_bytes(layer, settings, kind, rotating=rotating)
        for layer, count in architecture.groups
    )
    states = sum(count * state_bytes(layer) for layer, count in architecture.groups)
    return Memory(
        weights=weights.total_bytes - unloaded,
        kv_cache=cache * settings.sequences,
        recurrent_state=states * settings.sequences,
        compute=activation_bytes(architecture, settings),
        overhead=OVERHEAD_BYTES,
    )


def activation_bytes(architecture: Architecture, settings: Settings) -> int:
    """Peak of a prompt step's activations: its widest layer, and the scores where nothing fused is used.

    The logits of a prompt are never computed, but for its last token.
    """
    tokens = min(settings.step_tokens, settings.context_tokens)
    hidden, rotating = architecture.hidden, rotates(architecture)
    widest = max(
        (
            tokens * 2 * (4 * hidden + _token_elements(layer, hidden))
            + tokens * _score_bytes(layer, settings, rotating=rotating)
            for layer, _ in architecture.groups
        ),
        default=0,
    )
    return settings.sequences * (widest + 4 * architecture.vocabulary)


def _token_elements(layer: Layer, hidden: int) -> int:
    dense = 3 * (layer.feed_forward + layer.shared_feed_forward)
    routed = layer.experts_used * (3 * layer.expert_feed_forward + 2 * hidden)
    attention = 2 * layer.heads * layer.head_dim_k
    recurrent = 2 * (2 * layer.conv_channels + 2 * layer.inner)
    return max(dense + (routed if layer.experts else 0), attention, recurrent)


def _score_bytes(layer: Layer, settings: Settings, *, rotating: bool) -> int:
    """Bytes of scores for one token of a step."""
    if not layer.heads:
        return 0
    fused = layer.mixer is not Mixer.MLA and layer.head_dim_k in FUSED_WIDTHS
    if fused and settings.kv_bits is None:
        return 0
    return SCORE_BYTES * layer.heads * cached_tokens(layer, settings, rotating=rotating)


def settings_of(scenario: Scenario) -> Settings:
    """How mlx-lm is run for a resolved scenario."""
    return Settings(
        context_tokens=scenario.context_tokens or DEFAULT_CONTEXT,
        sequences=scenario.sequences,
        kv_bits=KV_BITS[scenario.kv_dtype or "auto"],
        step_tokens=scenario.batch_tokens or STEP_TOKENS,
    )


def _kv_dtype(architecture: Architecture, asked: str | None) -> str:
    name = (asked or "auto").lower()
    name = _SAME_TYPE.get(name, name)
    if name not in KV_BITS:
        raise UsageError(
            f"mlx-lm has no KV cache of type “{asked}”", hint=f"choose one of {', '.join(KV_BITS)}"
        )
    if KV_BITS[name] is not None and rotates(architecture):
        raise UsageError(
            "mlx-lm cannot quantize the cache of a model with windows",
            "a rotating cache has no quantized form yet",
            "leave the KV type at auto",
        )
    return name


def _device(machine: Machine) -> Device:
    """The GPU of a Mac. Raises UsageError where there is none."""
    device = next((device for device in machine.devices if device.kind == "metal"), None)
    if device is None:
        raise UsageError(
            f"MLX runs on Apple silicon, and {machine.name} has none",
            hint="choose another engine, or a Mac",
        )
    return device


def _verdict(placed: Placed, reserve: int) -> Verdict:
    """TIGHT is what mlx-lm warns of: weights of more than nine tenths of the working set."""
    free = placed.capacity_bytes - placed.memory.total
    if free < 0:
        return Verdict.TOO_LARGE
    within = placed.memory.weights <= WEIGHTS_SHARE * placed.capacity_bytes
    return Verdict.FITS if free >= reserve and within else Verdict.TIGHT


def _assumptions(
    architecture: Architecture, asked: Scenario, scenario: Scenario
) -> tuple[str, ...]:
    said = [f"Caches follow mlx-lm {VERSION}; activations and overhead are estimates."]
    said += [*on_context(architecture, scenario), *on_unused(asked, scenario, "mlx-lm")]
    windowed = any(layer.window_tokens for layer, _ in architecture.groups)
    if windowed and not rotates(architecture):
        said.append("mlx-lm keeps the whole context in every layer of this model, windows or not.")
    if scenario.gpu_layers is not None:
        said.append("MLX keeps every layer on the GPU: the number of layers was not used.")
    if is_parallel(scenario):
        said.append("One Mac is meant: no parallel size was used.")
    return (*said, *architecture.assumptions)
