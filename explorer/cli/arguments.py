"""The options of every command, on argparse: it starts in a third of the time of its alternatives."""

import argparse
from pathlib import Path
from typing import NoReturn

from explorer import __version__
from explorer.cli.converters import argument, folder, positive, source, speed
from explorer.cli.narrowing import add_narrowing
from explorer.cli.settings import add_context, add_machine, add_scenario
from explorer.errors import UsageError

MODEL = (
    "org/name, org/name@revision, a hub URL, hf://org/name, modelscope://owner/name, "
    "ollama:name:tag, or a path to a file or folder"
)
EXIT_CODES = (
    "exit codes: 0 done (fit: it fits; diff: the same structure), 1 does not fit, or differs, "
    "2 usage, 3 not found or gated, 4 network or hub trouble, 5 malformed file"
)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are the project's own usage errors."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong."""
        searching = "weights search WORDS looks for models; " if "COMMAND" in message else ""
        raise UsageError(message, hint=f"{searching}see {self.prog} --help")


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line. ``command`` is None when only the UI was asked for.

    ``model`` is then the model that it opens first, if the line begins with one.
    Raises UsageError; ``--help`` and ``--version`` print and exit as argparse does.
    """
    opened = argv[0] if argv and _is_model(argv[0]) else None
    options = build().parse_args(argv if opened is None else argv[1:])
    if options.command is None:
        if options.json:
            raise UsageError("--json needs a command", hint="write weights show MODEL --json")
        options.model = opened
    elif opened is not None:
        raise UsageError(
            f"“{opened}” stands before a command", hint=f"write weights {options.command} {opened}"
        )
    return options


def _is_model(text: str) -> bool:
    """Whether a word in the place of a command is the name of a model: no command has such marks."""
    return not text.startswith("-") and any(mark in text for mark in "/:.\\")


def build() -> Parser:
    """The whole command line, also for the documentation and the test that holds it true."""
    parser = Parser(
        prog="weights",
        usage="%(prog)s [MODEL] [options], or %(prog)s COMMAND ...",
        description="Choose among open model weights: what is in them, what they need, on what terms. "
        "Without a command it opens the terminal UI, on a model if one is named.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"weights-explorer {__version__}")
    _common(parser, command=False)
    add_machine(parser)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=Parser, prog=parser.prog
    )
    _search(_command(commands, "search", "list models, each judged on the machine"))
    _show(_command(commands, "show", "what a model's files say: parameters, dtypes, license"))
    _tensors(_command(commands, "tensors", "the tensors of a model, listed or summed by group"))
    _fit(_command(commands, "fit", "whether, how and how fast models run on a machine"))
    _diff(_command(commands, "diff", "what differs between the tensors of two models"))
    _compare(_command(commands, "compare", "models side by side on the same machine"))
    _lineage(_command(commands, "lineage", "what a model was made of, and what was made of it"))
    _variants(_command(commands, "variants", "every quantization of a model, the best here on top"))
    _license(_command(commands, "license", "on what terms a model may be used, with its lineage's"))
    _snapshot(_command(commands, "snapshot", "a file of models for a machine without a network"))
    cache = _command(commands, "cache", "what is kept on disk of what the hub gave, and clear it")
    cache.add_argument("--clear", action="store_true", help="forget everything that is kept")
    _publisher(_command(commands, "publisher", "what somebody publishes, and its sizes over time"))
    _watch(_command(commands, "watch", "models to keep an eye on, and what changed in them"))
    machine = _command(commands, "machine", "the machine that models are judged on")
    add_machine(machine)
    return parser


def _command(
    commands: "argparse._SubParsersAction[Parser]", name: str, summary: str
) -> argparse.ArgumentParser:
    sentence = f"{summary[0].upper()}{summary[1:]}."
    parser = commands.add_parser(name, help=summary, description=sentence, epilog=EXIT_CODES)
    _common(parser, command=True)
    return parser


def _common(parser: argparse.ArgumentParser, *, command: bool) -> None:
    # SUPPRESS lets an option stand before or after the command without the later default winning
    quiet = argparse.SUPPRESS if command else None
    group = parser.add_argument_group("where to look")
    group.add_argument(
        "--source",
        type=source,
        default=quiet or "auto",
        metavar="auto|hub|snapshot|local|FILE",
        help="the live hub with the snapshot behind it (auto, the default), the hub alone, the bundled "
        "snapshot, what lies on this disk, or a file that weights snapshot wrote",
    )
    group.add_argument(
        "--hub",
        choices=["huggingface", "modelscope"],
        default=quiet or "huggingface",
        help="which hub is live, for names that do not say it themselves (default: huggingface)",
    )
    group.add_argument(
        "--offline",
        action="store_true",
        default=quiet or False,
        help="never open a connection: use what is stored, then the snapshot",
    )
    group.add_argument(
        "--folder",
        type=folder,
        action="append",
        default=quiet or [],
        metavar="PATH",
        help="with --source local: a folder of models beside the stores of other programs, as often "
        "as there are folders (also WEIGHTS_FOLDERS)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        default=quiet or False,
        help="print JSON on standard output" if command else "with a command: print JSON",
    )


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="*", metavar="QUERY", help="words in the name")
    parser.add_argument(
        "--sort",
        choices=["trending", "downloads", "likes", "updated", "created"],
        help="order of the listing (default: trending)",
    )
    parser.add_argument(
        "--limit", type=positive, default=20, metavar="N", help="rows to print (default: 20)"
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="read config.json of each printed row, where the listing alone gives an estimate",
    )
    add_narrowing(parser)
    add_machine(parser)
    add_context(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "--metadata",
        action="store_true",
        help="what the headers say beside their tensors: GGUF key-values, __metadata__",
    )


def _tensors(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "--filter",
        default="",
        metavar="F",
        help="substring or glob of the name, dtype:bf16, >100M parameters, shape:4096x*, !word",
    )
    parser.add_argument(
        "--group",
        choices=["module", "layer", "dtype", "file", "component"],
        help="print totals by group instead of the tensors",
    )
    parser.add_argument("--csv", action="store_true", help="print CSV with a heading row")


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "What differs between the tensors of two models: added, removed, reshaped and retyped, folded by "
        "layer. Names and shapes are compared, never values; packed weights by what they unpack to. "
        "Exits with 0 if the structure is the same (under another prefix too, which is then said) and "
        "with 1 if it is not."
    )
    parser.add_argument("before", metavar="MODEL", help=MODEL)
    parser.add_argument("after", metavar="MODEL", help="the model held against it")


def _fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help=MODEL)
    add_scenario(parser)
    group = parser.add_argument_group("further questions")
    group.add_argument(
        "--enough",
        action="store_true",
        help="the smallest devices that would run it, and what more RAM or a second card would bring",
    )
    group.add_argument(
        "--min-speed",
        type=argument(speed, "a number of tokens a second"),
        metavar="TPS",
        help="with --enough: at least so many tokens a second",
    )
    group.add_argument(
        "--command",
        action="store_true",
        dest="show_command",
        help="print the commands that download and run it as judged, and nothing else",
    )
    group.add_argument(
        "--ask-engine",
        action="store_true",
        help="let llama.cpp itself plan a GGUF file, and print its figures beside these",
    )


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help=MODEL)
    add_scenario(parser)


def _lineage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("--up", action="store_true", help="only what the model was made of")
    parser.add_argument("--down", action="store_true", help="only what was made of the model")
    parser.add_argument(
        "--depth",
        type=positive,
        metavar="N",
        help="generations to follow (default: 8 up, 1 down)",
    )
    parser.add_argument(
        "--limit", type=positive, default=10, metavar="N", help="models of each kind (default: 10)"
    )
    add_machine(parser)
    add_context(parser)


def _variants(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "--limit",
        type=positive,
        default=24,
        metavar="N",
        help="repositories to look at, the most downloaded first (default: 24)",
    )
    add_machine(parser)
    add_context(parser)


def _license(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "--text", action="store_true", help="print the license's text too, if there is one"
    )


def _snapshot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the file to write; FILE.part holds unfinished work"
    )
    parser.add_argument(
        "--search", metavar="WORDS", help="only models with these words in the name"
    )
    parser.add_argument("--author", metavar="A", help="only models of this user or organisation")
    parser.add_argument("--task", metavar="T", help="only this task, such as text-generation")
    parser.add_argument(
        "--sort",
        choices=["trending", "downloads", "likes", "updated", "created"],
        default="downloads",
        help="which models come first (default: downloads)",
    )
    parser.add_argument(
        "--limit", type=positive, default=100, metavar="N", help="models to write (default: 100)"
    )
    parser.add_argument(
        "--documents", action="store_true", help="cards and licenses too, not only figures"
    )


def _publisher(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("author", metavar="AUTHOR", help="a user or an organisation of the hub")
    parser.add_argument(
        "--limit", type=positive, default=20, metavar="N", help="models to print (default: 20)"
    )
    add_machine(parser)
    add_context(parser)


def _watch(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "What changed in the models you watch since you last looked at them: commits, quantizations made "
        "of them, downloads. With MODELs, watches those too, from now on."
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help=MODEL)
    parser.add_argument("--forget", action="store_true", help="watch the MODELs no longer")
    parser.add_argument(
        "--seen", action="store_true", help="count all that is printed as looked at, from now on"
    )
