"""What would be enough: the smallest machines of the catalog that run a model as it is wanted.

One setup a family of devices, since 270 devices would drown the reader. Larger setups of a family
never fit worse, so the first that does, smallest first, is the answer, and what could not even hold
the weights is passed over without a plan.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import get_args

from explorer.errors import UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.planner import judge
from explorer.fit.values import Answer, Scenario, Verdict
from explorer.fit.weight_map import WeightMap
from explorer.hardware.catalog import Entry, Tier, describe, entries
from explorer.hardware.machine import Machine
from explorer.hardware.spec import (
    assumed_host_available,
    assumed_host_bandwidth,
    assumed_host_memory,
)
from explorer.units import GIB

COUNTS: dict[str, tuple[int, ...]] = {
    "consumer": (1, 2, 4),
    "workstation": (1, 2, 4, 8),
    "datacenter": (1, 2, 4, 8),
    "embedded": (1,),
}
"""How many of a device one machine has room for, by tier."""
DESKTOP_RAM = tuple(size * GIB for size in (8, 16, 32, 48, 64, 96, 128, 192, 256))
SERVER_RAM = tuple(size * GIB for size in (64, 128, 256, 384, 512, 768, 1024, 1536, 2048))
BESIDE_A_CARD = tuple(size * GIB for size in (32, 64, 96, 128, 192, 256))
"""RAM beside a card of a desktop that holds the experts."""
USUAL = "Q4_K_M"
VLLM_LEAST_CAPABILITY = (7, 5)
"""Of CUDA devices: vLLM's docs/getting_started/installation/gpu.cuda.inc.md since 0.21."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Hardware that is enough, and how the model runs on it."""

    family: str
    """``GeForce RTX 40``, ``Apple M4``, ``Desktop processor``."""
    machine: Machine
    device: str
    """One of its devices; empty for a processor alone."""
    count: int
    memory_bytes: int
    """Of the devices, of the memory they share with the host, or of the RAM of a processor; RAM that
    holds experts beside a card counts too."""
    answer: Answer
    alike: tuple[str, ...] = ()
    """Other devices of the family with as much memory, which do as well."""
    tier: Tier = "consumer"
    """For whom it is sold."""

    def is_like(self, machine: Machine) -> bool:
        """Whether a machine has just these devices, or as many of one that does as well."""
        names = {device.name for device in machine.devices}
        return (
            len(machine.devices) == self.count
            and bool(names)
            and (names <= {self.device} or any(names == {other} for other in self.alike))
            and self.answer.verdict is not Verdict.OFFLOAD
        )


@dataclass(frozen=True, slots=True)
class Enough:
    """The answer to what would be enough."""

    quantization: str
    """The quantization it was asked for."""
    min_tokens_per_second: float | None
    setups: tuple[Setup, ...]
    """Least memory first, then fewest devices; of equals what is easiest to come by, then the fastest."""
    without_speed: tuple[str, ...]
    """Families with room for the model, left out because no measured runs tell their speed."""


def wanted_quantization(options: Sequence[WeightMap], asked: str | None) -> WeightMap:
    """The quantization a search is made for: what was asked for, or what most people run.

    That is Q4_K_M, or the smallest of at least four bits a weight by its name, or the largest there
    is. Raises UsageError for one the model is not offered in.
    """
    if not options:
        raise UsageError("No quantization to choose from")
    by_name = {option.quantization.lower(): option for option in options}
    if asked is not None:
        if asked.lower() not in by_name:
            names = ", ".join(option.quantization for option in options)
            raise UsageError(f"“{asked}” is not offered", hint=f"choose {names}")
        return by_name[asked.lower()]
    if USUAL.lower() in by_name:
        return by_name[USUAL.lower()]
    ordered = sorted(options, key=lambda option: option.total_bytes)
    return next((option for option in ordered if _bits(option.quantization) >= 4), ordered[-1])


