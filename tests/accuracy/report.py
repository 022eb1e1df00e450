"""Print how far the memory model is from the engines: ``python -m tests.accuracy.report [--readme]``.

Errors are relative, by engine, part and kind of attention: the median, the 90th percentile, the worst.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from explorer.engine.library import Library
from explorer.engine.pinned import BUILD, why_not
from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.conversion import rows_of
from explorer.fit.gguf_metadata import from_gguf
from explorer.fit.llama_cpp import VERSION
from explorer.fit.llama_cpp.builds import OFF
from explorer.fit.llama_cpp.cache import kv_bytes, state_bytes
from explorer.fit.llama_cpp.compute import compute
from explorer.fit.llama_cpp.demand import demand
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.quantize import quantized_rows, row_bytes
from explorer.fit.recurrence import State, mamba
from explorer.units import MIB
from tests.accuracy import readme, vllm_logs
from tests.accuracy.families import architecture_of, family_plans
from tests.accuracy.oracle import write_sparse
from tests.accuracy.plans import (
    DATA,
    PlanRow,
    architecture,
    description,
    models,
    plan_rows,
    weights,
)
from tests.accuracy.spread_plans import spread_plans
from tests.accuracy.test_oracle import ASKED
from tests.fit_quantize.checkpoints import gguf, quantized_sizes

Key = tuple[str, str, str]
"""Engine, part, kind of attention."""


def kind_of(found: Architecture) -> str:
    """The kinds of layers of a model, most of them first, as one label."""
    kinds = found.attention
    return " + ".join(sorted(kinds, key=lambda kind: -kinds[kind]))


def plan_errors() -> Iterator[tuple[Key, float]]:
    """Errors against llama.cpp's own plans."""
    engine = f"llama.cpp {VERSION}, planned"
    for row in plan_rows():
        found = architecture(row.model)
        kind = kind_of(found)
        cuda = row.whole_on_one or row.device.startswith("2 CUDA")
        for part, ours, theirs in _parts(row, found, cuda=cuda):
            if theirs:
                yield (engine, part, kind), abs(ours / theirs - 1)


def _parts(row: PlanRow, found: Architecture, *, cuda: bool) -> list[tuple[str, int, int]]:
    groups = found.groups
    kv = sum(kv_bytes(layer, row.settings, cuda=cuda) * count for layer, count in groups)
    state = sum(state_bytes(layer, row.settings) * count for layer, count in groups)
    parts = [("KV cache", kv, row.kv_bytes), ("recurrent state", state, row.state_bytes)]
    needs = demand(found, weights(row.model), row.settings, cuda=cuda)
    loaded = sum(needs.block_weights) + sum(needs.block_experts)
    buffers = needs.compute
    if row.whole_on_one:
        parts.append(("weights, CUDA", loaded + needs.output_weights, row.weights["CUDA0"]))
        parts.append(("weights, pinned host", needs.input_weights, row.weights["CUDA_Host"]))
        parts.append(("compute, CUDA", buffers.device, row.compute["CUDA0"]))
        ours = loaded + needs.output_weights + kv + state + buffers.device
        theirs = row.weights["CUDA0"] + row.kv_bytes + row.state_bytes + row.compute["CUDA0"]
        parts.append(("whole footprint, CUDA", ours, theirs))
        parts.append(("compute, pinned host", buffers.host, row.compute["CUDA_Host"]))
    elif row.device.startswith("2 CUDA"):
        _, *devices = needs.spread.buffers(2)
        for number, ours in enumerate(devices):
            parts.append(("compute, two CUDA", ours, row.compute[f"CUDA{number}"]))
    elif row.device.startswith("cpu"):
        alone = loaded + needs.input_weights + needs.host_output_weights
        parts.append(("weights, CPU", alone, sum(row.weights.values())))
        parts.append(("compute, CPU", buffers.alone, row.compute["CPU"]))
    return parts


def family_errors() -> Iterator[tuple[Key, float]]:
    """Errors of compute buffers against plans for families beyond the models of ``plan_errors``."""
    for plan in family_plans():
        followed = architecture_of(plan.family).model_type not in OFF
        engine = f"llama.cpp {VERSION}, {'other families' if followed else 'families not followed'}"
        for part, ours, theirs in plan.parts():
            yield (engine, part, plan.family), abs(ours / theirs - 1)


def spread_errors() -> Iterator[tuple[Key, float]]:
    """Errors of compute buffers against plans with blocks or experts on the host beside devices."""
    engine = f"llama.cpp {VERSION}, planned"
    for plan in spread_plans():
        for part, ours, theirs in plan.parts():
            yield (engine, part, kind_of(architecture(plan.model))), abs(ours / theirs - 1)


def log_errors() -> Iterator[tuple[Key, float]]:
    """Errors against the KV caches and states that llama.cpp printed in public logs."""
    with (DATA / "memory.jsonl").open() as file:
        for line in file:
            row = json.loads(line)
            if row["engine"] in {"llama.cpp", "ollama"} and "hparams" in row:
                yield from _log_row(row)


