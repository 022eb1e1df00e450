"""``python -m tests.hub``: the loopback hub by hand, to try the program without a network."""

import argparse
import signal
import threading
from pathlib import Path

from tests.hub.builder import generate_listing, gguf_repo, llama_like, many_tensors, mixture_like
from tests.hub.contents import FileOnDisk
from tests.hub.repositories import Account, HubFile, HubRepo
from tests.hub.server import HubServer


def sample_repos(rows: int) -> list[HubRepo]:
    """Something of every kind, and a listing of so many further rows."""
    llama_8b = llama_like(
        "acme/Llama-8B", layers=32, hidden=4096, intermediate=14336, vocabulary=128256, heads=32,
        kv_heads=8, context=131072, shards=4, trending=5000,
    )  # fmt: skip
    mixture_30b = mixture_like(
        "acme/Mixture-30B-A3B", layers=48, hidden=2048, expert_intermediate=768, experts=128,
        experts_per_token=8, vocabulary=151936, heads=32, kv_heads=4, head_size=128, context=262144,
        shards=16, trending=5000,
    )  # fmt: skip
    quants = {"Llama-8B-Q4_K_M.gguf": 4_920_734_272, "Llama-8B-Q8_0.gguf": 8_540_771_648}
    return [
        llama_8b,
        mixture_30b,
        many_tensors("acme/Many-Shards", trending=5000),
        llama_like("acme/Gated-Tiny", gated="manual", trending=5000),
        llama_like("acme/Private-Tiny", private=True, trending=5000),
        gguf_repo("acme/Llama-8B-GGUF", sizes=quants, trending=5000),
        *generate_listing(rows),
    ]


def mounted(folder: Path) -> HubRepo:
    """A folder of real files as ``local/<its name>``."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [HubFile(path.relative_to(folder).as_posix(), FileOnDisk(path)) for path in paths]
    return HubRepo(f"local/{folder.name}", files, trending=10_000)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.hub", description=__doc__)
    parser.add_argument("--rows", type=int, default=2000, help="rows of the generated listing")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds added to every answer")
    parser.add_argument(
        "--no-headers-endpoint", action="store_true", help="make clients read shards"
    )
    parser.add_argument("--tls", action="store_true", help="https with HTTP/2 by negotiation")
    parser.add_argument(
        "--port", type=int, default=0, help="port of the hub; the CDN gets the next"
    )
    parser.add_argument("folders", nargs="*", type=Path, help="folders of real files to serve too")
    chosen = parser.parse_args()
    server = HubServer(
        [*sample_repos(chosen.rows), *map(mounted, chosen.folders)],
        accounts=[Account("hf_loopback", "acme")],
        latency_seconds=chosen.latency,
        tls=chosen.tls,
        headers_endpoint=not chosen.no_headers_endpoint,
        ports=(chosen.port, chosen.port + 1 if chosen.port else 0),
    )
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with server:
        print(f"HF_ENDPOINT={server.endpoint}", end="")
        print(f" SSL_CERT_FILE={server.ca_file}" if chosen.tls else "", flush=True)
        print("# HF_TOKEN=hf_loopback opens acme's private and gated models; Ctrl+C stops")
        stopped.wait()


if __name__ == "__main__":
    main()
