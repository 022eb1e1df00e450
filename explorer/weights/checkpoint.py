"""A model's weight files taken together, as far as their headers have arrived."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from explorer.errors import ExplorerError
from explorer.units import count as written
from explorer.weights.components import Component, Part
from explorer.weights.counts import Counts, Described, Reading, count, shared
from explorer.weights.json_values import JsonObject
from explorer.weights.packing import UNPACKABLE
from explorer.weights.quantization import Quantization, from_config
from explorer.weights.tensors import Format, Header, Tensor

_EXPERTS = (
    "n_routed_experts",
    "num_experts",
    "num_local_experts",
    "moe_num_experts",
    "num_routed_experts",
)
_EXPERTS_USED = (
    "num_experts_per_tok",
    "experts_per_token",
    "num_experts_per_token",
    "moe_topk",
    "moe_k",
    "top_k_experts",
)
_NESTED = ("text_config", "llm_config", "language_config", "thinker_config", "ffn_config")
# What a text token passes through. The input embedding is a look-up of one row.
_PER_TOKEN = (
    Component.BACKBONE,
    Component.OUTPUT_HEAD,
    Component.TIED_HEAD,
    Component.ADAPTER,
)
_MOST_NAMED = 8
_BLOCK_PREFIXES = (
    "model.layers",
    "model.language_model.layers",
    "language_model.model.layers",
    "layers",
    "blk",
)


@dataclass(frozen=True, slots=True)
class Shard:
    """One weight file: its header, or why there is none."""

    path: str
    size_bytes: int
    header: Header | None
    error: ExplorerError | None = None
    kinds: tuple[Described, ...] = field(default=(), repr=False)
    """What each tensor of the header stands for, once it is part of a checkpoint."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Files that make up one model. Grows by ``with_shard``, each growth a new value."""

    format: Format
    quantization: Quantization | None = None
    """As the configuration declares it; of a GGUF, what its dtypes come to (method ``gguf``)."""
    shards: tuple[Shard, ...] = ()
    """In order of arrival."""
    counts: Counts = field(default_factory=Counts)
    expected: tuple[str, ...] = ()
    """Paths of the files that belong to the model; empty if that is not known."""
    components: Mapping[str, str] = field(default_factory=dict)
    """Path to component where the folder decides it, as in diffusers."""
    layers: int | None = None
    """Blocks of the language model itself; numbered layers beyond are MTP layers."""
    tied_embeddings: bool = False
    """The configuration says that the output head is the input embedding again."""
    repeated: tuple[str, ...] = ()
    """``duplicates()`` of a complete checkpoint, looked for once."""

    @classmethod
    def expecting(
        cls,
        paths: Iterable[str],
        file_format: Format,
        config: JsonObject | None = None,
        hf_quant_config: JsonObject | None = None,
        components: Mapping[str, str] | None = None,
    ) -> "Checkpoint":
        """Return an empty checkpoint of these files, to be read as this config.json says."""
        config = config or {}
        layers = _number(config, ("num_hidden_layers", "n_layer", "num_layers"))
        return cls(
            file_format,
            from_config(config, hf_quant_config) if file_format != "gguf" else None,
            expected=tuple(paths),
            components=dict(components or {}),
            layers=layers,
            tied_embeddings=_is_tied(config),
        )

    def with_shard(self, shard: Shard) -> "Checkpoint":
        """Return the checkpoint with one more file. Work grows with the new file only.

        A file that failed before is replaced; one that was read stays as it was.
        """
        known = next((old for old in self.shards if old.path == shard.path), None)
        if known is not None and (known.header is not None or shard.header is None):
            return self
        before = tuple(old for old in self.shards if old is not known)
        if shard.header is None:
            return replace(self, shards=(*before, shard))
        layers = self.layers or _gguf_layers(shard.header)
        grown = replace(self, layers=layers)
        counts = self.counts
        if self.layers is None and layers is not None:
            # A later part of a split GGUF may come before the first, which alone knows the layers.
            before = tuple(_understood(old, grown.reading(old.path)) for old in before)
            counts = reduce(Counts.plus, map(_counted, before), Counts())
        shard = _understood(shard, grown.reading(shard.path))
        counts = counts.plus(_counted(shard))
        grown = replace(grown, shards=(*before, shard), counts=counts)
        if self.format == "gguf":
            grown = replace(grown, quantization=_of_dtypes(counts))
        if grown.expected and grown.complete:
            return replace(grown, repeated=grown.duplicates())
        return grown

    def reading(self, path: str) -> Reading:
        """Return how the tensors of one file are to be understood."""
        beyond: tuple[str, ...] = ()
        if self.layers is not None:
            # Eight is more than any published model has.
            numbers = range(self.layers, self.layers + 8)
            beyond = tuple(f"{prefix}.{n}." for prefix in _BLOCK_PREFIXES for n in numbers)
        declared = None if self.format == "gguf" else self.quantization
        return Reading(
            declared,
            self.components.get(path),
            beyond,
            tied=self.tied_embeddings,
            shares=self.format == "torch",
        )

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every tensor that has arrived with the path of its file."""
        for shard in self.shards:
            if shard.header is not None:
                for tensor in shard.header.tensors:
                    yield shard.path, tensor

    def stored(self) -> Iterator[Tensor]:
        """Yield the tensors that have arrived, of those that share their bytes (torch) one."""
        for shard in self.shards:
            tensors = shard.header.tensors if shard.header is not None else ()
            again = set[int]()
            if self.format == "torch":
                again = {id(t) for group in shared(tensors) for t in group[1:]}
            yield from (tensor for tensor in tensors if id(tensor) not in again)

    def described(
        self, paths: Collection[str] | None = None
    ) -> Iterator[tuple[str, Tensor, Described]]:
        """Yield the tensors of all files, or of some, with their file and what they stand for."""
        for shard in self.shards:
            if shard.header is not None and (paths is None or shard.path in paths):
                for tensor, kind in zip(shard.header.tensors, shard.kinds, strict=True):
                    yield shard.path, tensor, kind

    @property
    def missing(self) -> tuple[str, ...]:
        """Expected files whose header has not arrived, or failed."""
        read = {shard.path for shard in self.shards if shard.header is not None}
        return tuple(path for path in self.expected if path not in read)

    @property
    def complete(self) -> bool:
        """Every expected file was read, and none of the read ones failed."""
        return not self.missing and all(shard.header is not None for shard in self.shards)

    def duplicates(self) -> tuple[str, ...]:
        """Names that stand in more than one file of the same folder: each copy is counted."""
        seen: dict[str, set[str]] = {}
        twice: list[str] = []
        for shard in self.shards:
            names = [tensor.name for tensor in shard.header.tensors] if shard.header else []
            known = seen.setdefault(shard.path.rpartition("/")[0], set())
            twice += (name for name in names if name in known)
            known.update(names)
        return tuple(twice)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what is missing, malformed or not fully understood."""
        return tuple(self._warnings())

    def _warnings(self) -> Iterator[str]:
        for shard in self.shards:
            if shard.error is not None:
                yield f"{shard.path} could not be read: {shard.error}"
            elif shard.header is not None:
                for problem in shard.header.problems:
                    yield f"{shard.path}: {problem}"
        if self.repeated:
            more = f" and {len(self.repeated) - 1} more" if len(self.repeated) > 1 else ""
            yield f"{self.repeated[0]}{more} in two files: each copy is counted"
        if self.quantization is not None and self.quantization.method in UNPACKABLE:
            method = self.quantization.method
            yield f"the containers of {method} do not tell their width: parameters are as stored"
        yield from self._shared()
        head = self.counts.by_component.get(Component.TIED_HEAD, 0)
        if head:
            yield f"the output head is a stored copy of the embedding: {written(head)} parameters"

    def _shared(self) -> Iterator[str]:
        if self.format != "torch":
            return
        for shard in self.shards:
            groups = shared(shard.header.tensors) if shard.header else ()
            if groups:
                first = " = ".join(tensor.name for tensor in groups[0][:_MOST_NAMED])
                more = f", and {len(groups) - 1} more" if len(groups) > 1 else ""
                yield f"{first}{more}: the same bytes under several names, counted once"

    def hub_difference(self, published: int | None) -> str | None:
        """Say why the hub's own total differs from ``counts.parameters``; None if it does not.

        The explanations are tried one by one, and the last says that none was found.
        """
        counts = self.counts
        if published is None or published == counts.parameters or not self.complete:
            return None
        auxiliary = counts.elements - counts.weight_elements
        explanations = {
            counts.weight_elements: "counts packed containers as they are stored",
            counts.elements: "counts stored elements, scales and zero points included",
            counts.parameters + auxiliary: "counts scales and zero points as parameters",
            counts.parameters + counts.scalars: "counts tensors without dimensions",
        }
        main = [counts.by_component.get(name, 0) for name in ("transformer", "unet")]
        for part in filter(None, main):
            explanations.setdefault(part, "counts the denoiser only")
        reason = explanations.get(published)
        # Before October 2026 bookkeeping was counted, and what lay in an I32 was unpacked eightfold.
        if reason is None and 0 < published - counts.parameters <= 8 * auxiliary:
            reason = "seems to count scales and the like, by the hub's earlier rules"
        if reason is None:
            return f"the hub's total is {published:,}, for a reason the headers do not show"
        return f"the hub's total is {published:,}: it {reason}"


