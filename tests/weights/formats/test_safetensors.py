"""Safetensors headers: read by range, as strict as the format's own implementation."""

import contextlib
import json
import struct
from collections.abc import Mapping

import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.errors import HeaderError
from explorer.weights.dtypes import SAFETENSORS
from explorer.weights.safetensors import FIRST_READ, MAX_HEADER, parse_header, read_header
from explorer.weights.tensors import Header
from tests.weights.formats.reading import Wire, deserialized, names

Entry = Mapping[str, object]


def entry(dtype: str, shape: list[int], begin: int, end: int) -> Entry:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def file_of(header: bytes | str | Mapping[str, object], data_bytes: int = 0) -> bytes:
    if isinstance(header, Mapping):
        header = json.dumps(header, separators=(",", ":"))
    text = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(text)) + text + bytes(data_bytes)


def read(data: bytes, **options: int) -> Header:
    return Wire(data).read(read_header("model.safetensors", len(data), **options))


def refused(data: bytes) -> str:
    with pytest.raises(HeaderError) as caught:
        read(data)
    return str(caught.value)


def test_a_header_is_read_with_offsets_from_the_start_of_the_file() -> None:
    tensors = {
        "__metadata__": {"format": "pt"},
        "a": entry("F32", [2, 3], 0, 24),
        "b": entry("BF16", [], 24, 26),
    }
    data = file_of(tensors, 26)
    header = read(data)
    assert header.format == "safetensors"
    assert header.metadata == {"format": "pt"}
    assert header.data_start == len(data) - 26
    assert header.tensors == (
        ("a", "F32", (2, 3), header.data_start, 24),
        ("b", "BF16", (), header.data_start + 24, 2),
    )
    assert header.problems == ()


def test_a_short_header_takes_one_range_and_a_long_one_just_what_is_missing() -> None:
    data = file_of({"a": entry("U8", [4], 0, 4)}, 4)
    wire = Wire(data)
    wire.read(read_header("m", len(data)))
    assert wire.spans == [(0, len(data))]
    wire = Wire(data)
    wire.read(read_header("m", len(data), first_read=20))
    assert wire.spans == [(0, 20), (20, len(data) - 4)]


@pytest.mark.parametrize("length", range(FIRST_READ - 12, FIRST_READ + 4))
def test_headers_about_as_long_as_the_first_read(length: int) -> None:
    text = json.dumps({"a": entry("U8", [4], 0, 4)}).encode().ljust(length)
    wire = Wire(file_of(text, 4))
    header = wire.read(read_header("m", len(wire.data)))
    assert names(header) == ["a"]
    assert not header.problems
    assert len(wire.spans) == (1 if 8 + length <= FIRST_READ else 2)


def test_json_alone_is_placed_by_the_size_of_the_file() -> None:
    text = json.dumps({"a": entry("U8", [4], 0, 4), "b": entry("U8", [2], 4, 6)}).encode()
    header = parse_header("m", text, 1006)
    assert [t.start for t in header.tensors] == [1000, 1004]
    assert header.data_start == 1000
    assert parse_header("m", text, None).data_start == 8 + len(text)
    assert "do not fit" in parse_header("m", text, 10).problems[0]


def test_every_dtype_of_the_library_has_its_size() -> None:
    for name, dtype in SAFETENSORS.items():
        elements = dtype.block_elements * 5
        size = dtype.size_bytes(elements)
        data = file_of({"t": entry(name, [elements], 0, size)}, size)
        assert not read(data).problems
        assert deserialized(data) == [("t", name, (elements,), bytes(size))]
        longer = file_of({"t": entry(name, [elements], 0, size + 1)}, size + 1)
        assert "needs" in read(longer).problems[0]
        with pytest.raises(safetensors.SafetensorError):
            deserialized(longer)
    assert len(SAFETENSORS) == 22
    with pytest.raises(safetensors.SafetensorError, match="unknown variant") as caught:
        deserialized(file_of({"t": entry("?", [], 0, 0)}))
    for name in SAFETENSORS:
        assert f"`{name}`" in str(caught.value)
    assert str(caught.value).count("`") == 2 * (len(SAFETENSORS) + 1)


