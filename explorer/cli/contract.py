"""The JSON of every command. Stable: keys are added, never renamed.

Bytes, tokens and counts are integers; what is unknown is null.
"""

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from explorer.fit.architecture import Architecture
    from explorer.fit.values import Answer, Memory, Range
    from explorer.hardware.machine import Machine
    from explorer.hub.source import Source, Transfer
    from explorer.inspection.model import Model
    from explorer.inspection.rows import Row
    from explorer.weights.tensor_table import Row as TensorRow
    from explorer.weights.tree import Node


SCHEMA_VERSION = 1
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def emit(value: Json) -> None:
    """Print a value as JSON on standard output, readable and in ASCII so that no terminal is harmed."""
    json.dump(value, sys.stdout, indent=2)
    print()


def machine_json(machine: "Machine") -> dict[str, Json]:
    """The ``machine`` object."""
    return {
        "name": machine.name,
        "host_memory_bytes": machine.host_memory_bytes,
        "host_available_bytes": machine.host_available_bytes,
        "host_bandwidth_bytes_per_second": machine.host_bandwidth_bytes_per_second,
        "processor": machine.processor,
        "detected": machine.detected,
        "devices": [
            {
                "name": device.name,
                "kind": device.kind,
                "memory_bytes": device.memory_bytes,
                "available_bytes": device.available_bytes,
                "bandwidth_bytes_per_second": device.bandwidth_bytes_per_second,
                "unified": device.unified,
                "source": device.source,
            }
            for device in machine.devices
        ],
        "notes": list(machine.notes),
    }


def transfer_json(transfer: "Transfer") -> dict[str, Json]:
    """The ``transfer`` object: what the answer cost on the wire."""
    return {
        "requests": transfer.requests,
        "bytes": transfer.bytes,
        "seconds": round(transfer.seconds, 3),
        "cached": transfer.cached,
    }


def memory_json(memory: "Memory") -> dict[str, Json]:
    """The parts of a footprint and their total, in bytes."""
    return {**dataclasses.asdict(memory), "total": memory.total}


def range_json(value: "Range | None") -> Json:
    """An estimate with its spread, in tokens a second; null without a basis."""
    if value is None:
        return None
    return {
        "low": round(value.low, 2),
        "expected": round(value.expected, 2),
        "high": round(value.high, 2),
    }


def answer_json(
    model_id: str, revision: str | None, answer: "Answer", transfer: "Transfer"
) -> dict[str, Json]:
    """One element of the array that ``fit`` prints."""
    scenario = answer.scenario
    return {
        "schema_version": SCHEMA_VERSION,
        "id": model_id,
        "revision": revision,
        "machine": machine_json(answer.machine),
        "scenario": {
            "engine": scenario.engine,
            "context_tokens": scenario.context_tokens,
            "sequences": scenario.sequences,
            "kv_dtype": scenario.kv_dtype,
            "quantization": scenario.quantization,
            "batch_tokens": scenario.batch_tokens,
            "flash_attention": scenario.flash_attention,
            "gpu_layers": scenario.gpu_layers,
            "tensor_parallel": scenario.tensor_parallel,
            "pipeline_parallel": scenario.pipeline_parallel,
            "memory_utilization": scenario.memory_utilization,
            "reserve_bytes": scenario.reserve_bytes,
            "kv_unified": scenario.kv_unified,
            "swa_full": scenario.swa_full,
            "mtp": scenario.mtp,
            "draft_tokens": scenario.draft_tokens or 0,
        },
        "memory": memory_json(answer.memory),
        "placement": [
            {
                "device": placed.device,
                **memory_json(placed.memory),
                "capacity": placed.capacity_bytes,
            }
            for placed in answer.placement
        ],
        "layers": answer.layers,
        "gpu_layers": answer.gpu_layers,
        "host_expert_layers": answer.host_expert_layers,
        "verdict": answer.verdict.value,
        "exact": answer.exact,
        "max_context_tokens": answer.max_context_tokens,
        "speed": {
            "decode_tokens_per_second": range_json(answer.speed.decode),
            "prefill_tokens_per_second": range_json(answer.speed.prefill),
            "basis": answer.speed.basis,
        },
        "assumptions": list(answer.assumptions),
        "reasons": [dataclasses.asdict(reason) for reason in answer.reasons],
        "transfer": transfer_json(transfer),
    }


