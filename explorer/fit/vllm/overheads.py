"""What vLLM takes beside weights and cache: activations of its largest step, graphs, and the driver.

vLLM measures these when it starts; here they are estimated. Formulas follow the tensors that are alive
at once in vLLM 0.33.0 (``gpu_worker.determine_available_memory``); constants are from start-up logs.
"""

from explorer.fit.architecture import Architecture, Layer
from explorer.fit.vllm.settings import Settings
from explorer.units import GIB, MIB

SAMPLER_BYTES = 8
"""For each sequence and vocabulary entry: logits in 16 bits, their copy in 32, and work space. 0.31 GiB
for 256 sequences of Qwen2.5-0.5B in August 2026; the sorting sampler of 2025 took 38 bytes (4.76 GiB for
1024 of Llama-3.1)."""
VISION_BYTES = 3 * GIB // 2
"""Profiling a vision tower with its largest images: 0.5 to 7 GiB in logs."""
NON_TORCH_BYTES = 350 * MIB
"""Driver context and libraries of one rank: 0.30 to 0.56 GiB consumed beyond the weights."""
COMMUNICATION_BYTES = 400 * MIB
"""NCCL and all-reduce buffers where there are several ranks: 0.2 to 3.6 GiB in logs."""
GRAPH_LAYER_BYTES = 14 * MIB
"""CUDA graphs, as vLLM estimates them before capture: 0.39 GiB for 24 layers, 1.03 for 36, 1.55 for 64."""


def activation_bytes(architecture: Architecture, settings: Settings, *, vision: bool) -> int:
    """Peak of a step's activations on a rank: its widest layer, or the sampler, or the vision tower."""
    tensor, hidden = settings.tensor_parallel, architecture.hidden
    widest = max(
        (_token_elements(layer, hidden, tensor) for layer, _ in architecture.groups), default=0
    )
    step = 2 * settings.batch_tokens
    forward = step * (4 * hidden + widest)
    sampler = SAMPLER_BYTES * settings.max_sequences * architecture.vocabulary + step * hidden
    if architecture.kind == "encoder":
        sampler = 0
    return max(forward, sampler) + (VISION_BYTES if vision else 0)


def _token_elements(layer: Layer, hidden: int, tensor: int) -> int:
    """Elements a token takes inside a layer: gate, up and their product, or the experts' work space."""
    dense = 3 * (layer.feed_forward + layer.shared_feed_forward) // tensor
    width = layer.expert_feed_forward // tensor
    routed = layer.experts_used * (max(2 * width, hidden) + max(width, hidden))
    attention = (layer.heads * layer.head_dim_k * 2 + 3 * layer.conv_channels) // tensor
    return max(dense + (routed if layer.experts else 0), attention)


def overhead_bytes(architecture: Architecture, settings: Settings) -> int:
    """Graphs of a rank, and what its process takes outside of torch."""
    ranks = settings.tensor_parallel * settings.pipeline_parallel
    layers = -(-len(architecture.layers) // settings.pipeline_parallel)
    graphs = 0 if architecture.kind == "encoder" else GRAPH_LAYER_BYTES * layers
    return NON_TORCH_BYTES + (COMMUNICATION_BYTES if ranks > 1 else 0) + graphs
