"""Writes the headers beside it again: ``python -m tests.data.headers.make``."""

import struct

from gguf import GGUFReader

from tests.real_weights import HEADERS, SAFETENSORS, SMOLLM2, real_file


def without_vocabulary(data: bytes, end: int) -> bytes:
    """A little-endian GGUF header of ``end`` bytes with its tokenizer's arrays emptied."""
    head = data[:end]
    keys = [f"tokenizer.ggml.{part}".encode() for part in ("tokens", "token_type", "merges")]
    followers = [*keys[1:], b"tokenizer.ggml.bos_token_id"]
    for key, follower in zip(keys, followers, strict=True):
        count = head.index(key) + len(key) + 8  # behind the value's type and the elements' type
        body_end = head.index(struct.pack("<Q", len(follower)) + follower, count)
        head = head[:count] + bytes(8) + head[body_end:]
    return head + bytes(-len(head) % 32)


def _write_headers() -> None:
    for wanted in SAFETENSORS:
        with real_file(wanted).open("rb") as file:
            length = file.read(8)
            header = length + file.read(*struct.unpack("<Q", length))
        (HEADERS / f"{wanted.name}.header").write_bytes(header)
    path = real_file(SMOLLM2)
    last = GGUFReader(path).tensors[-1].field
    end = last.offset + sum(part.nbytes for part in last.parts)
    header = without_vocabulary(path.read_bytes()[:end], end)
    (HEADERS / f"{SMOLLM2.name}.header").write_bytes(header)


if __name__ == "__main__":
    _write_headers()
