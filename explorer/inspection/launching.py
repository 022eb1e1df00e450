"""The commands for an opened model: what to download, and how to run it as it was judged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from explorer.fit.launch import Command, Launch, Published, plan_launch
from explorer.fit.values import Answer
from explorer.hub.disk import download_folder, free_bytes
from explorer.hub.other_names import OLLAMA_PREFIX
from explorer.hub.source import RepoFile
from explorer.inspection.fitting import Subject
from explorer.inspection.model import Model
from explorer.units import file_size
from explorer.weights.layout import FileGroup

BESIDE = (
    "*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.py", "*.safetensors.index.json",
)  # fmt: skip
"""What engines read beside weights: configuration, tokenizer, chat template, code of the model."""
_FEW = 6
"""So many files are named one by one."""
_SHARDED = "-of-"


_READ_FILES = ("python", "llama-quantize")
"""Programs that are given the files' place, rather than the model's name."""


@dataclass(frozen=True, slots=True)
class Download:
    """What is to be fetched, and whether there is room for it."""

    command: Command
    files: tuple[str, ...]
    """Exactly what the command fetches."""
    size_bytes: int
    free_bytes: int | None
    """On the disk it goes to: the hub's cache, or the folder the commands are run in; None if unknown."""
    made_bytes: int = 0
    """What the preparation writes beside it: the converted and the quantized file."""

    @property
    def has_room(self) -> bool | None:
        """Whether the disk holds it and what is made of it; None if its room is not known."""
        return None if self.free_bytes is None else self.free_bytes >= self.needed_bytes

    @property
    def needed_bytes(self) -> int:
        """The files, and what is made of them."""
        return self.size_bytes + self.made_bytes

    @property
    def account(self) -> str:
        """How much is fetched and made, and whether the disk has room for that: a sentence."""
        files = f"{len(self.files)} file{'s' if len(self.files) > 1 else ''}"
        said = f"Downloads {files}, {file_size(self.size_bytes)}"
        if self.made_bytes:
            said += f", and makes {file_size(self.made_bytes)} more of them"
        if self.free_bytes is None:
            return f"{said}; the room on the disk is not known."
        room = f"{file_size(self.free_bytes)} free"
        if self.has_room:
            return f"{said}; the disk has room, {room}."
        return f"{said}; the disk has NOT enough room: {file_size(self.needed_bytes)}, and {room}."


