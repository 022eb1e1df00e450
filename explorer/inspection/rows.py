"""A listing row judged on a machine, with no request of its own."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from explorer.errors import HeaderError, UsageError
from explorer.fit.architecture import Architecture
from explorer.fit.config import from_config
from explorer.fit.estimate import from_parameters
from explorer.fit.families import DENSE, GGUF_TYPES
from explorer.fit.planner import best
from explorer.fit.synthesis import active_parameters_of, parameters_of
from explorer.fit.values import Answer, Engine, Scenario
from explorer.fit.weight_map import WeightMap
from explorer.hardware.machine import Machine
from explorer.hub.source import Listing
from explorer.inspection.quantizations import engine_of, of_listing
from explorer.license.classify import terms_for
from explorer.license.terms import Terms
from explorer.weights.checkpoint import counts_input_embedding
from explorer.weights.quantization import Quantization
from explorer.weights.quantization import from_config as from_quantized

FEWEST_KEYS = 3
"""A listing's config with no more than these has the type, the classes and the quantization at most."""
_OF_EXPERTS = re.compile(r"\d+x\d|moe(?![a-z])|mixtral|-a\d+(?:\.\d+)?b", re.IGNORECASE)
"""Names of models with experts: 8x7B, 4x8B-MoE, 30B-A3B."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a listing tells of a model, and its verdict on a machine."""

    listing: Listing
    parameters: int | None
    """Logical, as the hub counts them; from the shape where the hub says nothing."""
    active: int | None
    """Passed through by a token; None if the shape was not read."""
    context_tokens: int | None
    terms: Terms
    architecture: Architecture | None
    options: tuple[WeightMap, ...]
    """Quantizations it could run in; empty if its size is unknown."""
    engine: Engine
    """What people run its format on."""
    estimated: bool
    """The shape was supposed from the parameter count, not read from a configuration."""
    answer: Answer | None = None
    """None if nothing is known that memory could be computed from, or its engine has no device here."""
    age_seconds: float = 0.0
    """How long ago the source gave the listing; 0 for a live answer."""

    @property
    def license(self) -> str:
        """Short name of the license; empty if the listing has none."""
        return self.terms.name


def judge_row(
    listing: Listing, machine: Machine, scenario: Scenario, *, age_seconds: float = 0.0
) -> Row:
    """A listing row with everything that it alone tells, judged on a machine."""
    return judge_again(describe(listing, age_seconds=age_seconds), machine, scenario)


def judge_again(row: Row, machine: Machine, scenario: Scenario) -> Row:
    """The same row on another machine or in another scenario; what does not change is kept."""
    if row.architecture is None or not row.options:
        return row
    asked = _Asked(row.architecture, row.options, machine, row.engine)
    # field by field: dataclasses.replace takes four times as long, and listings have 20,000 rows
    return Row(
        row.listing,
        row.parameters,
        row.active,
        row.context_tokens,
        row.terms,
        row.architecture,
        row.options,
        row.engine,
        row.estimated,
        _answered(asked, scenario),
        row.age_seconds,
    )


class _Asked:
    """A shape, its options and a machine, told apart by identity: rows of one shape share them."""

    __slots__ = ("architecture", "engine", "machine", "options")

    def __init__(
        self,
        architecture: Architecture,
        options: tuple[WeightMap, ...],
        machine: Machine,
        engine: Engine,
    ) -> None:
        self.architecture = architecture
        self.engine: Engine = engine
        self.options = options
        self.machine = machine

    def __hash__(self) -> int:
        return hash((id(self.options), id(self.machine)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Asked)
            and self.options is other.options
            and self.machine is other.machine
            and self.architecture is other.architecture
            and self.engine == other.engine
        )


@lru_cache(maxsize=8192)
def _answered(asked: _Asked, scenario: Scenario) -> Answer | None:
    """None if the engine of the row's format has nothing to run on: one such row ends no listing."""
    scenario = replace(scenario, engine=asked.engine)
    try:
        return best(asked.architecture, asked.options, asked.machine, scenario, explain=False)
    except UsageError:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _Configured:
    """What a configuration says. One value for each configuration, told apart by identity."""

    shape: Architecture | None
    """None if it is the type alone, or malformed."""
    model_type: str
    quantization: Quantization | None
    engine: Engine


