from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.hardware.cgroup import Limits, read_limits
from explorer.hardware.host import Host, limit, parse_cpuinfo, parse_meminfo, read_host
from tests.hardware.tree import CPUINFO, MEMINFO, plant

GIB = 1024**3


def test_memory_and_processor_of_a_desktop(tmp_path: Path) -> None:
    plant(tmp_path, {"proc/meminfo": MEMINFO, "proc/cpuinfo": CPUINFO})
    assert read_host(tmp_path) == Host(
        memory_bytes=65735812 * 1024,
        available_bytes=51735812 * 1024,
        processor="AMD Ryzen 9 7950X 16-Core Processor",
        physical_cores=16,
    )


def test_two_sockets_count_their_cores_apart() -> None:
    text = "".join(f"physical id: {p}\ncore id: {c}\n" for p in (0, 1) for c in range(4))
    assert parse_cpuinfo(text) == ("", 8)


def test_an_old_kernel_tells_only_what_is_free() -> None:
    assert parse_meminfo("MemTotal: 100 kB\nMemFree: 40 kB\n") == (102400, 40960)


@given(st.text(max_size=300))
def test_odd_files_are_read_as_nothing(text: str) -> None:
    total, available = parse_meminfo(text)
    assert total >= 0
    assert available >= 0
    parse_cpuinfo(text)


def test_version_2_takes_the_lowest_limit_of_all_ancestors(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/kubepods.slice/pod1.slice/app.scope"
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/kubepods.slice/pod1.slice/app.scope\n",
            f"{group}/memory.max": "max\n",
            f"{group}/memory.current": f"{3 * GIB}\n",
            f"{group}/cpu.max": "max 100000\n",
            "sys/fs/cgroup/kubepods.slice/pod1.slice/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/kubepods.slice/pod1.slice/memory.current": f"{5 * GIB}\n",
            "sys/fs/cgroup/kubepods.slice/pod1.slice/memory.stat": (
                f"anon {4 * GIB}\nfile {GIB}\ninactive_file {GIB}\n"
            ),
            "sys/fs/cgroup/kubepods.slice/pod1.slice/cpu.max": "350000 100000\n",
            "sys/fs/cgroup/kubepods.slice/memory.max": f"{32 * GIB}\n",
            "sys/fs/cgroup/kubepods.slice/memory.current": f"{31 * GIB}\n",
        },
    )
    assert read_limits(tmp_path) == Limits(
        memory_bytes=8 * GIB, headroom_bytes=1 * GIB, processors=3.5
    )


def test_version_2_in_a_container_with_a_namespace_of_its_own(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "4294967296\n",
            "sys/fs/cgroup/memory.current": "1073741824\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
        },
    )
    assert read_limits(tmp_path) == Limits(4 * GIB, 3 * GIB, 0.5)


def test_version_1_and_its_way_of_saying_unlimited(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
            "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/docker/abc/memory.stat": f"cache 7\ntotal_inactive_file {GIB // 2}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{60 * GIB}\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        },
    )
    assert read_limits(tmp_path) == Limits(2 * GIB, GIB * 3 // 2, 2.0)


def test_version_1_where_the_path_is_the_hosts_and_the_mount_the_containers(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "5:memory:/docker/abc\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "0\n",
        },
    )
    assert read_limits(tmp_path) == Limits(GIB, GIB, None)


@pytest.mark.parametrize(
    "text",
    ["", "0::/../../other\n", "0::\n", "nonsense\n", "0::/" + "a/" * 5000, "\x00:memory:/\n"],
)
def test_no_files_or_odd_paths_are_no_limit(tmp_path: Path, text: str) -> None:
    assert read_limits(plant(tmp_path, {"proc/self/cgroup": text})) == Limits()


def test_limits_that_bite_are_said() -> None:
    host = Host(64 * GIB, 40 * GIB, "Xeon", 32)
    bound = limit(host, Limits(8 * GIB, 3 * GIB, 2.5))
    assert (bound.memory_bytes, bound.available_bytes, bound.physical_cores) == (
        8 * GIB,
        3 * GIB,
        2,
    )
    assert bound.notes == (
        "the container may use 8.00 GiB of the host's 64.0 GiB",
        "the container may use 2.5 processors",
    )


def test_limits_above_the_host_change_nothing() -> None:
    host = Host(64 * GIB, 40 * GIB, "Xeon", 32)
    assert limit(host, Limits(128 * GIB, 100 * GIB, 64.0)) == host