@dataclass(frozen=True, slots=True)
class Commands:
    """Everything a person types to run a model as it was judged."""

    download: Download | None
    """None for a model that is on this disk."""
    launch: Launch

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines in order; of the last ones any that serves the purpose."""
        first = (self.download.command.line,) if self.download else ()
        steps = (*self.launch.preparation, *self.launch.commands)
        return (*first, *(step.line for step in steps))


def commands_for(model: Model, found: Subject, answer: Answer) -> Commands:
    """The commands for one answer about a model: of ``answer_subject``, or a cell of its grid."""
    if model.repo.listing.hub == "ollama":
        return _by_ollama(model, answer)
    quantization = answer.scenario.quantization or ""
    group = group_of(model, quantization)
    stored = _is_stored(model, quantization)
    weights = next(
        (option for option in found.options if option.quantization == quantization),
        found.options[0],
    )
    published = _published(model, group, quantization, stored=stored)
    on_disk = published.local
    if model.repo.listing.hub and not on_disk:
        # Engines fetch from Hugging Face alone: what another hub has is run from where it was put.
        published = _downloaded(published)
    launch = plan_launch(published, found.architecture, weights, answer)
    if on_disk:
        return Commands(None, launch)
    made = _made_bytes(model, found, launch, quantization)
    return Commands(replace(_download(model, group, launch), made_bytes=made), launch)


def _made_bytes(model: Model, found: Subject, launch: Launch, quantization: str) -> int:
    """Bytes of the files that the preparation writes: as it is converted, and quantized."""
    sizes = {option.quantization: option.total_bytes for option in found.options}
    wanted = sizes.get(quantization, 0)
    whole = sizes.get("BF16") or sizes.get("MXFP4") or 2 * model.checkpoint.counts.parameters
    made = {"convert_hf_to_gguf.py": whole, "llama-quantize": wanted, "mlx_lm.convert": wanted}
    steps = [step.program if step.program != "python" else step.arguments[0]
             for step in launch.preparation]  # fmt: skip
    return sum(made.get(step, 0) for step in steps)


def _by_ollama(model: Model, answer: Answer) -> Commands:
    """Ollama fetches and runs a model of its registry itself, by its own rules of context and offload."""
    name = model.repo.listing.id.removeprefix(OLLAMA_PREFIX)
    context = answer.scenario.context_tokens
    download = Download(
        command=Command("ollama", ("pull", name), purpose="download"),
        files=tuple(file.path for file in model.repo.files),
        size_bytes=sum(file.size_bytes for file in model.repo.files),
        free_bytes=None,
    )
    length = (("OLLAMA_CONTEXT_LENGTH", str(context)),) if context else ()
    commands = (
        Command("ollama", ("serve",), environment=length, purpose="serve"),
        Command("ollama", ("run", name), purpose="chat"),
    )
    note = "Ollama decides itself how many layers go to which device."
    return Commands(download, Launch((), commands, (note,)))


def _downloaded(published: Published) -> Published:
    """The same files in the folder that the download puts them in."""
    folder = published.id.rpartition("/")[2]
    return replace(published, id=folder, local=True, first_file=f"{folder}/{published.first_file}")


def _is_stored(model: Model, quantization: str) -> bool:
    """Whether a checkpoint's own files are this quantization: packed, or 16 bits as it was published.

    A GGUF repository holds what its files are named after, and what the one that was read is made of.
    """
    counts = model.checkpoint.counts
    if model.checkpoint.format == "gguf":
        labels = {name for group in model.layout.groups for name in (group.label, group.name)}
        return quantization in labels | counts.bytes_by_dtype.keys() | {_size_name(model)}
    if model.checkpoint.quantization is not None:
        return _size_name(model) == quantization or quantization == "FP8"
    main = max(counts.bytes_by_dtype, key=lambda dtype: counts.bytes_by_dtype[dtype], default="")
    return quantization in {"BF16", "F16"} and main in {"BF16", "F16"}


def _size_name(model: Model) -> str:
    """What the planner calls a packed checkpoint."""
    quantization = model.checkpoint.quantization
    return quantization.description.partition(",")[0] if quantization else ""


def group_of(model: Model, quantization: str) -> FileGroup:
    """The files of a quantization of a GGUF repository, or those that were read."""
    own = model.reading[0]
    if model.checkpoint.format != "gguf" or quantization in {own.label, own.name}:
        return own
    named = (
        group
        for group in model.layout.groups
        if group.format == "gguf"
        and group.purpose == "weights"
        and quantization in {group.label, group.name}
    )
    return next(named, own)


def _published(model: Model, group: FileGroup, quantization: str, *, stored: bool) -> Published:
    ref, listing = model.repo.ref, model.repo.listing
    local = bool(listing.provenance.startswith("on disk"))
    unique = group.label is not None and group.name == group.label
    first = group.files[0]
    if local:
        path = PurePath(ref.id)
        first = str(path) if path.name == PurePath(first).name else str(path / first)
    return Published(
        id=ref.id if local else listing.id,
        revision=ref.revision,
        local=local,
        format=model.checkpoint.format,
        quantization=quantization,
        stored=stored,
        label=group.label if unique else None,
        first_file=first,
        split=len(group.files) > 1,
        projector=any(other.purpose == "projector" for other in model.layout.groups),
    )


def _download(model: Model, group: FileGroup, launch: Launch) -> Download:
    files = model.repo.files
    groups = [group] if model.checkpoint.format == "gguf" else list(model.reading)
    wanted = {path for one in groups for path in one.files}
    if model.checkpoint.format != "gguf":
        folders = {PurePath(path).parent for path in wanted}
        wanted |= {file.path for file in files if _is_beside(file.path, folders)}
    patterns = patterns_for(wanted, [file.path for file in files])
    options = [item for pattern in patterns for item in ("--include", pattern)]
    if model.repo.ref.revision:
        options += ["--revision", model.repo.ref.revision]
    name = model.repo.listing.id
    elsewhere = model.repo.listing.hub
    first = launch.preparation[0].program if launch.preparation else ""
    here = bool(elsewhere) or first in _READ_FILES
    if here:
        options += ["--local-dir", name.rpartition("/")[2]]
    sizes = _sizes(files)
    return Download(
        command=Command(elsewhere or "hf", ("download", name, *options), purpose="download"),
        files=tuple(sorted(wanted)),
        size_bytes=sum(sizes[path] for path in wanted),
        free_bytes=free_bytes(Path.cwd() if here else download_folder()),
    )


def _sizes(files: Iterable[RepoFile]) -> dict[str, int]:
    return {file.path: file.size_bytes for file in files}


def _is_beside(path: str, folders: set[PurePath]) -> bool:
    """Whether a small file stands with the weights, or at the top."""
    parent = PurePath(path).parent
    if parent not in folders and parent != PurePath():
        return False
    return any(fnmatchcase(PurePath(path).name, pattern) for pattern in BESIDE)


def patterns_for(wanted: Iterable[str], files: Sequence[str]) -> tuple[str, ...]:
    """The fewest readable patterns for ``hf download --include`` that match these files and no others.

    ``*`` matches across folders there. Files that no pattern tells apart are named in full.
    """
    left = set(wanted)
    whole = set(wanted)
    if len(left) <= _FEW:
        return tuple(_literal(path) for path in sorted(left))
    chosen: list[str] = []
    for pattern in (*BESIDE, *_shard_patterns(left)):
        matched = {path for path in files if fnmatchcase(path, pattern)}
        if matched and matched <= whole and matched & left:
            chosen.append(pattern)
            left -= matched
    return (*chosen, *(_literal(path) for path in sorted(left)))


def _shard_patterns(paths: Iterable[str]) -> list[str]:
    """``model-*-of-00016.safetensors`` for numbered files."""
    found: dict[str, None] = {}
    for path in sorted(paths):
        head, separator, tail = path.rpartition(_SHARDED)
        stem, dash, number = head.rpartition("-")
        if separator and dash and number.isdigit():
            found[f"{_literal(stem)}-*{_SHARDED}{_literal(tail)}"] = None
    return list(found)


def _literal(path: str) -> str:
    """A path that as a pattern matches itself alone."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)
