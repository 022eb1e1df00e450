"""Everything one model can be had as: each quantized repository and each file in it, in one table.

Sizes are those of the files, so no header is read: one look-up a repository. How a variant runs here is
judged on the model's own shape, with its bytes laid out as in the nearest planned quantization. A 16-bit
checkpoint is judged as everywhere else: as llama.cpp runs it once it is converted.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from explorer.errors import ExplorerError, UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.planner import best, judge
from explorer.fit.values import Answer, Engine, Scenario, Verdict
from explorer.fit.weight_map import WeightMap, scaled_to
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing, Repo, Source
from explorer.inspection.documents import json_object
from explorer.inspection.lineage import Kin, Lineage
from explorer.inspection.model import CONFIG, Model
from explorer.inspection.quantizations import engine_of, of_model
from explorer.inspection.rows import describe
from explorer.lineage import Relation
from explorer.weights.layout import FileGroup, lay_out
from explorer.weights.quantization import from_config as quantization_of

REPOSITORIES = 24
"""Looked up unless more are asked for: the hub allows some hundred requests in five minutes."""
AT_ONCE = 8
MOST_FILES = 100
"""Variants of one repository."""
_HIGHEST_STEPS = 3
_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
PLANNED = "planned"
"""The format of what nobody published and an engine's tools would make."""
NAME_ONLY = "only its name is known"


@dataclass(frozen=True, slots=True)
class Origin:
    """The model that all variants hold."""

    kin: Kin
    architecture: Architecture | None
    parameters: int | None
    plans: tuple[WeightMap, ...]
    """Its weights in planned quantizations; empty if its size is unknown."""
    estimated: bool
    """The shape was supposed from the parameter count."""
    engine: Engine = "llama.cpp"
    """What people run it on, which the listing and the Fit tab judge it for."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to have a model: a file, its parts, or a repository's checkpoint."""

    repo: str
    format: str
    """``GGUF``, ``safetensors``, ``MLX``, ``torch``; empty where unknown."""
    quantization: str
    """``Q4_K_M``, ``AWQ 4-bit``, ``BF16``; ``?`` where neither name nor configuration says."""
    files: tuple[str, ...] = ()
    size_bytes: int | None = None
    """Of its files together; None where only the repository's name is known."""
    bits_per_weight: float | None = None
    """Size over the model's parameters: scales, tables and the file's header are in it."""
    downloads: int | None = None
    """Of the whole repository, in the last 30 days."""
    engine: Engine = "llama.cpp"
    """What people run it on."""
    note: str = ""
    """What is wrong with its files; it is then not judged."""
    answer: Answer | None = None
    refusal: str = ""
    """Why its engine does not run it on the machine it was judged for."""

    @property
    def converted(self) -> bool:
        """Its engine runs a GGUF file that is made of it first."""
        return self.engine == "llama.cpp" and self.format not in {"GGUF", PLANNED}

    @property
    def uploader(self) -> str:
        """Whose repository it is."""
        return self.repo.rpartition("/")[0]

    @property
    def remark(self) -> str:
        """Why there is no verdict; empty where there is one."""
        return self.note or self.refusal

    @property
    def key(self) -> tuple[str, str]:
        """Tells it from every other."""
        return self.repo, self.files[0] if self.files else ""


@dataclass(frozen=True, slots=True)
class Variants:
    """What was found so far."""

    origin: Origin
    variants: tuple[Variant, ...] = ()
    """Most bits a weight first, then the most downloaded; those without a size last."""
    looked_at: int = 0
    repositories: int = 0
    """That are to be looked at, the model's own among them."""
    more: bool = False
    """Further repositories are listed, with fewer downloads."""
    best: Answer | None = None
    """The best quantization on the machine it was judged for, of all that the model is offered in whoever
    publishes it: what the listing and the Fit tab say. None if nothing runs, or the size is unknown."""
    beyond: Answer | None = None
    """How the next larger one would run."""
    done: bool = False
    note: str = ""
    """What the source cannot tell, and what was supposed."""
    problems: tuple[ExplorerError, ...] = ()


