"""The JSON of the questions beyond the fit: enough, upgrades, most, commands, compare."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.cli.contract import SCHEMA_VERSION, Json, machine_json, memory_json, range_json

if TYPE_CHECKING:
    from explorer.engine.told import EngineWord, Parts
    from explorer.fit.enough import Enough
    from explorer.fit.launch import Command
    from explorer.fit.most import Most
    from explorer.fit.upgrades import Upgrade
    from explorer.fit.values import Answer
    from explorer.inspection.comparing import Comparison
    from explorer.inspection.launching import Commands


def most_json(most: "Most") -> dict[str, Json]:
    """The ``most`` object of ``fit``."""
    return {
        "context_tokens": most.context_tokens,
        "sequences": most.sequences,
        "quantization": most.quantization,
    }


def enough_json(found: "Enough") -> dict[str, Json]:
    """The ``enough`` object of ``fit --enough``."""
    return {
        "quantization": found.quantization,
        "min_tokens_per_second": found.min_tokens_per_second,
        "setups": [
            {
                "family": setup.family,
                "machine": setup.machine.name,
                "device": setup.device or None,
                "count": setup.count,
                "memory_bytes": setup.memory_bytes,
                "host_memory_bytes": setup.machine.host_memory_bytes,
                "alike": list(setup.alike),
                **_outcome(setup.answer),
            }
            for setup in found.setups
        ],
        "without_speed": list(found.without_speed),
    }


def upgrades_json(found: "Sequence[Upgrade]") -> list[Json]:
    """The ``upgrades`` array of ``fit --enough``."""
    return [
        {
            "change": one.change,
            "machine": one.machine.name,
            "helps": one.helps,
            "before": _outcome(one.before),
            "after": _outcome(one.after),
        }
        for one in found
    ]


def _outcome(answer: "Answer") -> dict[str, Json]:
    return {
        "verdict": answer.verdict.value,
        "quantization": answer.scenario.quantization,
        "engine": answer.scenario.engine,
        "total_bytes": answer.memory.total,
        "max_context_tokens": answer.max_context_tokens,
        "decode_tokens_per_second": range_json(answer.speed.decode),
    }


def commands_json(commands: "Commands") -> dict[str, Json]:
    """The ``commands`` object of ``fit``."""
    download = commands.download
    return {
        "download": None
        if download is None
        else {
            **_command(download.command),
            "files": list(download.files),
            "size_bytes": download.size_bytes,
            "made_bytes": download.made_bytes,
            "free_bytes": download.free_bytes,
            "has_room": download.has_room,
        },
        "prepare": [_command(step) for step in commands.launch.preparation],
        "run": [_command(step) for step in commands.launch.commands],
        "notes": list(commands.launch.notes),
    }


def _command(command: "Command") -> dict[str, Json]:
    return {
        "line": command.line,
        "program": command.program,
        "arguments": list(command.arguments),
        "environment": dict(command.environment),
        "purpose": command.purpose,
    }


def engine_json(word: "EngineWord") -> dict[str, Json]:
    """The ``engine_says`` object of ``fit --ask-engine``: bytes, on a processor alone."""
    return {
        "version": word.version,
        "placement": "processor",
        "theirs": None if word.theirs is None else _parts(word.theirs),
        "ours": _parts(word.ours),
        "rounded_to_mib": word.rounded,
        "problem": word.problem or None,
    }


def _parts(parts: "Parts") -> dict[str, Json]:
    return {
        "weights": parts.weights,
        "context": parts.context,
        "compute": parts.compute,
        "total": parts.total,
    }


def comparison_json(found: "Comparison") -> dict[str, Json]:
    """The object that ``compare`` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": machine_json(found.machine),
        "models": [
            {
                "id": model.id,
                "parameters": model.parameters,
                "active": model.active,
                "context_tokens": model.context_tokens,
                "license": model.license or None,
                "model_type": model.architecture or None,
                "fit": None
                if model.answer is None
                else {
                    **_outcome(model.answer),
                    "context_tokens": model.answer.scenario.context_tokens,
                    "memory": memory_json(model.answer.memory),
                    "prefill_tokens_per_second": range_json(model.answer.speed.prefill),
                },
                "problem": model.problem or None,
            }
            for model in found.models
        ],
        "differences": [
            {
                "name": line.name,
                "ratio": round(line.ratio, 3),
                "best": None if line.best is None else found.models[line.best].id,
                "marked": line.marked,
            }
            for line in found.lines
            if line.ratio is not None
        ],
    }
