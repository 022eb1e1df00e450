"""What a model is made of, as far as memory and speed are concerned."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mixer(StrEnum):
    """How a layer mixes tokens, which decides what it remembers."""

    FULL = "full"
    SLIDING = "sliding"
    CHUNKED = "chunked"
    MLA = "mla"
    SHARED = "shared"
    """Reuses another layer's KV cache and owns none."""
    CROSS = "cross"
    """Attends to an encoder's output as well as to itself."""
    MAMBA1 = "mamba1"
    MAMBA2 = "mamba2"
    GATED_DELTA = "gated_delta_net"
    KIMI_DELTA = "kimi_delta"
    LINEAR = "linear_attention"
    """Any other linear attention with a constant state."""
    RWKV = "rwkv"
    SHORT_CONV = "short_conv"
    NONE = "none"
    """An encoder layer, or one without any mixer: nothing is remembered."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer block's shape. Equal layers are equal values, so that they can be counted.

    A block with both attention and a recurrent part side by side (Falcon-H1, Zamba2) has an attention
    mixer and the sizes of its state.
    """

    mixer: Mixer
    heads: int = 0
    kv_heads: int = 0
    head_dim_k: int = 0
    """Key width a head; for MLA the cached latent plus rope part of the single shared head."""
    head_dim_v: int = 0
    """Value width a head; for MLA the latent, which is a view of the key."""
    window_tokens: int | None = None
    """Sliding window or chunk, in tokens; for cross attention the encoder's length, where it is fixed."""
    conv_elements: int = 0
    """Recurrent kinds: elements of convolution state a sequence."""
    state_elements: int = 0
    """Recurrent kinds: elements of state a sequence."""
    indexer_dim: int = 0
    """Sparse attention: width of the indexer's own key cache."""
    indexer_heads: int = 0
    indexer_top: int = 0
    """Sparse attention: tokens that the indexer picks."""
    nope_dim: int = 0
    """MLA: width a head of the query part without rotary positions."""
    value_dim: int = 0
    """MLA: width a head of the values once they are spread from the latent."""
    inner: int = 0
    """Recurrent kinds: width of the values that pass the state."""
    conv_channels: int = 0
    """Recurrent kinds: channels of the convolution."""
    feed_forward: int = 0
    """Width of the dense feed-forward part; 0 if the block has experts only."""
    experts: int = 0
    experts_used: int = 0
    expert_feed_forward: int = 0
    shared_feed_forward: int = 0
    """Width of the shared experts, all together."""

    @property
    def caches(self) -> bool:
        """Whether keys and values of its own are kept."""
        return self.kv_heads > 0 and self.mixer not in (Mixer.NONE, Mixer.SHARED)

    @property
    def recurrent(self) -> bool:
        """Whether a constant state is kept, beside or instead of a KV cache."""
        return self.state_elements > 0 or self.conv_elements > 0


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of a model, from config.json or from GGUF metadata."""

    name: str
    """The class or GGUF architecture, as the file says: ``Qwen3ForCausalLM``, ``qwen3moe``."""
    model_type: str
    layers: tuple[Layer, ...]
    """Blocks of the language model in order, without MTP layers; an encoder's blocks come first."""
    hidden: int
    vocabulary: int
    context_tokens: int | None
    """As the file states it; None if it does not."""
    tied_embeddings: bool = False
    mtp_layers: int = 0
    encoder_layers: int = 0
    """Of an encoder-decoder; its cross KV is kept by the decoder's layers."""
    kind: str = "decoder"
    """``decoder``, ``encoder``, ``encoder-decoder`` or ``diffusion``."""
    known: bool = True
    """The model type is one whose layout was checked; otherwise full attention was assumed."""
    assumptions: tuple[str, ...] = ()
    """What had to be supposed, a sentence each."""
    per_layer_width: int = 0
    """Width of the embeddings that each layer of Gemma 3n and 4 has of its own."""
    picture_streams: int = 0
    """Further streams of a picture that are added to the first blocks, as Qwen3-VL does."""
    supposed: bool = False
    """The shape follows from a parameter count alone, not from any file: it may hide experts."""
    groups: tuple[tuple[Layer, int], ...] = field(init=False, repr=False, compare=False)
    """The distinct layers and how many of each, in order of appearance."""
    fingerprint: int = field(init=False, repr=False, compare=False)
    """The hash, counted once: what is worked out for an architecture is looked up by it."""

    def __hash__(self) -> int:
        return self.fingerprint

    def __post_init__(self) -> None:
        counts: dict[int, int] = {}
        for layer in self.layers:
            counts[id(layer)] = counts.get(id(layer), 0) + 1
        merged: dict[Layer, int] = {}
        for layer in self.layers:
            if count := counts.pop(id(layer), 0):
                merged[layer] = merged.get(layer, 0) + count
        groups = tuple(merged.items())
        object.__setattr__(self, "groups", groups)
        key = (self.name, groups, self.hidden, self.vocabulary, self.context_tokens)
        object.__setattr__(self, "fingerprint", hash(key))

    @property
    def draft_layer(self) -> Layer | None:
        """The shape of a block of multi-token prediction: that of the last one with a cache of its own.

        None for models without such blocks.
        """
        if not self.mtp_layers:
            return None
        return next((layer for layer in reversed(self.layers) if layer.caches), None)

    @property
    def attention(self) -> dict[str, int]:
        """Number of layers by mixer, in order of appearance."""
        kinds: dict[str, int] = {}
        for layer, count in self.groups:
            kinds[layer.mixer.value] = kinds.get(layer.mixer.value, 0) + count
        return kinds