async def find_variants(
    source: Source, lineage: Lineage, kin: Kin, repositories: int = REPOSITORIES
) -> AsyncGenerator[Variants]:
    """Look a model's variants up, the most downloaded first, and yield what is there after each few.

    A quantized model is taken back to what it was made of. ``lineage`` remembers what was looked up. A
    repository that cannot be had leaves its error among the problems. Raises the errors of the source if
    the variants cannot even be listed.
    """
    origin = await _origin(source, lineage, kin)
    branch = await lineage.branch(origin.kin.id, Relation.QUANTIZED)
    branch = await lineage.grow_to(branch, repositories)
    if branch.error is not None and not branch.kin:
        raise branch.error
    chosen = branch.kin[:repositories]
    guessed = "the model's shape is estimated from its parameter count" if origin.estimated else ""
    found = Variants(
        origin,
        repositories=len(chosen) + 1,
        more=branch.more or len(branch.kin) > repositories,
        note="; ".join(note for note in (guessed, lineage.note) if note),
        problems=(branch.error,) if branch.error else (),
    )
    found = _with(found, origin.kin, own=True)
    yield found
    for start in range(0, len(chosen), AT_ONCE):
        names = [one.id for one in chosen[start : start + AT_ONCE]]
        for one in await asyncio.gather(*(lineage.kin(name) for name in names)):
            found = _with(found, one)
        yield found
    yield replace(found, done=True)


def judge_variants(
    found: Variants, machine: Machine, scenario: Scenario, before: Variants | None = None
) -> Variants:
    """The variants with their verdicts. Those of ``before``, on the same machine, are kept."""
    known = {one.key: one for one in before.variants} if before else {}
    best, beyond = _best(found.origin, machine, scenario)
    return replace(
        found,
        best=best,
        beyond=beyond,
        variants=tuple(
            known.get(one.key) or _judged(one, found.origin, machine, scenario)
            for one in found.variants
        ),
    )


def opened(origin: Origin, model: Model) -> Origin:
    """The origin with what its headers say rather than its listing, once they have all been read.

    As it was if another model is the origin, or one that has no blocks to place.
    """
    if model.id != origin.kin.id or not model.complete or model.architecture is None:
        return origin
    plans = of_model(model)
    if not plans or not model.architecture.layers:
        return origin
    return replace(
        origin,
        architecture=model.architecture,
        plans=plans,
        estimated=False,
        engine=engine_of(model.checkpoint.quantization),
    )


def _best(
    origin: Origin, machine: Machine, scenario: Scenario
) -> tuple[Answer | None, Answer | None]:
    """The best quantization of a model on a machine, and how the next larger one would run."""
    if origin.architecture is None or not origin.plans:
        return None, None
    asked = replace(scenario, engine=origin.engine, quantization=None)
    try:
        found = best(origin.architecture, origin.plans, machine, asked, explain=False)
        name = found.scenario.quantization
        size = next(plan.total_bytes for plan in origin.plans if plan.quantization == name)
        larger = [plan for plan in origin.plans if plan.total_bytes > size]
        if found.verdict is Verdict.TOO_LARGE:
            return None, None
        if not larger:
            return found, None
        following = min(larger, key=lambda plan: plan.total_bytes)
        return found, judge(origin.architecture, following, machine, asked, explain=False)
    except UsageError:
        return None, None


async def _origin(source: Source, lineage: Lineage, kin: Kin) -> Origin:
    """The model itself, or what it was quantized from."""
    for _ in range(_HIGHEST_STEPS):
        if kin.step.relation is not Relation.QUANTIZED or not kin.step.bases:
            break
        base = await lineage.kin(kin.step.bases[0])
        if base.listing is None:
            break
        kin = base
    listing = kin.listing or Listing(kin.id)
    config = listing.config
    if kin.repo is not None and len(listing.config) <= len(_SHALLOW):
        config = await _config(source, kin.repo) or listing.config
    return await asyncio.to_thread(_described, kin, replace(listing, config=config))


_SHALLOW = ("architectures", "model_type", "quantization_config")
"""What the hub's excerpt of a configuration holds: no shape."""


async def _config(source: Source, repo: Repo) -> Mapping[str, Any]:
    """config.json; empty if there is none that can be read."""
    try:
        return json_object(CONFIG, await source.text(repo, CONFIG) or "{}")
    except ExplorerError:
        return {}


def _described(kin: Kin, listing: Listing) -> Origin:
    row = describe(listing)
    shape = row.architecture
    plans = row.options if shape and shape.layers else ()
    return Origin(kin, shape, row.parameters, plans, row.estimated, row.engine)


