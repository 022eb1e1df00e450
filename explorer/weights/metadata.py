"""What headers say beside their tensors: key-values of GGUF, ``__metadata__`` of safetensors."""

from explorer.weights.checkpoint import Checkpoint
from explorer.weights.tensors import LongArray, MetadataValue

_MOST_ELEMENTS = 8


def gather(checkpoint: Checkpoint) -> dict[str, MetadataValue]:
    """Return the metadata of all files by key; the first file's, by path, where several have a key."""
    found: dict[str, MetadataValue] = {}
    for shard in sorted(checkpoint.shards, key=lambda shard: shard.path):
        if shard.header is not None:
            found = {**shard.header.metadata, **found}
    return found


def written(value: MetadataValue, longest: int = 200) -> str:
    """Return a value for people: arrays by their beginning and length, long texts cut."""
    if isinstance(value, LongArray):
        return f"{value.length:,} x {value.element_type}, not read"
    if isinstance(value, tuple):
        shown = ", ".join(written(item, longest // 4) for item in value[:_MOST_ELEMENTS])
        more = f", … {len(value):,} in all" if len(value) > _MOST_ELEMENTS else ""
        return f"[{shown}{more}]"
    text = str(value)
    if len(text) > longest:
        return f"{text[:longest]}… ({len(text):,} characters)"
    return text
