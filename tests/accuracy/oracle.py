"""llama.cpp itself, asked what it would allocate for files that the tests write.

The library is that of ``explorer.engine``; what is written here is a sparse GGUF file of a description: a
real header, and a hole for the data.
"""

from pathlib import Path
from typing import Any

import gguf


def write_sparse(description: dict[str, Any], path: Path) -> None:
    """A GGUF file with a real header and a hole where its data would be."""
    metadata = description["metadata"]
    writer = gguf.GGUFWriter(path, metadata["general.architecture"])
    for key, value in metadata.items():
        if key != "general.architecture":
            _add(writer, key, value)
    size = 0
    for name, dtype, shape in description["tensors"]:
        kind = gguf.GGMLQuantizationType[dtype]
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        elements = 1
        for extent in shape:
            elements *= extent
        nbytes = elements // block * block_bytes
        writer.tensors[0][name] = gguf.gguf_writer.TensorInfo(
            shape=tuple(reversed(shape)), dtype=kind, nbytes=nbytes
        )
        size += -(-nbytes // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        start = -(-file.seek(0, 2) // 32) * 32
        file.truncate(start + size)


def _add(writer: gguf.GGUFWriter, key: str, value: object) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    else:
        writer.add_string(key, str(value))
