"""Where a model's weight bytes lie, as the planner moves them between devices."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from explorer.fit.roles import Part, Section, place
from explorer.weights.tensors import Tensor


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """Bytes of one transformer block."""

    dense_bytes: int
    """Attention or other mixer, norms, dense feed-forward, router and shared experts: read every token."""
    expert_bytes: int = 0
    """All routed experts together, of which a token reads ``experts_used / experts``."""
    replicated_bytes: int = 0
    """Of ``dense_bytes``, what every tensor-parallel rank keeps whole: norms, routers, MLA's low ranks."""
    kv_bytes: int = 0
    """Of ``dense_bytes``, projections of keys and values, which ranks share out by KV heads."""


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
    mtp_copied_bytes: int = 0
    """Of ``mtp_bytes``, embeddings and a head of their own, which most engines share with the model's."""
    copied_bytes: int = 0
    """Of ``other_bytes``, a stored copy of the embedding table that a tied head does not need."""
    exact: bool = False
    """Read from headers, rather than planned by quantization rules or estimated."""
    components: tuple[tuple[str, int], ...] = ()
    """Bytes by component, of a pipeline whose parts can be loaded one at a time."""

    total_bytes: int = field(init=False, repr=False, compare=False)
    """All of it, counted once: listings sort what they offer by it."""

    def __post_init__(self) -> None:
        total = sum([block.dense_bytes + block.expert_bytes for block in self.blocks])
        total += self.input_bytes + self.output_bytes + self.other_bytes
        total += self.vision_bytes + self.mtp_bytes
        object.__setattr__(self, "total_bytes", total)


_INPUT = {"token_embd", "per_layer_token_embd"}
MTP_COPIES = {"nextn.embed_tokens", "nextn.shared_head_head"}
_KEYS_VALUES = {"attn_k", "attn_v"}
_WHOLE = {
    "attn_q_a", "attn_kv_a_mqa", "ffn_gate_inp", "ffn_gate_inp_shexp", "exp_probs_b", "ssm_norm",
}  # fmt: skip
_SUMMED = {"attn_output", "ffn_down", "ffn_down_shexp", "ssm_out"}
"""Row-parallel layers, whose bias is added once after the ranks' sums are."""


def is_replicated(part: Part) -> bool:
    """Whether tensor-parallel ranks each keep this tensor of a block whole, as vLLM and SGLang do."""
    role = part.role
    if role in _WHOLE or role.startswith("indexer.") or role.endswith("norm"):
        return True
    return part.kind == "bias" and role in _SUMMED


def is_keys_values(part: Part) -> bool:
    """Whether a tensor of a block is shared out by KV heads, and so repeated where there are few."""
    return part.role in _KEYS_VALUES


def from_tensors(
    tensors: Iterable[Tensor], quantization: str, layers: int, *, tied: bool = False
) -> WeightMap:
    """The bytes a checkpoint stores, by where they lie; ``total_bytes`` is the sum of the tensors' sizes.

    ``layers`` is the number of the language model's blocks: numbered blocks beyond them are
    multi-token prediction; 0 takes every numbered block there is. ``tied`` is what the config says:
    a stored copy of the embedding table is then told as other bytes, since engines load it once.
    Bytes of tensors nobody knows count as other bytes, or as their block's.
    """
    dense: Counter[tuple[bool, int]] = Counter()
    experts: Counter[tuple[bool, int]] = Counter()
    replicated: Counter[tuple[bool, int]] = Counter()
    shared: Counter[tuple[bool, int]] = Counter()
    ends: Counter[str] = Counter()
    text, encoder = Section.TEXT, Section.ENCODER
    for tensor in tensors:
        part, layer = place(tensor.name)
        section = part.section
        if section is text or section is encoder:
            if layer is None:
                ends[_end(part, tied=tied)] += tensor.size_bytes
                if tied and part.role == "output":
                    ends["copied"] += tensor.size_bytes
            elif part.routed:
                experts[section is text, layer] += tensor.size_bytes
            else:
                dense[section is text, layer] += tensor.size_bytes
                if is_replicated(part):
                    replicated[section is text, layer] += tensor.size_bytes
                elif is_keys_values(part):
                    shared[section is text, layer] += tensor.size_bytes
        else:
            ends["mtp" if section is Section.MTP else "vision"] += tensor.size_bytes
            if part.role in MTP_COPIES:
                ends["mtp copies"] += tensor.size_bytes
    blocks, beyond = _blocks((dense, experts, replicated, shared), layers)
    return WeightMap(
        quantization=quantization,
        blocks=blocks,
        input_bytes=ends["input"],
        output_bytes=ends["output"],
        other_bytes=ends["other"],
        vision_bytes=ends["vision"],
        mtp_bytes=ends["mtp"] + beyond,
        mtp_copied_bytes=ends["mtp copies"],
        copied_bytes=ends["copied"],
        exact=True,
    )


def scaled_to(weights: WeightMap, total_bytes: int, quantization: str) -> WeightMap:
    """The same tensors in another quantization whose total is known: every part in proportion."""
    whole = weights.total_bytes or 1

    def part(size: int) -> int:
        return size * total_bytes // whole

    return replace(
        weights,
        quantization=quantization,
        blocks=tuple(
            BlockWeights(
                part(block.dense_bytes),
                part(block.expert_bytes),
                part(block.replicated_bytes),
                part(block.kv_bytes),
            )
            for block in weights.blocks
        ),
        input_bytes=part(weights.input_bytes),
        output_bytes=part(weights.output_bytes),
        other_bytes=part(weights.other_bytes),
        vision_bytes=part(weights.vision_bytes),
        mtp_bytes=part(weights.mtp_bytes),
        mtp_copied_bytes=part(weights.mtp_copied_bytes),
        copied_bytes=part(weights.copied_bytes),
    )


def _end(part: Part, *, tied: bool) -> str:
    """Which of the map's ends a tensor outside the blocks belongs to."""
    if part.role in _INPUT:
        return "input"
    return "output" if part.role == "output" and not tied else "other"


def _blocks(
    sizes: tuple[Counter[tuple[bool, int]], ...], layers: int
) -> tuple[tuple[BlockWeights, ...], int]:
    """The blocks in order, encoder first, and the bytes of those beyond ``layers``.

    ``sizes`` are those of ``BlockWeights``, in order.
    """
    dense, experts = sizes[:2]
    order = sorted(dense.keys() | experts.keys())
    encoder = 1 + max((layer for text, layer in order if not text), default=-1)
    if layers <= 0:
        layers = 1 + max((layer + encoder * text for text, layer in order), default=-1)
    rows = [[0] * len(sizes) for _ in range(layers)]
    beyond = 0
    for key in order:
        text, layer = key
        index = layer + encoder if text else layer
        if index < layers:
            for column, size in enumerate(sizes):
                rows[index][column] += size[key]
        else:
            beyond += dense[key] + experts[key]
    return tuple(BlockWeights(*row) for row in rows), beyond
