"""ModelScope on loopback: its open API, its older one for files, and a second origin for large ones.

The wire format is that of modelscope-hub 0.5.1; the redirect of large files to signed addresses, the
``LatestCommitter`` and the empty success for an unknown revision are those of public captures of the site.
"""

from tests.modelscope.server import ModelScopeServer, walked

__all__ = ["ModelScopeServer", "walked"]
