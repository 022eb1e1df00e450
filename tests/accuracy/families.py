"""Models of many families, a few blocks deep, and what llama.cpp v0.5.0 plans for them."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from explorer.fit.architecture import Architecture
from explorer.fit.gguf_metadata import from_gguf
from explorer.fit.llama_cpp.demand import Demand, demand
from explorer.fit.llama_cpp.settings import Settings
from explorer.fit.weight_map import from_tensors
from tests.accuracy.plans import DATA


@cache
def families() -> dict[str, dict[str, Any]]:
    """``metadata`` and ``tensors`` by family."""
    loaded: dict[str, dict[str, Any]] = json.loads(
        gzip.decompress((DATA / "families.json.gz").read_bytes())
    )
    return loaded


@cache
def architecture_of(family: str) -> Architecture:
    """From the key-values alone, as a file on a hub is judged."""
    metadata = families()[family]["metadata"]
    return from_gguf(
        {key: tuple(value) if isinstance(value, list) else value for key, value in metadata.items()}
    )


def needs(family: str, settings: Settings, *, cuda: bool = False) -> Demand:
    """What a family's model needs without its weights."""
    found = architecture_of(family)
    return demand(found, from_tensors((), "F16", len(found.layers)), settings, cuda=cuda)


@dataclass(frozen=True, slots=True)
class FamilyPlan:
    """Compute buffers of one family's model in one setting."""

    family: str
    devices: int
    """CUDA devices; 0 for a processor alone."""
    settings: Settings
    compute: dict[str, int]
    """Bytes by buffer type."""

    def parts(self) -> list[tuple[str, int, int]]:
        """What it is, our bytes and theirs."""
        needed = needs(self.family, self.settings, cuda=self.devices > 0)
        if not self.devices:
            return [("compute, CPU", needed.compute.alone, sum(self.compute.values()))]
        host, *devices = (
            (needed.compute.host, needed.compute.device)
            if self.devices == 1
            else needed.spread.buffers(self.devices)
        )
        part = "compute, CUDA" if self.devices == 1 else "compute, two CUDA"
        found = [("compute, pinned host", host, self.compute["CUDA_Host"])]
        for number, ours in enumerate(devices):
            if f"CUDA{number}" in self.compute:
                found.append((part, ours, self.compute[f"CUDA{number}"]))
        return found


def family_plans() -> Iterator[FamilyPlan]:
    """All there are."""
    loaded = json.loads(gzip.decompress((DATA / "families_plan.json.gz").read_bytes()))
    asked = [Settings(**settings) for settings in loaded["settings"]]
    devices = {"CPU": 0, "CUDA": 1, "two CUDA": 2}
    for family, plans in loaded["plans"].items():
        for place, answers in plans.items():
            for number, compute in answers.items():
                yield FamilyPlan(family, devices[place], asked[int(number)], compute)
