"""What every command needs: the machine, the scenario, the source and the model that were asked for."""

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from explorer.cli import report
from explorer.errors import ModelNotFound, UsageError
from explorer.fit.values import Engine, Scenario
from explorer.hardware.machine import Machine
from explorer.hardware.spec import parse_machine
from explorer.hub.names import ModelName, parse_name
from explorer.hub.options import open_source
from explorer.hub.source import Source
from explorer.inspection.model import Model
from explorer.inspection.opening import open_model

_MOST_TROUBLES = 10
"""Lines about what could not be read, of which a model may have hundreds."""


def machine_of(options: argparse.Namespace) -> Machine:
    """The machine that was named, or the one at hand."""
    spec: str | None = getattr(options, "machine", None)
    if spec is not None:
        return parse_machine(spec)
    from explorer.hardware.detect import detect  # reads what every vendor's tools say

    return detect()


def scenario_of(options: argparse.Namespace) -> Scenario:
    """How the models are to be run, as far as the options say.

    Raises UsageError where an engine is asked for what only another has.
    """
    if options.mtp is False and options.draft_tokens:
        raise UsageError("--draft-tokens needs multi-token prediction", hint="leave out --no-mtp")
    return Scenario(
        engine=_engine_of(options),
        tensor_parallel=options.tensor_parallel,
        pipeline_parallel=options.pipeline_parallel,
        memory_utilization=options.memory_utilization,
        context_tokens=options.context,
        sequences=options.sequences,
        quantization=options.quant,
        kv_dtype=options.kv_dtype,
        batch_tokens=options.batch_tokens,
        flash_attention=options.flash_attention == "on",
        gpu_layers=options.gpu_layers,
        reserve_bytes=options.reserve,
        kv_unified=options.kv_unified,
        swa_full=options.swa_full,
        mtp=bool(options.mtp or options.draft_tokens),
        draft_tokens=options.draft_tokens,
    )


def _engine_of(options: argparse.Namespace) -> Engine | None:
    """The engine that was named, or the only one that has what was asked for."""
    engine: Engine | None = options.engine
    for owner, names in _OWN.items():
        for name in names:
            value = getattr(options, name)
            if value is None or (name == "swa_full" and not value):
                continue
            if engine not in (None, owner):
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{engine} has no {option}", hint=f"ask for --engine {owner}")
            engine = owner
    return engine


_OWN: dict[Engine, tuple[str, ...]] = {
    "vllm": ("tensor_parallel", "pipeline_parallel", "memory_utilization"),
    "llama.cpp": ("kv_unified", "swa_full"),
}
"""Options that one engine alone has."""


def open_for(options: argparse.Namespace, named: ModelName | None) -> Source:
    """The source the options ask for; the disk, or another hub, if the model's name says so."""
    return open_source(
        "local" if named and named.local else options.source,
        hub=(named.hub if named else None) or options.hub,
        endpoint=named.endpoint if named else None,
        offline=options.offline,
        folders=options.folder,
    )


@asynccontextmanager
async def source_of(options: argparse.Namespace, name: str | None = None) -> AsyncIterator[Source]:
    """As ``open_for`` of the name, closed when it is done with."""
    source = open_for(options, parse_name(name) if name is not None else None)
    try:
        yield source
    finally:
        await source.close()


async def read_model(source: Source, name: ModelName) -> Model:
    """A model with every header that could be had; progress goes to stderr if a person watches."""
    latest: Model | None = None
    watched = sys.stderr.isatty()
    try:
        async with aclosing(open_model(source, name.ref, file=name.file)) as models:
            async for model in models:
                latest = model
                if watched and model.shards_total > 1:
                    report.progress(f"headers {model.shards_read} of {model.shards_total}")
    finally:
        if watched:
            report.progress("")
    if latest is None:
        raise ModelNotFound(f"“{name.ref.id}” gave nothing to read")
    return latest


def say_troubles(model: Model) -> None:
    """Say on stderr why the answer is not the latest, and what of the model could not be read."""
    if model.repo.caveat:
        report.note(f"! {model.repo.caveat}")
    troubles = list(dict.fromkeys(str(error) for error in model.errors))
    for trouble in troubles[:_MOST_TROUBLES]:
        report.note(f"! {trouble}")
    if len(troubles) > _MOST_TROUBLES:
        report.note(f"! and {len(troubles) - _MOST_TROUBLES} more")


def exit_code(model: Model) -> int:
    """0, or the code of the first part that could not be read: the rest was still shown."""
    return model.errors[0].exit_code if model.errors else 0
