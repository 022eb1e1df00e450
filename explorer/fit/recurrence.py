"""State a recurrent layer keeps for one sequence: elements of its convolution and of its state.

As llama.cpp counts them (``llama_hparams::n_embd_r`` and ``n_embd_s``), which is the mathematical size;
other engines differ in the type they store, not in the count.
"""

from dataclasses import replace
from typing import NamedTuple

from explorer.fit.architecture import Layer


class State(NamedTuple):
    """What a layer remembers of one sequence, and the widths it works with."""

    conv_elements: int
    state_elements: int
    inner: int
    """Width of the values that pass the state."""
    conv_channels: int


def remembering(layer: Layer, state: State) -> Layer:
    """The layer with a state."""
    return replace(
        layer, conv_elements=state.conv_elements, state_elements=state.state_elements,
        inner=state.inner, conv_channels=state.conv_channels,
    )  # fmt: skip


def mamba(*, kernel: int, inner: int, state: int, groups: int) -> State:
    """Mamba 1 (no groups) and 2, and the gated delta net with keys as groups of a state."""
    channels = inner + 2 * groups * state
    return State(max(kernel - 1, 0) * channels, state * inner, inner, channels)


def gated_delta(
    *, kernel: int, key_heads: int, key_dim: int, value_heads: int, value_dim: int
) -> State:
    """Gated delta net: one key_dim x value_dim matrix a value head; q, k and v pass a convolution."""
    return mamba(kernel=kernel, inner=value_heads * value_dim, state=key_dim, groups=key_heads)


def kimi_delta(*, kernel: int, heads: int, head_dim: int) -> State:
    """Kimi delta attention: a square matrix a head, and a convolution each for q, k and v."""
    inner = heads * head_dim
    return State(3 * max(kernel - 1, 0) * inner, head_dim * inner, inner, 3 * inner)


def short_conv(*, taps: int, hidden: int) -> State:
    """LFM2's gated short convolution: the inputs it still looks back to."""
    return State(hidden * max(taps - 1, 0), 0, hidden, hidden)


def rwkv(*, hidden: int, head_size: int, shifts: int) -> State:
    """RWKV 5 to 7: the token shifts, and a square matrix a head."""
    return State(shifts * hidden, hidden * head_size, hidden, 0)


def linear(*, heads: int, head_dim: int) -> State:
    """Linear attention such as MiniMax's lightning: a square matrix a head, no convolution."""
    return State(0, heads * head_dim * head_dim, heads * head_dim, 0)


def griffin(*, width: int, kernel: int) -> State:
    """RecurrentGemma: a diagonal state as wide as the recurrent unit."""
    return State(max(kernel - 1, 0) * width, width, width, width)
