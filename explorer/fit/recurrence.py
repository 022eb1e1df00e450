"""State a recurrent layer keeps for one sequence: elements of its convolution and of its state.

As llama.cpp counts them (``llama_hparams::n_embd_r`` and ``n_embd_s``), which is the mathematical size;
other engines differ in the type they store, not in the count.
"""


def mamba(*, kernel: int, inner: int, state: int, groups: int) -> tuple[int, int]:
    """Mamba 1 (no groups) and 2, and the gated delta net with keys as groups of a state."""
    return max(kernel - 1, 0) * (inner + 2 * groups * state), state * inner


def gated_delta(
    *, kernel: int, key_heads: int, key_dim: int, value_heads: int, value_dim: int
) -> tuple[int, int]:
    """Gated delta net: one key_dim x value_dim matrix a value head; q, k and v pass a convolution."""
    return mamba(kernel=kernel, inner=value_heads * value_dim, state=key_dim, groups=key_heads)


def kimi_delta(*, kernel: int, heads: int, head_dim: int) -> tuple[int, int]:
    """Kimi delta attention: a square matrix a head, and a convolution each for q, k and v."""
    return 3 * max(kernel - 1, 0) * heads * head_dim, head_dim * head_dim * heads


def short_conv(*, taps: int, hidden: int) -> tuple[int, int]:
    """LFM2's gated short convolution: the inputs it still looks back to."""
    return hidden * max(taps - 1, 0), 0


def rwkv(*, hidden: int, head_size: int, shifts: int) -> tuple[int, int]:
    """RWKV 5 to 7: the token shifts, and a square matrix a head."""
    return shifts * hidden, hidden * head_size
