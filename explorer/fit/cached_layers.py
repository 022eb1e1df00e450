"""The layers of a model that keep a cache, counted by kind."""

from collections.abc import Callable
from typing import NamedTuple

from explorer.fit.architecture import Architecture, Layer, Mixer


class CachedLayers(NamedTuple):
    """Layers whose caches are alike."""

    layer: Layer
    """The first of them."""
    size_bytes: int
    """Of the cache of one, for one sequence."""
    number: int


def cached_layers(
    architecture: Architecture, size_of: Callable[[Layer], int]
) -> list[CachedLayers]:
    """Layers of equal mixer, window and cache, whatever their feed-forward part; none without a cache."""
    found: dict[tuple[Mixer, int, int], CachedLayers] = {}
    for layer, count in architecture.groups:
        size = size_of(layer)
        if size:
            key = (layer.mixer, size, layer.window_tokens or 0)
            alike = found.get(key, CachedLayers(layer, size, 0))
            found[key] = alike._replace(number=alike.number + count)
    return list(found.values())
