"""The layers hold: what importing one module brings in, told by a fresh interpreter.

Ruff bans the direct imports; this sees the transitive ones.
"""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import explorer

HEAVY = {"huggingface_hub", "httpcore2", "httpx2", "numpy", "psutil", "pynvml", "safetensors"}
IMPORTED_LATE = {
    "explorer.hub.sockets": {"httpcore2"},
    "explorer.hub.wire": {"httpcore2"},
}
"""Modules that are imported by the call that needs them, and what heavy library each is about."""
FACES = {"textual", "rich", "explorer.ui"}

BANNED = {
    "explorer.hub": {"explorer.weights", "explorer.hardware", "explorer.fit", "explorer.license"},
    "explorer.weights": {"explorer.hub", "explorer.hardware", "explorer.fit", "explorer.license"},
    "explorer.hardware": {"explorer.hub", "explorer.weights", "explorer.fit", "explorer.license"},
    "explorer.fit": {"explorer.hub", "explorer.license", "explorer.inspection"},
    "explorer.license": {"explorer.hub", "explorer.weights", "explorer.hardware", "explorer.fit"},
    "explorer.engine": {
        "explorer.hub",
        "explorer.weights",
        "explorer.hardware",
        "explorer.license",
        "explorer.inspection",
        "explorer.cli",
    },
    "explorer.inspection": {"explorer.cli"},
}
"""What each layer may not know, beside the faces and the heavy libraries that none may load."""


def modules() -> list[str]:
    """Every module of the project that is not part of the UI."""
    names = [module.name for module in pkgutil.walk_packages(explorer.__path__, "explorer.")]
    return [name for name in names if not name.startswith("explorer.ui")]


def loaded_by(module: str) -> set[str]:
    """Names of all modules that a fresh interpreter holds after importing this one."""
    script = f"import {module}, sys; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("module", modules())
def test_a_module_loads_nothing_above_it_and_nothing_heavy(module: str) -> None:
    layer = next((layer for layer in BANNED if within(module, {layer})), None)
    heavy = HEAVY - IMPORTED_LATE.get(module, set())
    banned = heavy | FACES | (BANNED[layer] if layer else set())
    assert sorted(name for name in loaded_by(module) if within(name, banned)) == []


def test_the_ui_imports_no_http_and_no_parser_of_files() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in Path(explorer.__path__[0], "ui").rglob("*.py")
    )
    for name in (
        "httpcore2",
        "huggingface_hub",
        "explorer.weights.safetensors",
        "explorer.hub.ranges",
    ):
        assert f"import {name}" not in code
        assert f"from {name}" not in code
