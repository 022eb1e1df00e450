"""Checks what a wheel holds: ``python .ci/wheel.py dist/weights_explorer-*.whl``.

Data files and the type marker must be in, tests must be out, and the whole stays small.
"""

import sys
import zipfile
from pathlib import Path

WANTED = [
    "explorer/py.typed",
    "explorer/ui/app.tcss",
    "explorer/hardware/devices/nvidia.toml",
    "explorer/hardware/devices/amd.toml",
    "explorer/license/terms.json",
]
SNAPSHOT = "explorer/hub/data/"
SNAPSHOT_LIMIT = 3_000_000


def problems(names_and_sizes: dict[str, int]) -> list[str]:
    """Sentences, one for each thing that is wrong with the wheel's contents."""
    found = [f"{name} is missing" for name in WANTED if name not in names_and_sizes]
    found += [f"{name} does not belong" for name in names_and_sizes if name.startswith("tests/")]
    snapshot = sum(size for name, size in names_and_sizes.items() if name.startswith(SNAPSHOT))
    if not 0 < snapshot < SNAPSHOT_LIMIT:
        found.append(f"the snapshot has {snapshot:,} bytes, of at most {SNAPSHOT_LIMIT:,}")
    return found


def main(wheel: Path) -> int:
    """Print what was found and return the exit code."""
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    found = problems(sizes)
    print("\n".join(found) or f"{wheel.name}: {len(sizes)} files, {sum(sizes.values()):,} bytes")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
