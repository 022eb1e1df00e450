"""A shape supposed from a parameter count alone, for models whose configuration was not read."""

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.families import ENCODERS

HEAD_DIM = 128
KV_HEADS = 8
FEED_FORWARD_RATIO = 3.5
VOCABULARY = 128_000
SHAPES: tuple[tuple[float, int, int], ...] = (
    (0.0, 24, 896),
    (0.8e9, 28, 1536),
    (2.5e9, 32, 2560),
    (6e9, 32, 4096),
    (12e9, 40, 5120),
    (25e9, 64, 5120),
    (50e9, 80, 8192),
    (150e9, 96, 12288),
    (350e9, 126, 16384),
)
"""From so many parameters on: layers and width, as dense models of that size were published
(Qwen2.5 0.5B to 32B, Llama 3.1 8B, 70B and 405B)."""


def from_parameters(parameters: int, model_type: str = "") -> Architecture:
    """A dense model of about this many parameters, with grouped-query attention unless it is an encoder.

    Its weights are scaled to the count by whoever plans them; what this supplies is the size of the
    KV cache and the compute buffer. ``known`` is False and the supposition is said.
    """
    layers, hidden = next((n, h) for least, n, h in reversed(SHAPES) if parameters >= least)
    encoder = model_type in ENCODERS
    layer = Layer(
        Mixer.NONE if encoder else Mixer.FULL,
        heads=max(hidden // HEAD_DIM, 1),
        kv_heads=max(hidden // HEAD_DIM, 1)
        if encoder
        else min(KV_HEADS, max(hidden // HEAD_DIM, 1)),
        head_dim_k=HEAD_DIM,
        head_dim_v=HEAD_DIM,
        feed_forward=round(hidden * FEED_FORWARD_RATIO),
    )
    return Architecture(
        name=model_type or "unknown",
        model_type=model_type or "unknown",
        layers=(layer,) * layers,
        hidden=hidden,
        vocabulary=VOCABULARY,
        context_tokens=None,
        tied_embeddings=parameters < 4_000_000_000,
        kind="encoder" if encoder else "decoder",
        known=False,
        supposed=True,
        assumptions=(
            "The configuration was not read: the shape is that of dense models of this size.",
        ),
    )
