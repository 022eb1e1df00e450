"""Limits that a container or a service manager puts on this process: cgroup v2, v1 and both at once.

A limit anywhere above the process holds, so the answer is the minimum over all ancestors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from explorer.hardware.sysfs import number, read_number, read_text

_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as the largest multiple of a page that fits in 63 bits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """None where nothing limits."""

    memory_bytes: int | None = None
    """The lowest memory limit."""
    headroom_bytes: int | None = None
    """What may still be allocated under the tightest of them; file pages that can be dropped are free."""
    processors: float | None = None
    """Processor time a second of time, in processors."""


@dataclass(frozen=True, slots=True)
class _Files:
    """What one version calls the memory files."""

    limit: str
    usage: str
    reclaimable: str


_V2 = _Files("memory.max", "memory.current", "inactive_file")
_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def read_limits(root: Path) -> Limits:
    """The limits of the process whose ``/proc/self`` lies under ``root``."""
    base = root / "sys/fs/cgroup"
    limits: list[tuple[int, int | None]] = []
    quotas: list[float | None] = []
    for controllers, path in _memberships(read_text(root / "proc/self/cgroup")):
        if not controllers:
            for mount in (base, base / "unified"):
                limits += [_memory(level, _V2) for level in _levels(mount, path)]
                quotas += [_quota_v2(level) for level in _levels(mount, path)]
        if "memory" in controllers:
            limits += [_memory(level, _V1) for level in _levels(base / "memory", path)]
        if "cpu" in controllers:
            for mount in (base / "cpu", base / "cpu,cpuacct"):
                quotas += [_quota_v1(level) for level in _levels(mount, path)]
    given = [limit for limit, _ in limits if limit < _UNLIMITED]
    headroom = [room for limit, room in limits if limit < _UNLIMITED and room is not None]
    return Limits(
        memory_bytes=min(given, default=None),
        headroom_bytes=min(headroom, default=None),
        processors=min((quota for quota in quotas if quota is not None), default=None),
    )


def _memberships(text: str) -> Iterator[tuple[frozenset[str], PurePosixPath]]:
    """Controllers and path of each line of ``/proc/self/cgroup``; version 2 names no controllers."""
    for line in text.splitlines()[:64]:
        fields = line.split(":", 2)
        if len(fields) == 3:
            yield frozenset(filter(None, fields[1].split(","))), PurePosixPath(fields[2])


def _levels(mount: Path, path: PurePosixPath) -> Iterator[Path]:
    """The folder of a group and of all its ancestors, up to where the hierarchy is mounted.

    In a container the path may be the host's and the mount the container's own: folders that are not there
    read as no limit, and the mount itself is always asked.
    """
    parts = [part for part in path.parts if part != "/"][:64]
    if ".." not in parts:
        for length in range(len(parts), 0, -1):
            yield mount.joinpath(*parts[:length])
    yield mount


def _memory(level: Path, files: _Files) -> tuple[int, int | None]:
    """Limit and headroom of one group; an unlimited one says ``max``, or nothing."""
    limit = read_number(level / files.limit)
    if limit is None:
        return _UNLIMITED, None
    usage = read_number(level / files.usage)
    if usage is None:
        return limit, None
    return limit, max(0, limit - max(0, usage - _reclaimable(level, files.reclaimable)))


def _reclaimable(level: Path, key: str) -> int:
    for line in read_text(level / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return number(value) or 0
    return 0


def _quota_v2(level: Path) -> float | None:
    quota, _, period = read_text(level / "cpu.max").partition(" ")
    return _ratio(number(quota), number(period))


def _quota_v1(level: Path) -> float | None:
    return _ratio(read_number(level / "cpu.cfs_quota_us"), read_number(level / "cpu.cfs_period_us"))


def _ratio(quota: int | None, period: int | None) -> float | None:
    return quota / period if quota and period else None
