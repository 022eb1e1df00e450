"""What a command loads before it answers: start-up time is modules, so modules are counted."""

import subprocess
import sys

import pytest

SNAPSHOT = ("--source", "snapshot", "--machine", "RTX 4090")


def loaded_by(*arguments: str) -> set[str]:
    """The project's modules in a fresh interpreter after a command."""
    script = (
        "import sys\n"
        "from explorer.cli import main\n"
        "try:\n"
        f"    main({list(arguments)!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name for name in run.stderr.split() if name.startswith("explorer.")}


def within(loaded: set[str], packages: tuple[str, ...]) -> list[str]:
    return sorted(
        name
        for name in loaded
        if any(name == package or name.startswith(f"{package}.") for package in packages)
    )


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_the_options_and_nothing_they_lead_to(arguments: list[str]) -> None:
    layers = ("hub", "weights", "fit", "hardware", "license", "inspection", "engine", "ui")
    assert within(loaded_by(*arguments), tuple(f"explorer.{layer}" for layer in layers)) == []


def test_a_fit_loads_what_it_answers_with() -> None:
    loaded = loaded_by("fit", "Qwen/Qwen3-8B", *SNAPSHOT)
    assert "explorer.fit.llama_cpp.engine" in loaded
    unneeded = (
        "explorer.engine",  # --ask-engine
        "explorer.fit.enough",  # --enough
        "explorer.fit.upgrades",
        "explorer.fit.vllm",  # another engine's rules
        "explorer.fit.transformers",
        "explorer.fit.mlx",
        "explorer.hardware.detect",  # the machine was named
        "explorer.hub.huggingface",  # and so was the source
        "explorer.hub.modelscope",
        "explorer.hub.ollama_registry",
        "explorer.hub.stored",
        "explorer.hub.local",
        "explorer.inspection.comparing",
    )
    assert within(loaded, unneeded) == []
