"""How vLLM is run, in its own terms, and which settings it refuses.

Source: vLLM 0.33.0, ``vllm/engine/arg_utils.py``, ``vllm/config/cache.py``, ``vllm/config/parallel.py``
and ``vllm/distributed/utils.py``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture, Layer
from explorer.hardware.machine import Device
from explorer.units import GIB

DEFAULT_UTILIZATION = 0.92
"""``--gpu-memory-utilization``; versions of 2025 took 0.90."""
KV_BYTES: dict[str, int] = {
    "auto": 2, "bfloat16": 2, "float16": 2,
    "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1,
}  # fmt: skip
"""Bytes an element of ``--kv-cache-dtype``; ``auto`` is the model's own type, 16 bits."""
_SAME_TYPE = {"f16": "float16", "fp16": "float16", "bf16": "bfloat16", "fp8_inc": "fp8"}
_LARGE = 70 * GIB
_LARGEST = 160 * GIB


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters of one vLLM server."""

    context_tokens: int
    """``max_model_len``."""
    kv_bytes: int = 2
    """Bytes an element of the KV cache."""
    batch_tokens: int = 2048
    """``max_num_batched_tokens``: the most tokens of one step."""
    max_sequences: int = 256
    """``max_num_seqs``: the most sequences of one step."""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    draft_tokens: int = 0
    """``num_speculative_tokens`` of multi-token prediction; 0 without it."""

    @property
    def in_flight_tokens(self) -> int:
        """Tokens of steps that were begun before the last one's blocks are freed.

        A step a stage, and one more that asynchronous scheduling, the default, prepares meanwhile.
        Source: ``VllmConfig.max_in_flight_tokens``.
        """
        return self.batch_tokens * (self.pipeline_parallel + 1)


def kv_dtype(name: str | None) -> str:
    """The KV type under vLLM's own name. Raises UsageError for one it does not have."""
    wanted = (name or "auto").lower()
    wanted = _SAME_TYPE.get(wanted, wanted)
    if wanted not in KV_BYTES:
        raise UsageError(
            f"vLLM has no KV cache of type “{name}”", hint=f"choose one of {', '.join(KV_BYTES)}"
        )
    return wanted


def default_batch_tokens(devices: Iterable[Device]) -> int:
    """``max_num_batched_tokens`` of ``vllm serve``, by the class of the smallest device."""
    smallest = min((_class_bytes(device) for device in devices), default=0)
    if smallest >= _LARGEST:
        return 16384
    return 8192 if smallest >= _LARGE else 2048


def default_sequences(devices: Iterable[Device]) -> int:
    """``max_num_seqs`` of ``vllm serve``: more where there is the memory of an H100."""
    return 1024 if default_batch_tokens(devices) > 2048 else 256


def _class_bytes(device: Device) -> int:
    """The memory the defaults go by: an A100 of 80 GB and a GB10 count as small devices."""
    small = "a100" in device.name.lower() or device.compute_capability == _GB10
    return 0 if small and device.memory_bytes < _LARGEST else device.memory_bytes


_GB10 = (12, 1)


def stages(layers: int, pipeline_parallel: int) -> tuple[range, ...]:
    """The layers of every pipeline stage: what does not divide goes to the last but one, and back.

    Source: ``get_pp_indices``.
    """
    sizes = [layers // pipeline_parallel] * pipeline_parallel
    for extra in range(layers % pipeline_parallel):
        sizes[-2 - extra] += 1
    ends = accumulate(sizes)
    return tuple(range(end - size, end) for size, end in zip(sizes, ends, strict=True))


def tensor_parallel_sizes(architecture: Architecture, most: int = 64) -> tuple[int, ...]:
    """The tensor parallel sizes that divide the model, smallest first."""
    return tuple(size for size in range(1, most + 1) if _divides(architecture, size))


def _divides(architecture: Architecture, size: int) -> bool:
    return all(_layer_divides(layer, size) for layer, _ in architecture.groups)


def _layer_divides(layer: Layer, size: int) -> bool:
    """Heads must divide, KV heads divide or be repeated a whole number of times, and widths divide."""
    few, many = sorted((layer.kv_heads, size))
    heads = layer.heads % size == 0 and (layer.kv_heads == 0 or many % few == 0)
    widths = (layer.feed_forward, layer.expert_feed_forward, layer.shared_feed_forward, layer.inner)
    return heads and all(width % size == 0 for width in widths)


def check_parallel(architecture: Architecture, tensor: int, pipeline: int) -> None:
    """Raise UsageError, with what is allowed, for parallel sizes the model cannot be split by."""
    if tensor < 1 or not _divides(architecture, tensor):
        allowed = ", ".join(map(str, tensor_parallel_sizes(architecture)))
        heads = sorted({layer.heads for layer, _ in architecture.groups if layer.heads})
        raise UsageError(
            f"vLLM cannot split this model over {tensor} devices",
            f"tensor parallel must divide {' and '.join(map(str, heads))} attention heads, and share "
            "out or repeat the KV heads and the feed-forward widths evenly",
            f"choose a tensor parallel size of {allowed}",
        )
    blocks = max(len(architecture.layers), 1)
    if not 1 <= pipeline <= blocks:
        raise UsageError(
            f"vLLM cannot make {pipeline} pipeline stages of {blocks} layers",
            hint=f"choose a pipeline parallel size from 1 to {blocks}",
        )
