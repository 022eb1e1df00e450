"""What the package imports is what it declares, with the least version that has it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]


def declared(*extras: str) -> dict[str, str]:
    """The name and the whole line of every requirement, also of some extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {normal(re.split(r"[\[<>=~! ]", line)[0]): line for line in lines}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> set[str]:
    """The first part of every name that is imported anywhere in the package."""
    found: set[str] = set()
    for path in (ROOT / "explorer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"explorer"}


def test_everything_imported_is_declared() -> None:
    known = packages_distributions()
    used = {normal(known[name][0]) if name in known else normal(name) for name in imported()}
    assert used - declared().keys() == {"rich"}  # which textual brings


def test_every_requirement_has_a_least_version() -> None:
    lines = declared("test", "engine", "hubs", "bench", "dev").values()
    own = "weights-explorer["  # an extra that includes another
    loose = [line for line in lines if not re.search("[>=]=", line) and not line.startswith(own)]
    assert loose == []
