"""Full-size models as files for llama.cpp, written from the descriptions of the accuracy tests."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from explorer.spans import Span, drive
from explorer.weights.gguf import read_header
from tests.accuracy.oracle import write_sparse
from tests.accuracy.plans import description
from tests.hub.contents import ZeroFilled


@cache
def described(model: str) -> ZeroFilled:
    """The file of a model: its header, and zeros that take no room."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        write_sparse(description(model), path)
        size = path.stat().st_size
        with path.open("rb") as file:

            def fetch(span: Span) -> bytes:
                file.seek(span.start)
                return file.read(span.size)

            stop = drive(read_header("model.gguf", size), fetch).data_start
            file.seek(0)
            return ZeroFilled(file.read(stop), size)
