"""Where a model's weight bytes lie, as the planner moves them between devices."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """Bytes of one transformer block."""

    dense_bytes: int
    """Attention or other mixer, norms, dense feed-forward, router and shared experts: read every token."""
    expert_bytes: int = 0
    """All routed experts together, of which a token reads ``experts_used / experts``."""


@dataclass(frozen=True, slots=True)
class WeightMap:
    """Weight bytes of one model in one quantization. Their sum is the tensors' bytes."""

    quantization: str
    """``Q4_K_M``, ``BF16``, ``AWQ 4-bit``: for people and for the scenario."""
    blocks: tuple[BlockWeights, ...]
    """In order, as many as ``Architecture.layers`` (encoder blocks first in an encoder-decoder)."""
    input_bytes: int
    """The token embedding table."""
    output_bytes: int
    """The output head; 0 when it is the embedding table again (tied)."""
    other_bytes: int = 0
    """Final norms, position tables and what belongs to no block."""
    vision_bytes: int = 0
    """Vision and audio towers and their projectors."""
    mtp_bytes: int = 0
    """Multi-token-prediction or draft layers, loaded only when they are used."""
    exact: bool = False
    """Read from headers, rather than planned by quantization rules or estimated."""

    @property
    def total_bytes(self) -> int:
        """All of it."""
        blocks = sum(block.dense_bytes + block.expert_bytes for block in self.blocks)
        ends = self.input_bytes + self.output_bytes + self.other_bytes
        return blocks + ends + self.vision_bytes + self.mtp_bytes
