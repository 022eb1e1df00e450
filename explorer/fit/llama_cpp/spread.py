"""Compute buffers of a model that is spread over devices and the host.

Blocks on the host are computed on the first device all the same, a micro-batch at a time: each of their
matrices is copied over when it is needed, and so is what is read of their caches (``op_offload``). What
that takes depends on which kinds of blocks are where, hardly on how many of many.
"""

from dataclasses import dataclass
from functools import lru_cache

from explorer.fit.architecture import Architecture, Layer
from explorer.fit.llama_cpp.builds import scales_positions
from explorer.fit.llama_cpp.compute import Spot, buffers
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.matrices import matrices
from explorer.fit.synthesis import matrix_bytes
from explorer.fit.weight_map import WeightMap

_FEW = (0, 1, 2, 3, 6, 12)
"""Numbers of blocks on the host that are told apart: a kind of block seen thrice leaves the same holes from
then on."""
_NORM = "norm"
"""The role of a block's norms, whose weights are copied too."""
_POSITIONS = "rope_freqs"


@dataclass(frozen=True, slots=True)
class Spread:
    """A model, and how it is run."""

    architecture: Architecture
    settings: Settings
    windowed: bool
    quantization: str
    bits: tuple[int, int]
    """Bits a weight, outside and in the experts, in hundredths: for types that rules do not tell."""

    def buffers(self, devices: int, host: int = 0, experts: int = 0) -> tuple[int, ...]:
        """Bytes on the host and on each device.

        The first ``host`` blocks are on the host, and of the first ``experts`` their experts; ``devices``
        share the rest.
        """
        return _buffers(self, devices, self._few(host), self._few(experts))

    def _few(self, number: int) -> int:
        """About so many: more or less of many hardly matters."""
        blocks = len(self.architecture.layers)
        return min(
            next((few for few in _FEW if number <= few), blocks // 2), max(number, blocks // 2)
        )


def spread(
    architecture: Architecture, settings: Settings, weights: WeightMap, *, windowed: bool
) -> Spread:
    """How an architecture's blocks with these weights can be spread."""
    dense, experts = _elements(architecture)
    sizes = [
        sum([block.dense_bytes for block in weights.blocks]),
        sum([block.expert_bytes for block in weights.blocks]),
    ]
    bits = [
        round(800 * size / count) if count else 0
        for size, count in zip(sizes, (dense, experts), strict=True)
    ]
    return Spread(architecture, settings, windowed, weights.quantization, (bits[0], bits[1]))


@lru_cache(maxsize=4096)
def _elements(architecture: Architecture) -> tuple[int, int]:
    """Of all blocks, outside and in the experts."""
    dense = experts = 0
    for layer, count in architecture.groups:
        for matrix in matrices(layer, architecture.hidden, architecture.model_type):
            size = matrix.columns * matrix.rows * count
            if matrix.role.endswith("_exps"):
                experts += size
            else:
                dense += size
    return dense, experts


@lru_cache(maxsize=4096)
def _buffers(run: Spread, devices: int, host: int, experts: int) -> tuple[int, ...]:
    layers = run.architecture.layers
    rest = len(layers) - host
    # shared out evenly, the head counted as one more block
    edges = [host - (-(rest + 1) * device // devices) for device in range(1, devices + 1)]
    lent = _lent(run) if host or experts else ()
    resident = [Spot(device) for device in range(devices)]
    made: dict[Spot, Spot] = {}
    spots = []
    for index in range(len(layers)):
        if index < host:
            spot = Spot(0, hosted=True, lent=lent[index])
        else:
            spot = resident[next(place for place, stop in enumerate(edges) if index < stop)]
            if index < min(experts, edges[0]):
                routed = [pair for pair in lent[index] if pair[0].endswith("_exps")]
                spot = Spot(spot.place, lent=tuple(routed))
        spots.append(made.setdefault(spot, spot))
    return buffers(run.architecture, run.settings, spots, windowed=run.windowed)


def _lent(run: Spread) -> list[tuple[tuple[str, int], ...]]:
    """Roles and bytes of each block's matrices."""
    architecture = run.architecture
    small = [(_NORM, 4 * architecture.hidden)]
    if scales_positions(architecture):
        small.append((_POSITIONS, 2 * max(layer.head_dim_k for layer, _ in architecture.groups)))
    by_rules = matrix_bytes(architecture, run.quantization)
    if by_rules is not None:
        return [(*sizes, *small) for sizes in by_rules]
    found = {id(layer): (*_proportional(layer, run), *small) for layer in architecture.layers}
    return [found[id(layer)] for layer in architecture.layers]


def _proportional(layer: Layer, run: Spread) -> list[tuple[str, int]]:
    """Of a type that rules do not tell, as many bits everywhere."""
    dense, experts = run.bits
    found = []
    for one in matrices(layer, run.architecture.hidden, run.architecture.model_type):
        bits = experts if one.role.endswith("_exps") else dense
        found.append((one.role, one.columns * one.rows * bits // 800))
    return found
