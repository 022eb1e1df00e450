"""Ollama's registry on loopback: manifests and blobs, the large ones behind a redirect to a second origin.

As in ollama's source of August 2026 (``server/download.go``, ``server/images.go``).
"""

from tests.ollama.server import OllamaModel, OllamaServer

__all__ = ["OllamaModel", "OllamaServer"]
