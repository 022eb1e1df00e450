"""How fast MLX writes: active weights and cache over the memory's bandwidth, and a cost a layer.

The figures of llama.cpp on the same machines are 1.5 to 2.5 times too low for MLX, so the constants are
its own. They rest on the three runs that were published with their settings (ml-explore/mlx-examples#1029,
magicnight/Mac-MLX#24, waybarrios/vllm-mlx#531) and reproduce them: how far they are off elsewhere is not
known, and the range is as wide as the spread of llama.cpp's runs between Macs.
"""

from explorer.fit.architecture import Architecture
from explorer.fit.speed import active_bytes
from explorer.fit.values import Memory, Range, Speed
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Device

WEIGHTS_EFFICIENCY = 0.85
CACHE_EFFICIENCY = 0.70
"""Shares of peak bandwidth that weights and cache are read at."""
LAYER_SECONDS = 30e-6
EXPERT_SECONDS = 65e-6
"""What a layer costs besides, and what its experts add."""
LOW, HIGH = 0.6, 1.3


def decode(architecture: Architecture, weights: WeightMap, device: Device, memory: Memory) -> Speed:
    """Tokens a second of one sequence when the caches are full; no figure without the device's bandwidth."""
    bandwidth = device.bandwidth_bytes_per_second
    if not bandwidth:
        return Speed(None, None, f"The memory bandwidth of {device.name} is not known.")
    pairs = list(zip(weights.blocks, architecture.layers, strict=False))
    read = (weights.output_bytes or weights.input_bytes) + sum(
        active_bytes(block, layer.experts_used, layer.experts) for block, layer in pairs
    )
    cache = memory.kv_cache + 2 * memory.recurrent_state
    experts = sum(1 for _, layer in pairs if layer.experts)
    seconds = (
        read / (WEIGHTS_EFFICIENCY * bandwidth)
        + cache / (CACHE_EFFICIENCY * bandwidth)
        + len(pairs) * LAYER_SECONDS
        + experts * EXPERT_SECONDS
    )
    expected = 1 / seconds
    basis = (
        f"{read / 1e9:.1f} GB of weights and {cache / 1e9:.1f} GB of cache read a token at "
        f"{bandwidth / 1e9:,.0f} GB/s (Apple, 3 runs of MLX, too few to know the error). "
        "Prompt processing: too few runs for a figure."
    )
    return Speed(Range(LOW * expected, expected, HIGH * expected), None, basis)
