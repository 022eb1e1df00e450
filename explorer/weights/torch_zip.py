"""Headers of torch checkpoints: a zip archive with ``data.pkl`` and one record a storage.

Two rounds of ranges are enough for most: the file's first and last bytes, which hold a short pickle and
the archive's directory, then what is missing of either. Storages are never fetched, and the pickle is
followed, not run (``torch_pickle``).
"""

from bisect import bisect_right
from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from explorer.errors import HeaderError
from explorer.spans import Reading, Span
from explorer.weights.problems import Problems, quoted
from explorer.weights.tensors import Header, MetadataValue, Tensor
from explorer.weights.torch_outline import Outline, outline
from explorer.weights.torch_pickle import interpret
from explorer.weights.torch_values import StoredTensor
from explorer.weights.zip_directory import LOCAL, TAIL, Member, find_directory, read_members

FIRST_READ = 64 * 1024
"""Bytes read at the file's start; torch writes ``data.pkl`` there, some 100 bytes a tensor."""

MAX_DIRECTORY = 64 << 20
MAX_PICKLE = 64 << 20

_ALIGNMENT = (
    64  # torch pads the header of a record so that its data is aligned (PyTorchStreamWriter)
)
_EXTRA = 256  # more than the padding that torch puts before a record
_MOST_HEADERS = 4096  # local headers read one by one, where an archive is not laid out like torch's


