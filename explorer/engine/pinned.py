"""The one version of the native library that is known well enough to be asked."""

import sys

PINNED = "2026.10.11549"
"""The version of ``xllamacpp`` whose structs are those of ``engine.structs``."""
BUILD = "b11549"
"""llama.cpp's build in it."""


def why_not() -> str:
    """Why the library cannot be asked here; empty if it can."""
    from importlib.metadata import PackageNotFoundError, version

    if sys.platform != "linux":
        return "the package's library is asked on Linux only"
    try:
        found = version("xllamacpp")
    except PackageNotFoundError:
        return "xllamacpp is not installed"
    return "" if found == PINNED else f"xllamacpp is {found}, and its structs are known of {PINNED}"