@pytest.mark.parametrize(
    ("tensors", "data_bytes", "problem"),
    [
        ({"a": entry("F32", [2], 0, 4)}, 4, "“a” has 4 bytes, but F32 [2] needs 8"),
        ({"a": entry("U8", [2], 1, 3)}, 3, "1 bytes before “a” belong to no tensor"),
        (
            {"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)},
            6,
            "“b” overlaps the tensor before it by 2 bytes",
        ),
        ({"a": entry("U8", [4], 0, 4)}, 3, "“a” ends 1 bytes beyond the end of the file"),
        ({"a": entry("U8", [4], 0, 4)}, 6, "2 bytes at the end of the file belong to no tensor"),
        ({"a": entry("X9", [4], 0, 4)}, 4, "“a” has the unknown dtype “X9”"),
        ({"a": entry("F4", [3], 0, 2)}, 2, "“a” does not fill whole bytes"),
        (
            {"a": {**entry("U8", [4], 0, 4), "stride": [1]}},
            4,
            "“a” has an unknown key “stride”",
        ),
        (
            {"__metadata__": {"n": 1}, "a": entry("U8", [1], 0, 1)},
            1,
            "__metadata__ “n” is not a string",
        ),
    ],
)
def test_a_broken_rule_leaves_the_tensors_visible(
    tensors: Mapping[str, object], data_bytes: int, problem: str
) -> None:
    header = read(file_of(tensors, data_bytes))
    assert "a" in names(header)
    assert problem in header.problems


@pytest.mark.parametrize("space", ["", " ", "\n  ", "\r\n\t"])
def test_space_between_entries_is_of_any_kind(space: str) -> None:
    entries = [
        json.dumps({name: entry("U8", [], at, at + 1)})[1:-1] for at, name in enumerate("abc")
    ]
    header = read(file_of("{" + f",{space}".join(entries) + "}", 3))
    assert names(header) == ["a", "b", "c"]
    assert not header.problems


def test_duplicates_are_named() -> None:
    one = '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'
    two = '"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}'
    header = read(file_of("{" + one + "," + two + "}", 2))
    assert header.problems == ("“a” is there more than once",)
    twice = '{"a":{"dtype":"F32","dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    assert read(file_of(twice, 1)).problems == ("“a” has a key twice",)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (b"\x01\x02\x03", "3 bytes"),
        (struct.pack("<Q", MAX_HEADER + 1) + b"{}", "the format allows 100000000"),
        (struct.pack("<Q", 50) + b"{}", "cut off"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (file_of("[]"), "does not start with “{”"),
        (file_of(" {}"), "does not start with “{”"),
        (file_of('{"a":1}'), "“a”: its entry is not an object"),
        (file_of('{"a":{"dtype":"U8"}}'), "“a”: it has no shape"),
        (
            file_of({"a": entry("U8", [-1], 0, 1)}),
            "“a”: its shape holds something else than counts",
        ),
        (file_of('{"a":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}}'), "something else"),
        (file_of('{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}'), "not a whole number"),
        (file_of('{"a":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}'), "is not one"),
        (file_of({"a": entry("U8", [1], 5, 4)}), "“a”: its data_offsets [5, 4] are no range"),
        (file_of({"a": entry("U8", [2**40, 2**40], 0, 1)}), "overflows"),
        (file_of({"a": entry("U8", [9] * 65, 0, 1)}), "is not one"),
        (file_of('{"a":' * 100_000), "nested too deep"),
        (file_of('{"\\ud800":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', 1), "surrogates"),
        (file_of(b'{"\xff":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', 1), "utf-8"),
        (file_of('{} "'), "after its end"),
        (file_of('{"a":{"dtype":"U8","shape":[],"data_offsets":[0,' + "9" * 5000 + "]}}"), "limit"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, why: str) -> None:
    assert why in refused(data)


def test_a_header_too_long_for_the_hubs_clients_is_read_and_said_to_be() -> None:
    header = read(file_of(b"{}" + b" " * 25_000_000))
    assert header.problems == (
        "the header has 25000002 bytes; the hub's clients refuse more than 25 MB",
    )


def test_a_hostile_number_of_problems_is_counted_not_kept() -> None:
    tensors = {f"t{i}": entry("X", [1], i, i + 1) for i in range(5000)}
    problems = read(file_of(tensors, 5000)).problems
    assert len(problems) == 101
    assert problems[-1] == "and 4900 more"


@st.composite
def headers(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, str, tuple[int, ...], int]]]:
    """A valid file of small random tensors, in any order of names and any spacing of the JSON."""
    tensors: dict[str, object] = {}
    expected = []
    position = 0
    for name in draw(st.lists(st.text(max_size=12), unique=True, max_size=8)):
        if name == "__metadata__":
            continue
        dtype = SAFETENSORS[draw(st.sampled_from(sorted(SAFETENSORS)))]
        shape = (*draw(st.lists(st.integers(0, 4), max_size=3)), dtype.block_elements)
        size = dtype.size_bytes(count_of(shape))
        tensors[name] = entry(dtype.name, list(shape), position, position + size)
        expected.append((name, dtype.name, shape, size))
        position += size
    if draw(st.booleans()):
        tensors["__metadata__"] = draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
    order = draw(st.permutations(sorted(tensors)))
    text = json.dumps(
        {name: tensors[name] for name in order},
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
        indent=draw(st.sampled_from([None, 1])),
    )
    return file_of(text + " " * draw(st.integers(0, 9)), position), expected


