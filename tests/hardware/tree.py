"""Recorded system files, written under a test's folder."""

from collections.abc import Mapping
from pathlib import Path

MEMINFO = "MemTotal:       65735812 kB\nMemFree:         1035812 kB\nMemAvailable:   51735812 kB\n"

CPUINFO = "".join(
    f"processor\t: {thread}\nmodel name\t: AMD Ryzen 9 7950X 16-Core Processor\n"
    f"physical id\t: 0\ncore id\t\t: {thread % 16}\n\n"
    for thread in range(32)
)


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Writes files by their path below ``root``, and returns it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