def _log_row(row: dict[str, Any]) -> Iterator[tuple[Key, float]]:
    shape, printed = row["hparams"], row["measured_MiB"]
    engine = "llama.cpp, public logs"
    # older builds stored the latent of MLA, or its expansion, as values too
    expanded = shape.get("n_embd_v_gqa") and row["cls"].startswith("mla")
    cells = printed.get("kv_nonswa_cells", row.get("ctx"))
    if "kv_total" in printed and cells and row["cls"] != "dsv4":
        settings = Settings(n_ctx=cells, type_k=row["kv_dtype_k"], type_v=row["kv_dtype_v"])
        layer, layers = _log_layer(shape)
        ours = kv_bytes(layer, settings) * layers
        part = "KV cache" + (" (values stored too)" if expanded else "")
        yield (engine, part, row["cls"]), abs(ours / MIB / printed["kv_total"] - 1)
    if "rs_total" in printed and "ssm_d_inner" in shape:
        state = mamba(
            kernel=shape["ssm_d_conv"], inner=shape["ssm_d_inner"],
            state=shape["ssm_d_state"], groups=shape["ssm_n_group"],
        )  # fmt: skip
        sequences = shape.get("n_seq") or row.get("n_seq") or 1
        ours = _state(state, sequences) * shape["lin_layers"]
        yield (engine, "recurrent state", row["cls"]), abs(ours / MIB / printed["rs_total"] - 1)


def _log_layer(shape: dict[str, Any]) -> tuple[Layer, int]:
    if "kvh" in shape:
        return Layer(Mixer.FULL, 1, shape["kvh"], shape["hd"], shape["hd"]), shape["full_layers"]
    return (
        Layer(Mixer.FULL, 1, 1, shape["n_embd_k_gqa"], shape["n_embd_v_gqa"]), shape["n_layer"]
    )  # fmt: skip


def _state(state: State, sequences: int) -> int:
    layer = Layer(
        Mixer.MAMBA2, conv_elements=state.conv_elements, state_elements=state.state_elements
    )
    return state_bytes(layer, Settings(n_ctx=256, sequences=sequences))


def size_errors() -> Iterator[tuple[Key, float]]:
    """Errors against the sizes that llama-quantize's own rules give, 13 file types of each model."""
    for model, wanted in quantized_sizes().items():
        tensors, metadata = gguf(model)
        found = from_gguf(metadata)
        rows = rows_of(tensors, found)
        for file_type, expected in wanted.items():
            planned = quantized_rows(rows, found, file_type)
            ours = sum(row_bytes(row, dtype) for row, dtype in planned)
            key = ("llama-quantize", "planned size", kind_of(found))
            yield key, abs(ours / expected["bytes"] - 1)


def live_errors() -> Iterator[tuple[Key, float]]:
    """Errors against llama.cpp asked here and now; none where it cannot be asked."""
    if why_not():
        return
    engine, library = f"llama.cpp {BUILD}, asked here", Library()
    with TemporaryDirectory() as folder:
        for model in models():
            path, found = Path(folder) / f"{model}.gguf", architecture(model)
            write_sparse(description(model), path)
            for settings in ASKED:
                told = library.plan(path, settings)
                cache = sum(
                    (kv_bytes(layer, settings) + state_bytes(layer, settings)) * count
                    for layer, count in found.groups
                )
                buffer = compute(found, settings).alone
                kind = kind_of(found)
                yield (engine, "KV cache and state", kind), abs(cache / told.context - 1)
                yield (engine, "compute, CPU", kind), abs(buffer / told.compute - 1)
            path.unlink()


def every_error() -> Iterator[tuple[Key, float]]:
    """All errors there are."""
    return chain(
        plan_errors(), family_errors(), spread_errors(), live_errors(), log_errors(), size_errors(),
        vllm_logs.errors(),
    )  # fmt: skip


def table() -> list[str]:
    """The report, a line an engine, part and kind, and a line for all kinds together."""
    errors: dict[Key, list[float]] = defaultdict(list)
    for (engine, part, kind), error in every_error():
        errors[engine, part, kind].append(error)
        errors[engine, part, "all"].append(error)
    lines = [
        "| engine | part | attention | figures | median | 90th | worst |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for (engine, part, kind), found in sorted(errors.items()):
        found.sort()
        shown = (found[len(found) // 2], found[len(found) * 9 // 10], found[-1])
        lines.append(
            f"| {engine} | {part} | {kind} | {len(found)} | "
            + " | ".join(f"{100 * error:.2f} %" for error in shown)
            + " |"
        )
    return lines


def main() -> None:
    """Print all errors by kind of attention, or with ``--readme`` the table of README."""
    print("\n".join(readme.lines(every_error()) if "--readme" in sys.argv else table()))
    if reason := why_not():
        print(f"llama.cpp was not asked: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