class _File:
    """The parts of one file that were fetched."""

    def __init__(self, path: str, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._parts: list[tuple[int, bytes]] = []

    def get(self, *spans: Span) -> Reading[tuple[bytes, ...]]:
        """Bytes of these ranges, of which only those not at hand are asked for."""
        missing = tuple(span for span in spans if self._held(span) is None)
        if missing:
            fetched = yield missing
            for span, data in zip(missing, fetched, strict=True):
                if len(data) < span.size:
                    raise HeaderError(
                        f"{self.path} is cut off",
                        f"bytes {span.start} to {span.stop} are not there",
                    )
                self._parts.append((span.start, data))
        held = [self._held(span) for span in spans]
        return tuple(data for data in held if data is not None)

    def _held(self, span: Span) -> bytes | None:
        for start, data in self._parts:
            if start <= span.start and span.stop <= start + len(data):
                return data[span.start - start : span.stop - start]
        return None


class _Archive(NamedTuple):
    """The members of a torch archive."""

    root: str
    """Folder that holds all of it, with its slash."""
    members: dict[str, Member]
    """By name within the folder."""
    starts: list[int]
    """Local headers' positions in rising order, and the directory's at the end."""


def read_header(path: str, size_bytes: int | None, first_read: int = FIRST_READ) -> Reading[Header]:
    """Read the tensors of a ``.bin``, ``.pt`` or ``.pth`` by ranges.

    Nested dicts come out with dotted names. ``start`` of a tensor is where its storage's data begins
    plus its offset in it; tensors that share a storage share bytes, and ``metadata`` lists them under
    ``shared_storages``. Raises HeaderError for legacy files, and for what is no torch archive.
    """
    if size_bytes is None:
        raise HeaderError(
            f"{path} cannot be read",
            "a torch archive is read from its end, and its size is not known",
        )
    if size_bytes == 0:
        raise HeaderError(f"{path} is no torch archive", "it has 0 bytes")
    file = _File(path, size_bytes)
    ends: tuple[Span, ...] = (Span(0, first_read), Span(size_bytes - TAIL, size_bytes))
    if ends[0].stop >= ends[1].start:
        ends = (Span(0, size_bytes),)
    parts = yield from file.get(*ends)
    try:
        archive = yield from _read_archive(file, parts[0], parts[-1])
        pickled = archive.members["data.pkl"]
        data = yield from _read_member(file, pickled)
    except ValueError as error:
        raise HeaderError(f"{path} is a damaged zip archive", str(error)) from None
    problems = Problems()
    found = outline(path, interpret(path, data, problems), problems)
    records = yield from _record_starts(file, archive, found, problems)
    tensors = tuple(_tensor(name, tensor, records) for name, tensor in found.tensors)
    _check(found, archive, problems)
    metadata: dict[str, MetadataValue] = dict(found.scalars)
    if shared := _shared(found):
        metadata["shared_storages"] = shared
    return Header(
        format="torch",
        tensors=tensors,
        metadata=metadata,
        data_start=min((tensor.start for tensor in tensors), default=0),
        problems=problems.listed(),
    )


def _read_archive(file: _File, head: bytes, tail: bytes) -> Reading[_Archive]:
    place = find_directory(tail, file.size_bytes)
    if place is None:
        raise _not_an_archive(file.path, head)
    if place.size > MAX_DIRECTORY:
        raise ValueError(f"its directory has {place.size} bytes")
    (directory,) = yield from file.get(place)
    members = list(read_members(directory))
    roots = [member.name[: -len("data.pkl")] for member in members if _is_pickle(member.name)]
    if not roots:
        raise HeaderError(
            f"{file.path} is no torch checkpoint", "it is a zip archive without data.pkl"
        )
    root = roots[0]
    return _Archive(
        root,
        {m.name.removeprefix(root): m for m in members if m.name.startswith(root)},
        sorted({member.header_start for member in members} | {place.start}),
    )


def _is_pickle(name: str) -> bool:
    return name == "data.pkl" or (name.endswith("/data.pkl") and name.count("/") == 1)


_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # torch.serialization.MAGIC_NUMBER as a pickled long


def _not_an_archive(path: str, head: bytes) -> HeaderError:
    """Why a file is no zip: what torch wrote before 1.6, or something else."""
    if _MAGIC in head[:32] or head[257:262] == b"ustar":
        return HeaderError(
            f"{path} is a legacy torch file",
            "torch wrote these before version 1.6; sizes in them are known only by unpickling",
            "look for a safetensors file, or load it with weights_only=True and save it again",
        )
    if head[:1] == b"\x80":
        return HeaderError(f"{path} is a bare pickle, not a torch archive", hint="do not load it")
    return HeaderError(
        f"{path} is no torch archive",
        "it has no zip directory at its end",
        "it may be cut off, a Git LFS pointer, a web page, or another format",
    )


def _read_member(file: _File, member: Member) -> Reading[bytes]:
    """The bytes of a member. Raises ValueError where it is compressed, too long or misplaced."""
    if not member.stored:
        raise ValueError(f"{member.name} is compressed, which torch never does")
    if member.size_bytes > MAX_PICKLE:
        raise ValueError(f"{member.name} has {member.size_bytes} bytes")
    least = LOCAL.size + len(member.name.encode()) + member.size_bytes
    stop = min(member.header_start + least + _EXTRA, file.size_bytes)
    if member.header_start + LOCAL.size > stop:
        raise ValueError(f"{member.name} does not lie within the file")
    (data,) = yield from file.get(Span(member.header_start, stop))
    start = _data_offset(data, member)
    if start + member.size_bytes > len(data):
        first = member.header_start + start
        if first + member.size_bytes > file.size_bytes:
            raise ValueError(f"{member.name} does not lie within the file")
        (data,) = yield from file.get(Span(first, first + member.size_bytes))
        return data
    return data[start : start + member.size_bytes]


def _data_offset(header: bytes, member: Member) -> int:
    """From a member's local header to its data."""
    signature, *_, name_size, extra_size = LOCAL.unpack_from(header)
    if signature != b"PK\x03\x04":
        raise ValueError(f"{member.name} has no header where the directory says")
    return LOCAL.size + int(name_size) + int(extra_size)


def _record_starts(
    file: _File, archive: _Archive, found: Outline, problems: Problems
) -> Reading[Mapping[str, int]]:
    """Where the data of each storage begins.

    The directory says where a record's header is, but not how long that is. Torch writes record after
    record, so the data ends where the next header begins, and starts at a multiple of 64 bytes; only
    where that does not come out are the headers themselves fetched.
    """
    starts: dict[str, int] = {}
    unsure: list[str] = []
    for key in dict.fromkeys(tensor.storage.key for _, tensor in found.tensors):
        member = archive.members.get(f"data/{key}")
        if member is None:
            problems.add(f"storage {quoted(key)} is not in the archive")
            starts[key] = 0
        elif (start := _start_by_layout(member, archive)) is not None:
            starts[key] = start
        else:
            unsure.append(key)
    if len(unsure) > _MOST_HEADERS:
        problems.add(f"{len(unsure) - _MOST_HEADERS} storages are not where torch puts them")
    looked_at = [archive.members[f"data/{key}"] for key in unsure[:_MOST_HEADERS]]
    starts |= dict.fromkeys(unsure, 0)
    starts |= dict(
        zip(unsure, (yield from _starts_by_header(file, looked_at, problems)), strict=False)
    )
    return starts


def _starts_by_header(file: _File, members: list[Member], problems: Problems) -> Reading[list[int]]:
    inside = [member for member in members if member.header_start + LOCAL.size <= file.size_bytes]
    spans = (Span(m.header_start, m.header_start + LOCAL.size) for m in inside)
    headers = dict(zip(inside, (yield from file.get(*spans)), strict=True))
    starts = []
    for member in members:
        try:
            starts.append(
                member.header_start + _data_offset(headers.get(member, b"\0" * 30), member)
            )
        except ValueError as error:
            problems.add(str(error))
            starts.append(0)
    return starts


def _start_by_layout(member: Member, archive: _Archive) -> int | None:
    following = bisect_right(archive.starts, member.header_start)
    if following == len(archive.starts):
        return None
    end = archive.starts[following] - member.descriptor_bytes()
    start = end - member.size_bytes
    least = member.header_start + LOCAL.size + len(member.name.encode())
    # Torch leaves room for the 4 bytes that begin an extra field, then pads to the next multiple.
    padded = start % _ALIGNMENT == 0 and least + 4 <= start < least + 4 + _ALIGNMENT + 32
    return start if padded else None


def _tensor(name: str, tensor: StoredTensor, records: Mapping[str, int]) -> Tensor:
    dtype = tensor.dtype
    start = records[tensor.storage.key] + dtype.size_bytes(tensor.offset)
    size = dtype.size_bytes(prod(tensor.shape))
    return Tensor(name, dtype.name, tensor.shape, start, size)


def _check(found: Outline, archive: _Archive, problems: Problems) -> None:
    """Views lie within their storages, storages are as long as the pickle says, no name comes twice."""
    names: set[str] = set()
    for name, tensor in found.tensors:
        if name in names:
            problems.add(f"{quoted(name)} is there more than once")
        names.add(name)
        stored = tensor.storage.dtype.size_bytes(tensor.storage.elements)
        if tensor.dtype.size_bytes(tensor.offset + tensor.span) > stored:
            problems.add(f"{quoted(name)} reaches beyond its storage of {stored} bytes")
        member = archive.members.get(f"data/{tensor.storage.key}")
        if member and not member.stored:
            problems.add(f"the storage of {quoted(name)} is compressed, which torch never does")
        elif member and member.size_bytes != stored:
            problems.add(
                f"the storage of {quoted(name)} has {member.size_bytes} bytes where {stored} are declared"
            )


def _shared(found: Outline) -> tuple[str, ...]:
    """Names that share a storage, joined: tied tensors, and views on one block of memory."""
    owners: dict[str, list[str]] = {}
    for name, tensor in found.tensors:
        owners.setdefault(tensor.storage.key, []).append(name)
    return tuple(" = ".join(names) for names in owners.values() if len(names) > 1)