@dataclass(frozen=True, slots=True, eq=False)
class _Described:
    """What follows from a configuration and a parameter count. Rows that share them share this."""

    parameters: int | None
    active: int | None
    context_tokens: int | None
    shape: Architecture | None
    options: tuple[WeightMap, ...]


def describe(listing: Listing, *, age_seconds: float = 0.0) -> Row:
    """What a listing row says of a model, before any machine is considered."""
    gguf = listing.gguf
    configured = _configured(listing.config)
    parameters = listing.parameters or (gguf.parameters if gguf else None)
    estimated = configured.shape is None
    model_type = configured.model_type or _gguf_type(listing)
    counted = _rounded(parameters) if estimated else parameters
    found = _described(configured, counted, model_type)
    return Row(
        listing=listing,
        parameters=parameters or found.parameters,
        active=found.active,
        context_tokens=found.context_tokens or (gguf.context_tokens if gguf else None),
        terms=terms_for(listing.license, listing.license_name, listing.license_link, listing.id),
        architecture=found.shape,
        options=found.options,
        engine=configured.engine,
        estimated=estimated,
        age_seconds=age_seconds,
    )


def _gguf_type(listing: Listing) -> str:
    """The model type that a GGUF file's architecture stands for, if none of that type has experts.

    llama.cpp calls Mixtral and merges into experts ``llama`` too: the names then tell.
    """
    named = (listing.gguf.architecture if listing.gguf else None) or ""
    names = (listing.id, *listing.base_models)
    if named == "llama" and any(_OF_EXPERTS.search(name) for name in names):
        return ""
    model_type = GGUF_TYPES.get(named, named.replace("-", "_"))
    return model_type if model_type in DENSE else ""


def _rounded(parameters: int | None) -> int | None:
    """To three figures: a supposed shape is no surer than that, and more rows then share it."""
    if not parameters:
        return parameters
    step: int = 10 ** max(len(str(parameters)) - 3, 0)
    return round(parameters / step) * step


@lru_cache(maxsize=4096)
def _described(configured: _Configured, parameters: int | None, model_type: str) -> _Described:
    shape = configured.shape
    estimated = shape is None
    if shape is None and parameters:
        shape = from_parameters(parameters, model_type)
    return _Described(
        parameters=parameters or (parameters_of(shape) if shape else None),
        active=None if estimated or shape is None else _active(shape, parameters),
        context_tokens=None if estimated or shape is None else shape.context_tokens,
        shape=shape,
        options=of_listing(shape, parameters, configured.quantization) if shape else (),
    )


def _configured(config: Mapping[str, object]) -> _Configured:
    """What a configuration says, read once for all rows that carry the same."""
    try:
        return _configured_text(json.dumps(config))
    except (TypeError, ValueError, RecursionError):  # no JSON after all: read where it stands
        return _read(config)


@lru_cache(maxsize=2048)
def _configured_text(text: str) -> _Configured:
    return _read(json.loads(text))


def _read(config: Mapping[str, object]) -> _Configured:
    quantization = from_quantized(config)
    return _Configured(
        shape=_read_shape(config),
        model_type=str(config.get("model_type") or ""),
        quantization=quantization,
        engine=engine_of(quantization),
    )


def _active(shape: Architecture, parameters: int | None) -> int:
    """All of a dense model; of a mixture of experts what a token passes through."""
    if parameters and not any(layer.experts for layer, _ in shape.groups):
        return parameters
    table = shape.hidden * shape.vocabulary
    second = counts_input_embedding(shape.model_type) and not shape.tied_embeddings
    return active_parameters_of(shape) + (table if second else 0)


def _read_shape(config: Mapping[str, object]) -> Architecture | None:
    """The shape, if the listing carries a whole configuration rather than its type alone."""
    if len(config) <= FEWEST_KEYS:
        return None
    try:
        return from_config(config)
    except HeaderError:
        return None
