"""One module a command, imported when it is run: ``run(options)`` returns the exit code."""

import argparse
import asyncio
import inspect
from importlib import import_module


def run(options: argparse.Namespace) -> int:
    """Run the command that was asked for and return its exit code."""
    result = import_module(f"explorer.cli.commands.{options.command}").run(options)
    code: int = asyncio.run(result) if inspect.iscoroutine(result) else result
    return code