def counts_input_embedding(model_type: str) -> bool:
    """Whether a family's publisher counts the input embedding among the active parameters.

    Qwen does (Qwen3-30B-A3B: 3.35 B with it, 3.04 B without; the card says 3.3 B). OpenAI, DeepSeek and
    Moonshot do not, and so nor do we where a publisher has not said.
    """
    return model_type.startswith("qwen")


def active_parameters(
    checkpoint: Checkpoint, config: JsonObject, *, input_embedding: bool = False
) -> int | None:
    """Return the parameters a text token passes through; None if the headers and config do not tell.

    Of the routed experts the share that the router picks; shared experts, routers, attention, norms and
    the output head whole. Vision and audio towers, projectors and MTP layers are left out. The input
    embedding is left out as well, being a look-up of one row, unless it serves as the output head too:
    so count OpenAI (gpt-oss-20b: 3.6 B), DeepSeek (V3: 37 B) and Moonshot (K2: 32 B). Qwen's figures
    (Qwen3-30B-A3B: 3.3 B) include it: ``input_embedding=True``.

    For a dense model this is every parameter of the model, as it is published.
    """
    counts = checkpoint.counts
    routed = sum(
        number for (_, part), number in counts.by_part.items() if part is Part.ROUTED_EXPERT
    )
    if not routed:
        return counts.parameters or None
    experts = _number(config, _EXPERTS) or _gguf_number(checkpoint, ".expert_count")
    used = _number(config, _EXPERTS_USED) or _gguf_number(checkpoint, ".expert_used_count")
    if experts is None or used is None or used > experts:
        return None
    active = 0
    for (component, part), number in counts.by_part.items():
        if component in _PER_TOKEN:
            active += number * used // experts if part is Part.ROUTED_EXPERT else number
    embedding = counts.by_component.get(Component.EMBEDDING, 0)
    heads = (Component.OUTPUT_HEAD, Component.TIED_HEAD)
    untied = sum(counts.by_component.get(head, 0) for head in heads)
    return active + embedding if input_embedding or not untied else active


