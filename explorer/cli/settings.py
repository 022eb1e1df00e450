"""The options that say how a model is to be run, and on what: machine, context, the engine's settings."""

import argparse

from explorer.cli.converters import argument, gpu_layers, positive, share
from explorer.units import parse_memory, parse_tokens


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add ``--machine``, which is not there at all where it was not given."""
    parser.add_argument(
        "--machine",
        metavar="SPEC",
        default=argparse.SUPPRESS,
        help='judge on "RTX 4090", "2x A100 80GB, 512 GB", "M4 Max 64GB" or "cpu 32GB" '
        "instead of this machine",
    )


def add_context(parser: argparse.ArgumentParser) -> None:
    """Add ``--context``."""
    parser.add_argument(
        "--context",
        type=argument(parse_tokens, "a number of tokens such as 32768, 32k or 1M"),
        metavar="N",
        help="tokens a sequence may hold: 32768, 32k, 128K, 1M (default: 8K, or the model's limit if "
        "that is less)",
    )


def add_scenario(parser: argparse.ArgumentParser) -> None:
    """Add everything that ``asked.scenario_of`` reads. Defaults that differ by engine are the engine's."""
    add_machine(parser)
    add_context(parser)
    parser.add_argument(
        "--engine",
        choices=["llama.cpp", "vllm", "transformers", "mlx"],
        help="whose memory rules to follow (default: the one that runs the files' format)",
    )
    parser.add_argument(
        "--quant", metavar="Q", help="Q4_K_M, Q8_0, BF16, ... (default: the best that fits)"
    )
    parser.add_argument(
        "--sequences", type=positive, default=1, metavar="N", help="served at once (default: 1)"
    )
    _add_memory(parser.add_argument_group("caches and memory"))
    _add_drafts(parser.add_argument_group("drafts"))
    _add_places(parser.add_argument_group("places"))


def _add_memory(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--kv-dtype",
        metavar="T",
        help="type of the KV cache: f16, q8_0, q4_0, fp8, ... (default: 16 bits); llama.cpp takes keys "
        "and values apart: q8_0/q4_0",
    )
    group.add_argument(
        "--kv-unified",
        "-kvu",
        action=argparse.BooleanOptionalAction,
        help="llama.cpp: one cache of the context's length that all sequences share, as it does itself "
        "where the number of slots is not given (default: one each)",
    )
    group.add_argument(
        "--swa-full",
        action="store_true",
        help="llama.cpp: layers with a sliding window keep the whole context too",
    )
    group.add_argument(
        "--flash-attention",
        choices=["on", "off"],
        default="on",
        help="attention without a matrix of all scores (default: on)",
    )
    group.add_argument(
        "--batch-tokens",
        type=positive,
        metavar="N",
        help="tokens the engine reads in one step (llama.cpp: its micro-batch, 512)",
    )
    group.add_argument(
        "--reserve",
        type=argument(parse_memory, "a size such as 512MiB or 1.5GiB"),
        metavar="SIZE",
        help="memory each device keeps free (llama.cpp: 1 GiB)",
    )
    group.add_argument(
        "--memory-utilization",
        type=share,
        metavar="F",
        help="vLLM: share of a device's memory that it takes (default: 0.92)",
    )


def _add_drafts(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--mtp",
        action=argparse.BooleanOptionalAction,
        help="llama.cpp and vLLM: draft tokens ahead with the model's own multi-token prediction",
    )
    group.add_argument(
        "--draft-tokens",
        type=positive,
        metavar="N",
        help="how many; turns --mtp on (llama.cpp: 3, vLLM: one a layer that predicts)",
    )


def _add_places(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--gpu-layers",
        type=gpu_layers,
        metavar="N|all",
        help="llama.cpp: layers kept on the accelerator (default: as many as fit)",
    )
    group.add_argument(
        "--tensor-parallel", type=positive, metavar="N", help="vLLM: devices that share each layer"
    )
    group.add_argument(
        "--pipeline-parallel",
        type=positive,
        metavar="N",
        help="vLLM: stages of layers, one after the other (default for both: what the model needs)",
    )
