"""The values the fit model speaks in: what is asked, what it takes, and what is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from explorer.hardware.machine import Device, Machine

Engine: TypeAlias = Literal["llama.cpp", "vllm", "transformers", "mlx", "diffusers"]


HOST = "host"
"""How the host is called among the places of a plan."""


class Verdict(StrEnum):
    """What a person can do with a model on a machine, best first."""

    FITS = "fits"
    TIGHT = "tight"
    """Fits in what is available, but under the reserve."""
    OFFLOAD = "offload"
    """Runs with layers, experts or components on the host, or on the host alone beside a device."""
    TOO_LARGE = "too_large"


RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}
"""To compare verdicts by: less is better."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a model is to be run. None means the engine's own default, filled in by ``resolve``."""

    engine: Engine | None = None
    """None takes the engine that people run the checkpoint's format on, llama.cpp for most."""
    context_tokens: int | None = None
    """Tokens a sequence may hold; None takes 8192 or the model's own limit, whichever is less."""
    sequences: int = 1
    quantization: str | None = None
    """``Q4_K_M``, ``BF16``, ``AWQ``...; None picks the best that fits."""
    kv_dtype: str | None = None
    batch_tokens: int | None = None
    """The engine's own step: llama.cpp ``n_ubatch`` (512), vLLM ``max_num_batched_tokens``."""
    flash_attention: bool = True
    gpu_layers: int | None = None
    """Layers on the accelerator; None lets the planner choose."""
    tensor_parallel: int | None = None
    """Devices that share each layer; None for this and the next lets the planner choose both."""
    pipeline_parallel: int | None = None
    memory_utilization: float | None = None
    """vLLM's share of a device's memory; None takes its default."""
    reserve_bytes: int | None = None
    """Memory a device keeps free; None takes the engine's own margin."""
    kv_unified: bool | None = None
    """llama.cpp: one cache of the context's length that all sequences share, rather than one each; None
    takes what llama-server does for a number of slots that is given: one each."""
    swa_full: bool = False
    """llama.cpp: layers with a sliding window keep the whole context too."""
    mtp: bool = False
    """Tokens are drafted ahead by the model's own multi-token prediction, which no engine does unasked."""
    draft_tokens: int | None = None
    """How many; None takes the engine's own number."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by what they hold."""

    weights: int = 0
    kv_cache: int = 0
    recurrent_state: int = 0
    compute: int = 0
    overhead: int = 0

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return self.weights + self.kv_cache + self.recurrent_state + self.compute + self.overhead

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(
            self.weights + other.weights,
            self.kv_cache + other.kv_cache,
            self.recurrent_state + other.recurrent_state,
            self.compute + other.compute,
            self.overhead + other.overhead,
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """What one device (or the host) holds."""

    device: str
    memory: Memory
    capacity_bytes: int
    """What was available there before."""


def exceeds_host(placed: Sequence[Placed], host: Placed, devices: Sequence[Device]) -> bool:
    """Whether the host's share is more than it has; unified devices draw on the same memory."""
    shared = {device.name for device in devices if device.unified}
    drawn = sum(one.memory.total for one in placed if one.device in shared)
    return host.memory.total + drawn > host.capacity_bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to place a model on a machine, and what comes of it."""

    verdict: Verdict
    placement: tuple[Placed, ...]
    """One a device in use, then the host if it holds anything."""
    gpu_layers: int = 0
    """Blocks on accelerators."""
    host_expert_layers: int = 0
    """Of those, blocks whose experts stay on the host."""
    tensor_parallel: int = 1
    """Devices that share each layer, as this placement has it."""
    pipeline_parallel: int = 1
    """Stages of layers one after the other."""


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate with its spread, in the unit of whoever holds it."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second for one sequence; None where there is no basis for a figure."""

    decode: Range | None
    prefill: Range | None
    basis: str
    """What the figure rests on: device class, bandwidth, bytes a token, the error of the fit."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a number is what it is: ``name`` = ``formula`` over ``inputs``, from ``source``."""

    name: str
    value: str
    formula: str
    inputs: str
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether, how and how fast a model runs on a machine."""

    machine: Machine
    scenario: Scenario
    """With every default filled in."""
    verdict: Verdict
    memory: Memory
    """Summed over devices and host."""
    placement: tuple[Placed, ...]
    """One a device in use, then the host if it holds anything."""
    max_context_tokens: int
    """Largest context that still gets a verdict no worse than this one; 0 if none."""
    speed: Speed
    exact: bool
    """The weights' bytes were read from headers or file sizes, not planned or estimated."""
    assumptions: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    gpu_layers: int = 0
    """Blocks on accelerators, as the placement has them."""
    host_expert_layers: int = 0
    """Blocks on an accelerator whose experts stay on the host (llama.cpp ``--n-cpu-moe``)."""
    layers: int = 0
    """Blocks of the model."""
    limit_tokens: int | None = None
    """The context the model itself states; None if it states none, or has none."""

    @property
    def on_host(self) -> str:
        """What of the blocks lies on the host although there is an accelerator, in words."""
        if self.verdict is not Verdict.OFFLOAD or not self.layers:
            return ""
        if self.host_expert_layers:
            return f"experts of {self.host_expert_layers} of {self.layers} layers"
        hosted = self.layers - self.gpu_layers
        return f"{hosted} of {self.layers} layers" if self.gpu_layers else f"all {hosted} layers"

    @property
    def is_beyond_limit(self) -> bool:
        """The context asked for is longer than the model's own."""
        return self.limit_tokens is not None and (
            (self.scenario.context_tokens or 0) > self.limit_tokens
        )

    @property
    def needed(self) -> Memory:
        """What it takes of the memory its verdict is about, so that the two never contradict each other.

        Where it runs on accelerators alone, what they hold: the host's share, an embedding table and
        buffers, is apart. Otherwise, and where there is one memory for both, everything.
        """
        shared = any(device.unified for device in self.machine.devices)
        if shared or self.verdict not in (Verdict.FITS, Verdict.TIGHT):
            return self.memory
        held = [placed.memory for placed in self.placement if placed.device != HOST]
        return sum(held, Memory()) if held else self.memory
