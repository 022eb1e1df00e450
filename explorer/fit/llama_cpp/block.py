"""One block of a graph that is being laid out, and what the blocks of a graph share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from explorer.fit.architecture import Layer, Mixer
from explorer.fit.llama_cpp.allocator import HOST, Graph
from explorer.fit.llama_cpp.settings import BLOCK_BYTES

FETCHED_FIRST = (Mixer.MAMBA1, Mixer.MAMBA2, Mixer.SHORT_CONV)
"""What fetches its state before the stream is normalised, and before the block before it ends."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the blocks of one graph share."""

    row: int
    """Bytes of one f32 element a token: 4 x tokens of a micro-batch."""
    hidden: int
    """Bytes of the residual stream."""
    model_type: str
    flash_attention: bool
    sequences: int = 1
    streams: int = 1
    cuda: bool = False
    """CUDA fuses what follows rotations and the weighing of experts, which then take memory of their
    own, and makes f16 copies of a quantized cache for flash attention."""
    type_k: str = "f16"
    type_v: str = "f16"

    @property
    def quantized_keys(self) -> bool:
        """Keys are kept in blocks of a shared scale."""
        return BLOCK_BYTES[self.type_k][0] > 1

    @property
    def quantized_values(self) -> bool:
        """Values are."""
        return BLOCK_BYTES[self.type_v][0] > 1


@dataclass(slots=True)
class Inputs:
    """Tensors that blocks read besides the residual stream."""

    position: int
    indices: int
    """The cells to write to."""
    masks: dict[bool, int]
    """The masks of windowed and of other layers."""
    turn_keys: int = -1
    """What keys and queries, and values, are rotated by before they are quantized."""
    turn_values: int = -1
    indexed: int = -1
    """The mask that indexers score with."""
    per_layer: int = 0
    """Bytes of one layer's own embeddings."""
    all_layers: int = 0
    """Bytes of all layers'."""
    embedded: int = -1
    """The embeddings of the tokens, from which the first block makes those of the layers."""
    looked_up: int = -1
    made: int = -1
    """All layers' embeddings, once they are made."""

    @property
    def windowed(self) -> bool:
        """Whether some blocks have a window, which builds keys before values."""
        return True in self.masks


@dataclass(slots=True)
class Block:
    """One block of a graph that is being laid out."""

    graph: Graph
    shape: Shape
    layer: Layer
    inputs: Inputs
    cells: int
    """Tokens it attends to, a stream."""
    lent: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the weights that are on the host and worked with on a device."""
    hosted: bool = False
    """Its caches are on the host, though its nodes are on a device."""
    following: "Block | None" = None
    """The next block. Its recurrent state is fetched before this one ends."""
    place: int = HOST
    zeros: int = -1
    """What the mask of the tokens its indexer picks is made with, which is there from the start."""
    stream: int = -1
    """What it is given."""
    full: Shape | None = None
    """The shape before only the rows with an output were left."""
    kept: int | None = None
    """The columns that a convolution kept, once they are fetched."""

    @property
    def whole(self) -> Shape:
        """The shape of all rows, also where few are left."""
        return self.full or self.shape

    def fetched(self) -> int:
        """The columns that a convolution kept."""
        if self.kept is None:
            state = 4 * self.shape.sequences * self.layer.conv_elements
            self.kept = self.graph.new(state, *self.cached(state))
        return self.kept

    def look_ahead(self) -> None:
        """Fetch what the next block kept, where it is: what follows and has no weight is computed there."""
        following = self.following
        if following is not None and following.layer.mixer in FETCHED_FIRST:
            self.graph.place = following.place
            following.fetched()

    def normed(self, stream: int) -> int:
        """The stream, normalised."""
        found = self.graph.new(self.shape.hidden, stream)
        if "norm" in self.lent:
            found = self.graph.over(self.shape.hidden, found, *self.weight("norm"))
        return found

    def times(self, role: str, size: int, *sources: int) -> int:
        """The product with a weight."""
        return self.graph.new(size, *self.weight(role), *sources)

    def weight(self, role: str) -> tuple[int, ...]:
        """A weight that is on the host; nothing where it is where it is needed."""
        size = self.lent.get(role)
        return (self.graph.stored(size, HOST, weight=True),) if size else ()

    def keep(self, *sources: int) -> None:
        """Write into a cache, where it is."""
        place = self.graph.place
        if self.hosted:
            self.graph.place = HOST
        self.graph.use(*sources)
        self.graph.place = place

    def cached(self, size: int) -> tuple[int, ...]:
        """What is read of a cache that is on the host; nothing where it is where it is needed."""
        return (self.graph.stored(size, HOST),) if self.hosted else ()