def find_enough(
    architecture: Architecture,
    options: Sequence[WeightMap],
    scenario: Scenario,
    *,
    min_tokens_per_second: float | None = None,
) -> Enough:
    """The smallest setup of each family that runs the model with its reserve, and fast enough.

    Cards and unified memory hold all of it; a processor alone works from its RAM; for a mixture of
    experts whose family needs several cards, one card with the experts in RAM is a setup too. The
    speed is the expected decode of one sequence. Raises UsageError for settings the engine lacks.
    """
    weights = wanted_quantization(options, scenario.quantization)
    search = _Search(architecture, weights, scenario, min_tokens_per_second)
    found: list[Setup] = []
    silent: list[str] = []
    for family, offers in _families():
        setup, unmeasured = search.smallest(family, offers)
        if setup is not None:
            found.append(setup)
        elif unmeasured:
            silent.append(family)
        if search.has_experts and (setup is None or setup.count > 1):
            beside, _ = search.smallest(family, _beside_ram(offers))
            found += [beside] if beside else []
    for family, offers in _processors():
        setup, _ = search.smallest(family, offers)
        found += [setup] if setup else []
    found.sort(key=_preference)
    return Enough(weights.quantization, min_tokens_per_second, tuple(found), tuple(silent))


_TIERS = get_args(Tier)


def _preference(setup: Setup) -> tuple[int, int, int, int, str]:
    devices = setup.machine.devices
    bandwidth = devices[0].bandwidth_bytes_per_second if devices else None
    bandwidth = bandwidth or setup.machine.host_bandwidth_bytes_per_second or 0
    return setup.memory_bytes, setup.count, _TIERS.index(setup.tier), -bandwidth, setup.family


@dataclass(frozen=True, slots=True)
class _Offer:
    """One machine of the catalog, before it is tried."""

    machine: Machine
    device: str
    count: int
    memory_bytes: int
    offload: bool = False
    """Experts may stay on the host."""
    tier: Tier = "consumer"

    @property
    def room_bytes(self) -> int:
        """More than this no model can take on it."""
        devices = sum(device.available_bytes for device in self.machine.devices)
        if self.machine.devices and not self.offload:
            return devices
        return devices + self.machine.host_available_bytes


@dataclass(frozen=True, slots=True)
class _Search:
    architecture: Architecture
    weights: WeightMap
    scenario: Scenario
    min_speed: float | None

    @property
    def has_experts(self) -> bool:
        return any(layer.experts for layer, _ in self.architecture.groups)

    def smallest(self, family: str, offers: Sequence[_Offer]) -> tuple[Setup | None, bool]:
        """The first of the offers that will do, and whether one fits whose speed nobody measured."""
        unmeasured = False
        least = self.weights.total_bytes - self.weights.mtp_bytes - self.weights.vision_bytes
        least -= self.weights.input_bytes
        for offer in offers:
            answer = self._tried(offer) if offer.room_bytes > least else None
            if answer is None:
                continue
            if self.min_speed is not None:
                decode = answer.speed.decode
                unmeasured = unmeasured or decode is None
                if decode is None or decode.expected < self.min_speed:
                    continue
            return self._setup(family, offer, answer, offers), unmeasured
        return None, unmeasured

    def _tried(self, offer: _Offer) -> Answer | None:
        """The answer if the model runs as it should; None otherwise, or if the engine does not run there."""
        if self.scenario.engine == "vllm" and _too_old(offer):
            return None
        try:
            answer = judge(
                self.architecture, self.weights, offer.machine, self.scenario, explain=False
            )
        except UsageError:
            return None
        if offer.offload:  # whole layers on the host are too slow to be called enough
            return answer if answer.host_expert_layers else None
        return answer if answer.verdict is Verdict.FITS else None

    def _setup(self, family: str, offer: _Offer, answer: Answer, offers: Iterable[_Offer]) -> Setup:
        alike = [
            other.device
            for other in offers
            if other.memory_bytes == offer.memory_bytes
            and other.count == offer.count
            and other.device != offer.device
        ]
        return Setup(
            family, offer.machine, offer.device, offer.count, offer.memory_bytes, answer,
            tuple(dict.fromkeys(alike)) if self.min_speed is None else (), offer.tier,
        )  # fmt: skip


