"""Models, machines and weights for the tests of engines."""

from typing import Any

from explorer.fit.architecture import Architecture
from explorer.fit.config import from_config
from explorer.fit.weight_map import BlockWeights, WeightMap
from explorer.hardware.machine import Device, DeviceKind, Machine
from explorer.units import GIB
from tests.weights.checkpoint.published import models

LLAMA_8B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 32,
    "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 14336, "vocab_size": 128_256, "max_position_embeddings": 131_072,
}  # fmt: skip
GPT_OSS_20B: dict[str, Any] = {
    "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "num_hidden_layers": 24,
    "hidden_size": 2880, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
    "intermediate_size": 2880, "num_local_experts": 32, "num_experts_per_tok": 4,
    "sliding_window": 128, "vocab_size": 201_088, "max_position_embeddings": 131_072,
}  # fmt: skip


def published_shape(name: str) -> Architecture:
    """The architecture of a published model."""
    return from_config(models()[name].config)


def evenly(shape: Architecture, gib: float, name: str = "BF16") -> WeightMap:
    """So many GiB of weights, nearly all of it in equal blocks; no copy of any tensor."""
    ends = 2 * shape.vocabulary * shape.hidden
    block = (int(gib * GIB) - 2 * ends) // len(shape.layers)
    blocks = tuple(
        BlockWeights(block // 10, block - block // 10) if layer.experts else BlockWeights(block)
        for layer in shape.layers
    )
    return WeightMap(name, blocks, input_bytes=ends, output_bytes=ends)


def machine(
    *gib: float,
    kind: DeviceKind = "cuda",
    name: str = "GPU",
    host_gib: float = 64,
    unified: bool = False,
) -> Machine:
    """A machine of devices with so much memory, all of it free."""
    devices = tuple(
        Device(f"{name} {number}", kind, int(size * GIB), int(size * GIB), 10**12, "gddr",
               unified=unified, compute_capability=(8, 9) if kind == "cuda" else None)
        for number, size in enumerate(gib)
    )  # fmt: skip
    host = int(host_gib * GIB)
    return Machine("test machine", devices, host, host, 80 * 10**9)
