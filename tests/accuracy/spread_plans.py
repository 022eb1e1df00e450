"""llama.cpp v0.5.0's own plans with blocks, or experts, on the host beside one and two CUDA devices."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass

from explorer.fit.llama_cpp.demand import demand
from explorer.fit.llama_cpp.settings import Settings
from tests.accuracy.plans import DATA, architecture, weights


@dataclass(frozen=True, slots=True)
class SpreadPlan:
    """Compute buffers of one placement."""

    model: str
    devices: int
    host: int
    """Blocks on the host, the first ones."""
    experts: int
    """Blocks whose experts are, the first ones."""
    settings: Settings
    compute: dict[str, int]

    def parts(self) -> list[tuple[str, int, int]]:
        """What it is, our bytes and theirs."""
        needs = demand(architecture(self.model), weights(self.model), self.settings, cuda=True)
        host, *devices = needs.spread.buffers(self.devices, self.host, self.experts)
        what = "blocks" if self.host else "experts"
        found = [("compute, pinned host", host, self.compute["CUDA_Host"])]
        for number, ours in enumerate(devices):
            if f"CUDA{number}" in self.compute:
                part = f"compute, {what} on the host"
                found.append((part, ours, self.compute[f"CUDA{number}"]))
        return found


def spread_plans() -> Iterator[SpreadPlan]:
    """All there are in which a device holds something."""
    loaded = json.loads(gzip.decompress((DATA / "spread_plan.json.gz").read_bytes()))
    asked = [Settings(**settings) for settings in loaded["settings"]]
    for row in loaded["plans"]:
        if row["host"] < len(architecture(row["model"]).layers):
            yield SpreadPlan(
                row["model"], row["devices"], row["host"], row["experts"], asked[row["settings"]],
                row["compute"],
            )  # fmt: skip