@cache
def _families() -> tuple[tuple[str, tuple[_Offer, ...]], ...]:
    """What each family of the catalog offers, smallest and slowest first."""
    families: dict[str, list[_Offer]] = {}
    for entry in entries():
        families.setdefault(entry.family, []).extend(_offers(entry))
    return tuple((family, tuple(sorted(offers, key=_order))) for family, offers in families.items())


def _order(offer: _Offer) -> tuple[int, int, int]:
    bandwidth = offer.machine.devices[0].bandwidth_bytes_per_second or 0
    return offer.memory_bytes, offer.count, bandwidth


def _offers(entry: Entry) -> Iterator[_Offer]:
    for size in entry.memory_bytes:
        device = describe(entry, size)
        for count in (1,) if entry.unified else COUNTS[entry.tier]:
            host = size if entry.unified else assumed_host_memory(count * size)
            bandwidth, _ = assumed_host_bandwidth(server=entry.tier == "datacenter")
            machine = Machine(
                name=f"{count}x {device.name}" if count > 1 else device.name,
                devices=(device,) * count,
                host_memory_bytes=host,
                host_available_bytes=assumed_host_available(host),
                host_bandwidth_bytes_per_second=(
                    entry.bandwidth_bytes_per_second if entry.unified else bandwidth
                ),
            )
            yield _Offer(machine, device.name, count, count * size, tier=entry.tier)


def _beside_ram(offers: Sequence[_Offer]) -> tuple[_Offer, ...]:
    """One discrete card of a family in a desktop, with RAM of every size."""
    cards = [offer for offer in offers if offer.count == 1 and not offer.machine.devices[0].unified]
    beside = [
        _Offer(
            replace(
                card.machine,
                name=f"{card.device}, {size // GIB} GB RAM",
                host_memory_bytes=size,
                host_available_bytes=assumed_host_available(size),
            ),
            card.device, 1, card.memory_bytes + size, offload=True, tier=card.tier,
        )
        for card in cards
        for size in BESIDE_A_CARD
    ]  # fmt: skip
    return tuple(sorted(beside, key=_order))


@cache
def _processors() -> tuple[tuple[str, tuple[_Offer, ...]], ...]:
    families = []
    for family, sizes, server in (
        ("Desktop processor", DESKTOP_RAM, False),
        ("Server processor", SERVER_RAM, True),
    ):
        bandwidth, note = assumed_host_bandwidth(server=server)
        machines = [
            Machine(
                name=f"CPU, {size // GIB} GB RAM",
                devices=(),
                host_memory_bytes=size,
                host_available_bytes=assumed_host_available(size),
                host_bandwidth_bytes_per_second=bandwidth,
                notes=(note,),
            )
            for size in sizes
        ]
        tier: Tier = "datacenter" if server else "consumer"
        offers = [
            _Offer(machine, "", 1, machine.host_memory_bytes, tier=tier) for machine in machines
        ]
        families.append((family, tuple(offers)))
    return tuple(families)


def _too_old(offer: _Offer) -> bool:
    """Whether vLLM's CUDA build has no kernels for the offer's devices."""
    capabilities = [device.compute_capability for device in offer.machine.devices]
    return any(one is not None and one < VLLM_LEAST_CAPABILITY for one in capabilities)


def _bits(quantization: str) -> int:
    """Bits a weight as the name begins: 4 for ``IQ4_XS``; 16 where it has no number."""
    digits = "".join(
        character if character.isdigit() else " " for character in quantization
    ).split()
    return int(digits[0]) if digits else 16