def count_of(shape: tuple[int, ...]) -> int:
    product = 1
    for dimension in shape:
        product *= dimension
    return product


@given(headers(), st.integers(0, 400))
@settings(max_examples=150)
def test_random_headers_are_read_back(
    written: tuple[bytes, list[tuple[str, str, tuple[int, ...], int]]], first_read: int
) -> None:
    data, expected = written
    header = read(data, first_read=first_read)
    assert header.problems == ()
    found = [(t.name, t.dtype, t.shape, t.size_bytes) for t in header.tensors]
    assert sorted(found) == sorted(expected)
    ours = {
        (t.name, t.dtype, t.shape, data[t.start : t.start + t.size_bytes]) for t in header.tensors
    }
    assert ours == set(deserialized(data))


_PARTS = (
    '{"dtype":"U8","shape":[2],"data_offsets":[0,2]}',
    '{"shape":[],"dtype":"F16","data_offsets":[2,4]}',
    '{"dtype":"F4","shape":[2,2],"data_offsets":[4,6],"x":null}',
)


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from('0123456789,:"{}[]ax \\-.e\t')), max_size=3
    ),
    st.integers(-2, 2),
)
@settings(max_examples=600)
def test_what_passes_here_passes_in_the_library_and_the_reverse(
    changes: list[tuple[int, str]], resized: int
) -> None:
    """A file without problems is one the reference implementation accepts; what it accepts is readable."""
    text = list("{" + ",".join(f'"{n}":{p}' for n, p in zip("abc", _PARTS, strict=True)) + "}")
    for at, mark in changes:
        text[at % len(text)] = mark
    data = file_of("".join(text), 6 + resized)
    try:
        ours: Header | None = read(data)
    except HeaderError:
        ours = None
    try:
        theirs: int | None = len(deserialized(data))
    except safetensors.SafetensorError:
        theirs = None
    if ours and not ours.problems:
        assert theirs == len(ours.tensors)
    if theirs is not None:
        assert ours
        assert not ours.malformed
    elif ours:
        assert ours.malformed


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_random_bytes_raise_nothing_but_header_errors(noise: bytes) -> None:
    for data in (noise, file_of(noise), file_of(b"{" + noise)):
        with contextlib.suppress(HeaderError):
            header = read(data)
            assert header.malformed or len(deserialized(data)) == len(header.tensors)
