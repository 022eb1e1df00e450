"""Why caches, states and steps are as large as they are, as the engines in Python explain it alike."""

from collections.abc import Callable

from explorer.fit.architecture import Architecture, Layer
from explorer.fit.cached_layers import cached_layers
from explorer.fit.values import Reason
from explorer.units import memory

STEP = "tokens of a step x (4 x hidden + the widest layer) x 2 bytes + "
"""How activations are estimated; what an engine adds to them comes after it."""


def of_caches(
    architecture: Architecture,
    sequences: int,
    size_of: Callable[[Layer], int],
    said: Callable[[Layer], tuple[str, str]],
    source: str,
) -> list[Reason]:
    """One reason a kind of layer; ``said`` is its formula, and the inputs beside layers and sequences."""
    found = []
    for layer, size, count in cached_layers(architecture, size_of):
        formula, inputs = said(layer)
        found.append(
            Reason(
                f"KV cache, {layer.mixer.value}",
                memory(size * count * sequences),
                formula,
                f"{count} layers x {sequences} x {inputs}",
                source,
            )
        )
    return found


def of_states(
    architecture: Architecture, sequences: int, size_bytes: int, element_bytes: str, source: str
) -> list[Reason]:
    """The recurrent state of all sequences, if the model has any."""
    count = sum(count for layer, count in architecture.groups if layer.recurrent)
    if not count:
        return []
    formula = f"layers x sequences x (convolution x 2 bytes + state x {element_bytes})"
    inputs = f"{count} layers x {sequences}"
    return [Reason("recurrent state", memory(size_bytes), formula, inputs, source)]
