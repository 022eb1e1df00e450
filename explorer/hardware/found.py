"""What a vendor's detector came back with."""

from dataclasses import dataclass

from explorer.hardware.machine import Device


@dataclass(frozen=True, slots=True)
class Found:
    """Devices that can be used, and what a person should know of those that cannot."""

    devices: tuple[Device, ...] = ()
    notes: tuple[str, ...] = ()
