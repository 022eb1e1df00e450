"""Which parser reads a file, by its name."""

from pathlib import PurePosixPath

from explorer.spans import Reading
from explorer.weights import gguf, safetensors, torch_zip
from explorer.weights.tensors import Format, Header

_BY_SUFFIX: dict[str, Format] = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".bin": "torch",
    ".ckpt": "torch",
    ".pt": "torch",
    ".pth": "torch",
}

_NOT_WEIGHTS = (
    *("training_args", "optimizer", "scheduler", "scaler", "rng_state", "random_states"),
    "openvino_",
)
"""Beginnings of names that trainers give to torch files without weights, and OpenVINO to its own ``.bin``."""


def format_of(path: str) -> Format | None:
    """The format that a file's name promises, or None when it is no weight file."""
    name = PurePosixPath(path.replace("\\", "/")).name.lower()
    found = _BY_SUFFIX.get(PurePosixPath(name).suffix)
    if found == "torch" and name.startswith(_NOT_WEIGHTS):
        return None
    return found


def reading_for(path: str, size_bytes: int | None) -> Reading[Header] | None:
    """The reading of this file's header, to be driven by who has its bytes; None if no parser reads it."""
    match format_of(path):
        case "safetensors":
            return safetensors.read_header(path, size_bytes)
        case "gguf":
            return gguf.read_header(path, size_bytes)
        case "torch":
            return torch_zip.read_header(path, size_bytes)
        case None:
            return None
