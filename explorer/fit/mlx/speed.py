"""How fast MLX writes: the decode model with the coefficients of MLX's own runs.

Those of llama.cpp on the same chips are too low for MLX, which launches a layer in half the time.
"""

from explorer.fit.architecture import Architecture
from explorer.fit.speed import MLX, DeviceRead, active_weight_bytes, basis
from explorer.fit.speed import decode as decode_speed
from explorer.fit.values import Memory, Speed
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Device


def decode(architecture: Architecture, weights: WeightMap, device: Device, memory: Memory) -> Speed:
    """Tokens a second of one sequence when the caches are full; no figure without the device's bandwidth."""
    bandwidth = device.bandwidth_bytes_per_second
    if not bandwidth:
        return Speed(None, None, f"The memory bandwidth of {device.name} is not known.")
    active = active_weight_bytes(architecture, weights)
    layers = len(weights.blocks)
    experts = sum(count for layer, count in architecture.groups if layer.experts)
    cache = memory.kv_cache + 2 * memory.recurrent_state
    reads = [DeviceRead(MLX, bandwidth, active, cache, layers, min(experts, layers))]
    said = f"{basis(reads, active)} Prompt processing: too few runs for a figure."
    return Speed(decode_speed(reads), None, said)