def row_json(row: "Row") -> dict[str, Json]:
    """One row that ``search`` prints."""
    listing, answer = row.listing, row.answer
    fit: Json = None
    if answer is not None:
        fit = {
            "quantization": answer.scenario.quantization,
            "engine": answer.scenario.engine,
            "verdict": answer.verdict.value,
            "total_bytes": answer.memory.total,
            "decode_tokens_per_second": range_json(answer.speed.decode),
            "estimated": row.estimated,
        }
    return {
        "id": listing.id,
        "parameters": row.parameters,
        "active": row.active,
        "context_tokens": row.context_tokens,
        "license": listing.license,
        "gated": listing.gated,
        "task": listing.task,
        "downloads": listing.downloads,
        "likes": listing.likes,
        "created": listing.created.isoformat() if listing.created else None,
        "updated": listing.updated.isoformat() if listing.updated else None,
        "age_seconds": round(row.age_seconds),
        "fit": fit,
    }


def tensor_json(row: "TensorRow") -> dict[str, Json]:
    """One tensor."""
    return {
        "name": row.name,
        "dtype": row.dtype,
        "shape": list(row.shape),
        "parameters": row.parameters,
        "size_bytes": row.size_bytes,
        "file": row.path,
        "start": row.tensor.start,
        "logical_shape": None if row.logical_shape is None else list(row.logical_shape),
        "component": row.component,
        "role": row.role,
    }


def group_json(node: "Node") -> dict[str, Json]:
    """Totals of one group of tensors."""
    return {
        "group": node.name,
        "tensors": node.tensors,
        "parameters": node.parameters,
        "size_bytes": node.size_bytes,
    }


def model_json(model: "Model", source: "Source") -> dict[str, Json]:
    """The object that ``show`` prints."""
    counts = model.checkpoint.counts
    listing, terms = model.repo.listing, model.terms
    unread, absent = model.unread, set(model.absent)
    quantization = model.checkpoint.quantization
    return {
        "schema_version": SCHEMA_VERSION,
        "id": listing.id,
        "revision": model.repo.commit,
        "source": source.name,
        "format": model.checkpoint.format,
        "files": [
            {
                "path": shard.path,
                "size_bytes": None if shard.path in absent else shard.size_bytes,
                "tensors": len(shard.header.tensors) if shard.header else None,
            }
            for shard in sorted(model.checkpoint.shards, key=lambda shard: shard.path)
        ],
        "tensors": None if unread else counts.tensors,
        "stored_bytes": None if unread else counts.stored_bytes,
        "parameters": {
            "total": model.published_parameters if unread else counts.parameters,
            "total_from": _total_from(model),
            "active": model.active_parameters,
            "active_with_input_embedding": model.active_counted(input_embedding=True),
            "active_without_input_embedding": model.active_counted(input_embedding=False),
            "elements": None if unread else counts.elements,
            "by_dtype": dict(listing.parameters_by_dtype if unread else counts.by_dtype),
            "by_component": dict(counts.by_component),
        },
        "bits_per_weight": counts.bits_per_weight,
        "quantization": {
            "method": quantization.method,
            "bits": quantization.bits,
            "group_size": quantization.group_size,
            "description": quantization.description,
        }
        if quantization
        else None,
        "architecture": architecture_json(model.architecture),
        "license": {
            "id": terms.id,
            "name": terms.name,
            "commercial": terms.commercial.value,
            "hosting": terms.hosting.value,
            "train_on_outputs": terms.train_on_outputs.value,
            "source": terms.source,
            "confidence": terms.confidence,
        },
        "gated": listing.gated,
        "provenance": listing.provenance,
        "age_seconds": round(model.repo.age_seconds),
        "warnings": list(model.warnings),
        "transfer": transfer_json(source.transfer),
    }


def _total_from(model: "Model") -> str | None:
    """Who counted the parameters: the headers, or the hub where none could be read."""
    if not model.unread:
        return "headers"
    return None if model.published_parameters is None else "hub"


def architecture_json(shape: "Architecture | None") -> Json:
    """The ``architecture`` object; null if no file told the shape."""
    if shape is None:
        return None
    sparse = next((layer for layer in shape.layers if layer.experts), None)
    return {
        "name": shape.name,
        "model_type": shape.model_type,
        "layers": len(shape.layers),
        "context_tokens": shape.context_tokens,
        "experts": sparse.experts if sparse else None,
        "experts_per_token": sparse.experts_used if sparse else None,
        "attention": dict(shape.attention),
        "known": shape.known,
    }
