"""Torch archives: tensors found without torch, hostile pickles reported and never run."""

import contextlib
import io
import math
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.errors import HeaderError
from explorer.weights.tensors import Header
from explorer.weights.torch_zip import read_header
from tests.weights.formats.reading import DATA, SparseWire, Wire, names
from tests.weights.formats.writers import Pickle, archive


def read(data: bytes) -> Header:
    return Wire(data).read(read_header("model.bin", len(data)))


def saved(name: str) -> bytes:
    return (DATA / "torch" / name).read_bytes()


def refused(data: bytes) -> str:
    with pytest.raises(HeaderError) as caught:
        read(data)
    return str(caught.value)


def facts(header: Header) -> dict[str, tuple[str, tuple[int, ...], int]]:
    return {t.name: (t.dtype, t.shape, t.size_bytes) for t in header.tensors}


def record_starts(data: bytes) -> set[int]:
    """Where data begins in an archive, by its local headers."""
    starts = set()
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        for info in zipped.infolist():
            at = info.header_offset
            starts.add(at + 30 + sum(struct.unpack_from("<2H", data, at + 26)))
    return starts


def test_a_state_dict_that_torch_saved() -> None:
    data = saved("state_dict.bin")
    header = read(data)
    assert header.format == "torch"
    assert facts(header) == {"fc.weight": ("F32", (4, 3), 48), "fc.bias": ("F32", (4,), 16)}
    assert {t.start for t in header.tensors} <= record_starts(data)
    assert header.problems == ()


def test_the_newer_types_of_torch() -> None:
    data = saved("dtypes.pt")
    header = read(data)
    assert facts(header) == {
        "a": ("BF16", (5,), 10),
        "b": ("F8_E4M3", (2, 2), 4),
        "c": ("I64", (), 8),
        "d": ("U16", (3,), 6),
        "e": ("F16", (0, 4), 0),
        "f": ("C64", (2,), 16),
        "g": ("BOOL", (6,), 6),
    }
    assert {t.start for t in header.tensors} <= record_starts(data)
    assert header.problems == ()


def test_tensors_that_share_a_storage_share_bytes_and_are_listed() -> None:
    header = read(saved("shared.pth"))
    embed, head, rows = header.tensors
    assert embed.start == head.start
    assert rows.start == embed.start + 3 * 4  # the second row of three floats
    assert header.metadata["shared_storages"] == ("embed.weight = head.weight = rows",)
    assert header.problems == ()


def test_nested_dicts_have_dotted_names() -> None:
    header = read(saved("nested.pt"))
    assert names(header) == [
        "state_dict.layer.0.weight",
        "optimizer.state.0.step",
        "optimizer.state.0.exp_avg",
    ]
    assert header.metadata == {"optimizer.lr": 0.1, "epoch": 7, "name": "tiny"}
    assert header.problems == ()


def test_quantized_tensors_views_and_numpy_scalars_are_harmless() -> None:
    header = read(saved("odd.pt"))
    assert facts(header) == {"q": ("QINT8", (2, 2), 4), "view": ("F32", (4, 4), 64)}
    assert header.problems == ()


def test_a_pickled_module_shows_its_tensors_and_what_it_would_call() -> None:
    header = read(saved("module.pt"))
    assert names(header) == ["0.weight", "0.bias"]
    assert "“torch.nn.modules.container.Sequential”" in header.problems[0]
    assert "not run here" in header.problems[0]


def test_a_legacy_file_is_said_to_be_one() -> None:
    assert "legacy torch file" in refused(saved("legacy.bin"))


