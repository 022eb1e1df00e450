"""How llama.cpp is run, in its own terms."""

from dataclasses import dataclass

from explorer.errors import UsageError

BLOCK_BYTES: dict[str, tuple[int, int]] = {
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "q8_0": (32, 34),
    "q5_1": (32, 24),
    "q5_0": (32, 22),
    "q4_1": (32, 20),
    "q4_0": (32, 18),
    "iq4_nl": (32, 18),
}
"""Elements and bytes of a block, for the types a KV cache may have."""

MOST_SEQUENCES = 256
"""``LLAMA_MAX_SEQ``: a context with more is refused."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters of one llama.cpp context."""

    n_ctx: int
    """Cells asked for, over all sequences."""
    sequences: int = 1
    n_ubatch: int = 512
    flash_attention: bool = True
    type_k: str = "f16"
    type_v: str = "f16"
    unified: bool = False
    """All sequences share one buffer of cells, as llama-server does when it picks their number."""
    n_outputs: int = 1
    """Rows of logits in a micro-batch: the slots for llama-server, and for each slot the tokens drafted
    ahead of it; n_ubatch in llama-cli."""
    swa_full: bool = False
    drafts: int = 0
    """Tokens drafted ahead, each with a recurrent state of its own to roll back to (``n_rs_seq``)."""


def row_bytes(type_name: str, elements: int) -> int:
    """Bytes of ``elements`` in a KV cache type. Raises UsageError for a type llama.cpp has no cache of."""
    if type_name not in BLOCK_BYTES:
        raise UsageError(
            f"llama.cpp has no KV cache of type “{type_name}”",
            hint=f"choose one of {', '.join(BLOCK_BYTES)}",
        )
    block, size = BLOCK_BYTES[type_name]
    return -(-elements // block) * size


def padded(cells: int, to: int = 256) -> int:
    """Rounded up to a multiple, as contexts are to 256."""
    return -(-cells // to) * to
