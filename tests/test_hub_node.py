"""The hub's JavaScript client takes the loopback hub for real, too.

Needs Node, and ``@huggingface/hub`` where Node finds it: ``npm install @huggingface/hub`` here, or in a
folder named by ``NODE_PATH``.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hub import HubServer
from tests.hub.builder import mixture_like

pytestmark = pytest.mark.node


def test_the_javascript_client_lists_looks_up_and_reads_headers() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    model = mixture_like("acme/Sharded", shards=4)
    with HubServer([model]) as hub:
        script = Path(__file__).with_name("hub_client.cjs")
        command = [node, str(script), hub.endpoint, model.id]
        run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if "Cannot find module '@huggingface/hub'" in run.stderr:
        pytest.skip("@huggingface/hub is not installed where Node looks for it")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "listed": ["acme/Sharded"],
        "files": {file.path: file.content.size for file in model.files},
        "exists": True,
        "absent": False,
        "sharded": True,
        "parameters": model.safetensors["parameters"] if model.safetensors else None,
        "missing": 401,
    }
