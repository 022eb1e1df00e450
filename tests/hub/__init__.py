"""A hub on loopback: a real HTTP server on two ports, for tests and for trying things by hand.

It imitates the hub's wire format, its redirects to a second origin, its errors and rate limits, over
repositories built from small configs: content is a header and zeros made on demand. ``builder`` makes
repositories, ``server.HubServer`` serves them, ``faults.Fault`` breaks things, ``traffic`` counts.
"""

from tests.hub.contents import FileOnDisk, RealBytes, ZeroFilled
from tests.hub.faults import Fault
from tests.hub.limits import RateLimits
from tests.hub.repositories import Account, HubFile, HubRepo
from tests.hub.server import HubServer

__all__ = [
    "Account",
    "Fault",
    "FileOnDisk",
    "HubFile",
    "HubRepo",
    "HubServer",
    "RateLimits",
    "RealBytes",
    "ZeroFilled",
]