def _number(config: JsonObject, keys: tuple[str, ...]) -> int | None:
    """First positive integer under any of the keys, nested text configurations included."""
    for level in (config, *(config.get(key) for key in _NESTED)):
        if not isinstance(level, Mapping):
            continue
        for key in keys:
            value = level.get(key)
            if isinstance(value, list) and value:
                value = value[0]
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**6:
                return value
    return None


def _understood(shard: Shard, reading: Reading) -> Shard:
    if shard.header is None:
        return shard
    return replace(shard, kinds=tuple(reading.kinds(shard.header.tensors)))


def _counted(shard: Shard) -> Counts:
    return count(zip(shard.header.tensors, shard.kinds, strict=True)) if shard.header else Counts()


def _of_dtypes(counts: Counts) -> Quantization | None:
    """The quantization of a GGUF: named for the dtype of most weights, with the bits of all of them."""
    bits = counts.quantized_bits_per_weight
    if bits is None:
        return None
    main = max(counts.by_dtype, key=lambda dtype: counts.by_dtype[dtype])
    return Quantization("gguf", round(bits, 2), None, f"mostly {main}, {bits:.2f}-bit", format=main)


def _gguf_number(checkpoint: Checkpoint, ending: str) -> int | None:
    """A number of the metadata that the first part of a GGUF carries."""
    headers = (shard.header for shard in checkpoint.shards if shard.header is not None)
    return next((found for header in headers if (found := _ending(header, ending))), None)


def _ending(header: Header, ending: str) -> int | None:
    """Value of the key of this ending, which an architecture's name precedes; GGUF only."""
    if header.format != "gguf":
        return None
    values = (value for key, value in header.metadata.items() if key.endswith(ending))
    found = next(values, None)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def _gguf_layers(header: Header) -> int | None:
    """Blocks of the model itself: ``block_count`` has the MTP layers at its end."""
    blocks = _ending(header, ".block_count")
    return None if blocks is None else blocks - (_ending(header, ".nextn_predict_layers") or 0)


def _is_tied(config: JsonObject) -> bool:
    levels = (config, *(config.get(key) for key in _NESTED))
    return any(isinstance(x, Mapping) and x.get("tie_word_embeddings") is True for x in levels)