def _with(found: Variants, kin: Kin, *, own: bool = False) -> Variants:
    """With the variants of one more repository."""
    looked = replace(found, looked_at=found.looked_at + 1)
    if kin.error is not None:
        return replace(looked, problems=(*found.problems, kin.error))
    if kin.repo is None:
        named = [] if own else [Variant(kin.id, *_by_name(kin), note=NAME_ONLY)]
    else:
        named = list(_in_repository(kin, kin.repo, found.origin))
    grown = sorted((*found.variants, *named), key=_order)
    return replace(looked, variants=tuple(grown))


def _order(variant: Variant) -> tuple[bool, float, int, str]:
    size = variant.size_bytes or 0
    return not size, -size, -(variant.downloads or 0), variant.repo


def _by_name(kin: Kin) -> tuple[str, str]:
    """Format and quantization of a repository of which only the name is known."""
    return ("GGUF" if "gguf" in kin.id.lower() else ""), "?"


def _in_repository(kin: Kin, repo: Repo, origin: Origin) -> Iterator[Variant]:
    """The variants that a repository's files make up."""
    layout = lay_out(((file.path, file.size_bytes) for file in repo.files), {})
    files = [
        group for group in layout.groups if group.format == "gguf" and group.purpose == "weights"
    ]
    for group in files[:MOST_FILES]:
        note = "" if group.complete else f"{len(group.files)} of {group.parts} parts are there"
        yield _variant(
            kin, origin, "GGUF", group.label or group.name, (group,), engine="llama.cpp", note=note
        )
    rest = tuple(group for group in layout.default if group.format != "gguf")
    if rest:
        label, format_name, engine = _checkpoint(repo.listing, rest[0])
        yield _variant(kin, origin, format_name, label, rest, engine=engine)


def _variant(
    kin: Kin,
    origin: Origin,
    format_name: str,
    quantization: str,
    groups: tuple[FileGroup, ...],
    *,
    engine: Engine,
    note: str = "",
) -> Variant:
    size = sum(group.size_bytes for group in groups)
    return Variant(
        repo=kin.id,
        format=format_name,
        quantization=quantization,
        files=tuple(path for group in groups for path in group.files),
        size_bytes=size,
        bits_per_weight=8 * size / origin.parameters if origin.parameters else None,
        downloads=kin.listing.downloads if kin.listing else None,
        engine=engine,
        note=note,
    )


def _checkpoint(listing: Listing, group: FileGroup) -> tuple[str, str, Engine]:
    """Quantization, format and engine of a repository's safetensors or torch files."""
    quantization = quantization_of(listing.config)
    mlx = "mlx" in listing.tags or (quantization is not None and quantization.method == "mlx")
    if quantization is not None:
        label = quantization.description.partition(",")[0] or quantization.method
    else:
        counts = listing.parameters_by_dtype
        said = str(listing.config.get("dtype") or listing.config.get("torch_dtype") or "")
        label = max(counts, key=lambda dtype: counts[dtype]) if counts else _DTYPES.get(said, "?")
    if mlx:
        return label, "MLX", "mlx"
    return label, group.format, engine_of(quantization)


def _judged(variant: Variant, origin: Origin, machine: Machine, scenario: Scenario) -> Variant:
    if not variant.size_bytes or variant.note or origin.architecture is None or not origin.plans:
        return variant
    asked = scenario
    if variant.engine != origin.engine:  # the settings are another engine's
        asked = Scenario(context_tokens=scenario.context_tokens, sequences=scenario.sequences)
    asked = replace(asked, engine=variant.engine, quantization=None)
    weights = _weights(variant, variant.size_bytes, origin.plans)
    try:
        answer = judge(origin.architecture, weights, machine, asked, explain=False)
    except UsageError as error:
        return replace(variant, answer=None, refusal=error.title)
    return replace(variant, answer=answer, refusal="")


def _weights(variant: Variant, size_bytes: int, plans: Sequence[WeightMap]) -> WeightMap:
    """What an engine loads of a variant: a GGUF file made of its checkpoint, or its files as they are."""
    if variant.converted:
        return max(plans, key=lambda plan: plan.total_bytes)
    nearest = min(plans, key=lambda plan: abs(plan.total_bytes - size_bytes))
    return replace(scaled_to(nearest, size_bytes, variant.quantization), exact=True)
