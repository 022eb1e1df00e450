"""A dense model and a mixture of experts with round numbers, to count by hand."""

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.weight_map import BlockWeights, WeightMap
from explorer.units import GIB, MIB

DENSE = Layer(Mixer.FULL, 32, 8, 128, 128, feed_forward=14336)
SPARSE = Layer(
    Mixer.FULL, 32, 8, 128, 128, experts=128, experts_used=8, expert_feed_forward=768
)  # fmt: skip


def architecture(layer: Layer = DENSE, layers: int = 32) -> Architecture:
    return Architecture(
        name="Test",
        model_type="llama" if layer is DENSE else "qwen3_moe",
        layers=(layer,) * layers,
        hidden=4096,
        vocabulary=128_256,
        context_tokens=131_072,
    )


def dense(quantization: str, gib: float, layers: int = 32) -> WeightMap:
    """A dense model of about this size: blocks of equal bytes, and small ends."""
    block = BlockWeights(int(gib * GIB) // layers)
    return WeightMap(quantization, (block,) * layers, 256 * MIB, 256 * MIB)


def sparse(quantization: str, gib: float, layers: int = 32) -> WeightMap:
    """A mixture of experts of about this size: a tenth of each block is dense."""
    whole = int(gib * GIB) // layers
    block = BlockWeights(whole // 10, whole - whole // 10)
    return WeightMap(quantization, (block,) * layers, 256 * MIB, 256 * MIB)