def test_an_archive_laid_out_by_another_writer_costs_one_round_of_short_ranges() -> None:
    size = 200_000
    body = Pickle.mapping(
        {key: Pickle.tensor("HalfStorage", key, size // 2, (size // 2,)) for key in ("0", "1")}
    )
    data = archive(Pickle.whole(body), {"0": bytes(size), "1": bytes(size)})
    wire = Wire(data)
    header = wire.read(read_header("m", len(data)))
    assert {t.start for t in header.tensors} <= record_starts(data)
    assert [t.size_bytes for t in header.tensors] == [size, size]
    assert [len(spans) for spans in wire.rounds] == [
        2,
        1,
    ]  # head and tail; the second record's header
    assert wire.fetched < 140_000


def test_a_file_beyond_4_gib_is_read_at_its_two_ends() -> None:
    wire = SparseWire(saved("large.pt.head"), size_bytes=4_294_973_549, tail=saved("large.pt.tail"))
    header = wire.read(read_header("m", wire.size_bytes))
    assert header.problems == ()
    big, after, last = header.tensors
    assert (big.start, big.size_bytes) == (len(wire.data), 2**32 + 64)
    assert (after.size_bytes, last.size_bytes) == (4000, 20)
    assert big.start + big.size_bytes < after.start < last.start < wire.size_bytes
    assert after.start % 64 == last.start % 64 == 0
    tail_start = wire.size_bytes - len(wire.tail)
    assert wire.tail[after.start - tail_start :][:4000] == bytes(4000)
    assert [len(spans) for spans in wire.rounds] == [2]
    assert wire.fetched < 140_000


def test_storages_are_not_fetched() -> None:
    size = 5_000_000
    body = Pickle.mapping({"w": Pickle.tensor("ByteStorage", "0", size, (size,))})
    data = archive(Pickle.whole(body), {"0": bytes(size)})
    wire = Wire(data)
    assert names(wire.read(read_header("m", len(data)))) == ["w"]
    assert wire.fetched < 140_000


@pytest.mark.parametrize(
    ("tensor", "problem"),
    [
        (Pickle.tensor("FloatStorage", "0", 4, (5,)), "reaches beyond its storage of 16 bytes"),
        (Pickle.tensor("FloatStorage", "0", 4, (2,), offset=3), "reaches beyond its storage"),
        (Pickle.tensor("FloatStorage", "0", 5, (5,)), "has 16 bytes where 20 are declared"),
        (Pickle.tensor("FloatStorage", "9", 4, (4,)), "storage “9” is not in the archive"),
    ],
)
def test_a_tensor_that_does_not_fit_its_storage_is_named(tensor: bytes, problem: str) -> None:
    header = read(archive(Pickle.whole(Pickle.mapping({"w": tensor})), {"0": bytes(16)}))
    assert names(header) == ["w"]
    assert any(problem in found for found in header.problems), header.problems


def test_compression_is_said_since_torch_never_compresses() -> None:
    whole = Pickle.whole(Pickle.mapping({}))
    assert "compressed, which torch never does" in refused(
        archive(whole + bytes(100), {}, compression=zipfile.ZIP_DEFLATED)
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (b"version https://git-lfs.github.com/spec/v1", "no zip directory at its end"),
        (pickle.dumps({"a": 1}), "bare pickle"),
        (archive(b"", {})[:-30], "no zip directory"),
        (archive(b"", {}), "damaged"),
        (archive(b"\x80\x02N", {}), "damaged"),
        (archive(Pickle.whole(b""), {}), "its stack is empty"),
        (archive(Pickle.whole(b"h\x05"), {}), "there is no memo 5"),
        (archive(Pickle.whole(b"t"), {}), "a mark is missing"),
        (
            archive(Pickle.whole(Pickle.tensor("FloatStorage", "0", 1, (2**40, 2**40))), {}),
            "damaged",
        ),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, why: str) -> None:
    assert why in refused(data)


def test_an_archive_that_is_no_checkpoint() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("readme.txt", "hello")
    assert "without data.pkl" in refused(file.getvalue())


class Run:
    """Pickles as a call of ``os.mkdir``, which leaves a trace if anything runs it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_of_any_protocol_is_reported_and_nothing_runs(
    tmp_path: Path, protocol: int
) -> None:
    trace = tmp_path / "trace"
    hostile = pickle.dumps({"weights": [1, {"deep": Run(trace)}]}, protocol)
    header = read(archive(hostile, {}))
    assert f"“{os.mkdir.__module__}.mkdir”" in header.problems[0]
    assert "it was not run here" in header.problems[0]
    assert not trace.exists()
    pickle.loads(hostile)
    assert trace.exists()  # the pickle was a working one


@pytest.mark.parametrize(
    "body",
    [
        b"cos\nsystem\n" + Pickle.many(Pickle.text("true")) + b"R",
        Pickle.text("os") + Pickle.text("system") + b"\x93" + Pickle.many() + b"R",
        b"(" + Pickle.text("true") + b"ios\nsystem\n",
        b"(cos\nsystem\n" + Pickle.text("true") + b"o",
        b"cos\nsystem\n)\x81",
        b"cos\nsystem\n)}\x92",
        b"cos\nsystem\n)R}b",
    ],
    ids=["GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"],
)
def test_every_way_to_name_a_function_is_reported(body: bytes) -> None:
    tensor = Pickle.tensor("ByteStorage", "0", 4, (4,))
    header = read(archive(Pickle.whole(Pickle.mapping({"w": tensor, "x": body})), {"0": bytes(4)}))
    assert names(header) == ["w"]
    assert any("“os.system”" in problem for problem in header.problems)


@pytest.mark.parametrize("body", [b"\x82\x07", b"N)R"], ids=["EXT1", "None"])
def test_calls_without_a_name_are_reported(body: bytes) -> None:
    assert "was not run here" in read(archive(Pickle.whole(body), {})).problems[0]


def test_bombs_are_defused() -> None:
    doubled = b"}" + b"".join(
        b"q"
        + bytes([i])
        + b"0}("
        + Pickle.text("a")
        + b"h"
        + bytes([i])
        + Pickle.text("b")
        + b"h"
        + bytes([i])
        + b"u"
        for i in range(60)
    )  # 2**60 paths through 60 dicts
    assert "too many values" in refused(archive(Pickle.whole(doubled), {}))
    deep = b"}" + Pickle.text("a") + b"]" * 1 + b"(" + b"]" * 200_000 + b"e" + b"s"
    assert names(read(archive(Pickle.whole(deep), {}))) == []
    chain = b"N" + b"\x85" * 100_000
    assert "deep is left out" in read(archive(Pickle.whole(chain), {})).problems[0]
    own = b"]q\x00h\x00a"  # a list that holds itself
    assert "deep is left out" in read(archive(Pickle.whole(own), {})).problems[0]
    nest = b"]" * 200_000 + b"a" * 199_999
    assert "deep is left out" in read(archive(Pickle.whole(nest), {})).problems[0]
    huge = b"\x8b" + struct.pack("<i", 2**31 - 1) + b"1"
    assert "damaged" in refused(archive(Pickle.whole(huge), {}))
    number = b"\x8b" + struct.pack("<i", 100_000) + b"\x7f" * 100_000
    assert read(archive(Pickle.whole(b"]" + number + b"a"), {})).metadata == {}


_KINDS = {"FloatStorage": "F32", "HalfStorage": "F16", "LongStorage": "I64", "BoolStorage": "BOOL"}
_WIDTHS = {"F32": 4, "F16": 2, "I64": 8, "BOOL": 1}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        st.tuples(
            st.sampled_from(sorted(_KINDS)),
            st.lists(st.integers(0, 4), max_size=3),
            st.integers(0, 3),
        ),
        max_size=8,
    )
)
@settings(max_examples=100)
def test_random_state_dicts_are_read_back(written: dict[str, tuple[str, list[int], int]]) -> None:
    tensors, storages, expected = {}, {}, {}
    for key, (name, (kind, shape, offset)) in enumerate(written.items()):
        elements = math.prod(shape)
        dtype = _KINDS[kind]
        tensors[name] = Pickle.tensor(
            kind, str(key), elements + offset, tuple(shape), offset=offset
        )
        storages[str(key)] = bytes(_WIDTHS[dtype] * (elements + offset))
        expected[name] = (dtype, tuple(shape), _WIDTHS[dtype] * elements)
    data = archive(Pickle.whole(Pickle.mapping(tensors)), storages)
    header = read(data)
    assert facts(header) == expected
    assert header.problems == ()
    starts = record_starts(data)
    for tensor, (_, _, offset) in zip(header.tensors, written.values(), strict=True):
        assert tensor.start - offset * _WIDTHS[tensor.dtype] in starts


_SAMPLES = [saved(name) for name in ("shared.pth", "dtypes.pt", "nested.pt", "module.pt")]


@given(
    st.sampled_from(_SAMPLES),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    st.integers(0, 10_000),
)
@settings(max_examples=500)
def test_corruption_raises_nothing_but_header_errors(
    sample: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(sample)
    for at, byte in changes:
        data[at % len(data)] = byte
    for damaged in (bytes(data), bytes(data[: cut % len(data)])):
        wire = Wire(damaged)
        with contextlib.suppress(HeaderError):
            wire.read(read_header("m", len(damaged), first_read=100))
        assert wire.fetched <= 2 * len(damaged)


@given(st.binary(max_size=80))
@settings(max_examples=500)
def test_random_opcodes_raise_nothing_but_header_errors(noise: bytes) -> None:
    with contextlib.suppress(HeaderError):
        assert read(archive(Pickle.whole(noise), {})).tensors == ()
