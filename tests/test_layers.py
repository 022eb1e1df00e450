"""The layers hold: what a module may import, told by running it alone."""

import pkgutil
import subprocess
import sys

import pytest

import explorer

FORBIDDEN = {
    "explorer.errors": ["explorer.", "textual", "rich", "huggingface_hub", "httpx2"],
    "explorer.units": ["explorer.hub", "explorer.ui", "textual", "rich", "huggingface_hub"],
    "explorer.hub": ["explorer.fit", "explorer.hardware", "explorer.weights", "explorer.license"],
    "explorer.weights": ["explorer.hub", "explorer.fit", "explorer.hardware", "explorer.license"],
    "explorer.hardware": ["explorer.hub", "explorer.fit", "explorer.weights", "explorer.license"],
    "explorer.fit": ["explorer.hub", "explorer.license", "explorer.inspection"],
    "explorer.license": ["explorer.hub", "explorer.fit", "explorer.weights", "explorer.hardware"],
    "explorer.inspection": ["explorer.ui", "explorer.cli"],
    "explorer.cli": ["explorer.ui"],
}
FACES = ["explorer.ui", "textual", "rich"]
SLOW = ["huggingface_hub", "httpx2", "psutil", "pynvml", "numpy", "asyncio"]


def modules(package: str) -> list[str]:
    """Every module of the project whose name begins with a package's."""
    found = [m.name for m in pkgutil.walk_packages(explorer.__path__, "explorer.")]
    return [name for name in found if name == package or name.startswith(package + ".")]


def loaded_by(module: str) -> set[str]:
    """Names in sys.modules of a fresh interpreter that imported just this module."""
    script = f"import sys, {module}; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def breaches(loaded: set[str], banned: list[str]) -> list[str]:
    return sorted(
        name
        for name in loaded
        for ban in banned
        if name == ban.rstrip(".") + ("" if ban[-1] != "." else "!") or name.startswith(ban.rstrip(".") + ".")
    )
