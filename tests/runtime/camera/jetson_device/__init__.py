"""A Jetson for tests: the shim, compiled by the project's own builder against a device that is none."""

from __future__ import annotations

import ctypes
from pathlib import Path

from magno.runtime.camera.hardware.jetson_library import JetsonLibrary
from magno.runtime.camera.hardware.jetson_shim.build import Built, build
from magno.runtime.camera.hardware.jetson_shim.release import Release

HERE = Path(__file__).parent
RELEASE = Release("NVIDIA Jetson AGX Orin Developer Kit", "36.4.3")
CALLS = tuple(f"-DMAGNO_{name.upper()}=fake_{name}" for name in ("open", "ioctl", "close"))
NODE = Path("/dev/null")  # opened and closed; no byte of it is read


def build_fake(vector_bytes: int, release: Release = RELEASE) -> Built:
    """The shim for a device whose vectors take so many bytes."""
    return build(HERE, release, (*CALLS, f"-DVECTOR_BYTES={vector_bytes}", str(HERE / "device.c")))


class FakeDevice:
    """A compiled shim with its device; the device's numbers (device.c) are turned through `turn`."""

    def __init__(self, built: Built) -> None:
        self.built, self.library = built, JetsonLibrary(built)
        self._numbers = ctypes.CDLL(built.library)

    def turn(self, **numbers: int) -> None:
        for name, value in numbers.items():
            ctypes.c_int.in_dll(self._numbers, f"fake_{name}").value = value

    @property
    def open_devices(self) -> int:
        return ctypes.c_int.in_dll(self._numbers, "fake_open_devices").value
