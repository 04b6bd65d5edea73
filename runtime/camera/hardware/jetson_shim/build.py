"""Compiles the shim on a Jetson, and finds what was compiled. Knows no encoder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from magno.runtime.camera.hardware.calibrated import Device, folder
from magno.runtime.camera.hardware.jetson_shim.release import Release
from magno.runtime.camera.request import CameraError
from magno.runtime.spec import SpecError, from_dict, to_dict

SOURCES = tuple(Path(__file__).with_name(name) for name in ("setup.c", "pictures.c"))
HEADER = "v4l2_nv_extensions.h"
INCLUDES = (Path("/usr/src/jetson_multimedia_api/include"), Path("/usr/src/tegra_multimedia_api/include"))
LIBRARIES = Path("/usr/lib/aarch64-linux-gnu")  # NVIDIA's are in one of the folders below it
LINK = (f"-L{LIBRARIES}/nvidia", f"-L{LIBRARIES}/tegra", "-lnvv4l2")
FLAGS = ("-std=c11", "-O2", "-Wall", "-shared", "-fPIC", "-pthread")
COMPILE_S = 60
MAX_RECORD_BYTES = 4096
BUILD = "python -m magno.runtime.camera.hardware.jetson_shim"

log = logging.getLogger("magno.camera")


@dataclass(frozen=True, slots=True)
class Built:
    """A shim that was compiled, and what for."""

    library: str  # path of the shared library
    release: Release
    header_sha256: str
    sources_sha256: str

    @property
    def device(self) -> Device:
        """The identity that conformance is kept under."""
        return Device(self.release.board, f"L4T {self.release.l4t}", f"{HEADER} {self.header_sha256[:12]}")


def build(include: Path, release: Release, link: Sequence[str] = LINK) -> Built:
    """Compile against the header in a folder, and note it as this device's. Raises CameraError."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise CameraError(
            "The Jetson shim wants a C compiler, found none. Run `apt install build-essential`."
        )
    header = include / HEADER
    try:
        header_sha256 = hashlib.sha256(header.read_bytes()).hexdigest()
    except OSError as error:
        raise CameraError(
            f"The Jetson shim wants {HEADER} in {include}, found none ({error.strerror}). "
            "Run `apt install nvidia-l4t-jetson-multimedia-api`, or name its folder with --include."
        ) from error
    where = _folder()
    library = where / f"libmagno_jetson-{header_sha256[:12]}.so"
    built = Built(str(library), release, header_sha256, _sources_sha256())
    try:
        where.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=where) as aside:
            made = Path(aside) / library.name
            _compile([compiler, *FLAGS, f"-I{include}", *map(str, SOURCES), "-o", str(made), *link])
            made.replace(library)
            note = Path(aside) / "built.json"
            note.write_text(json.dumps(to_dict(built), indent=1))
            note.replace(where / "built.json")
    except OSError as error:
        raise CameraError(
            f"Wanted to build the Jetson shim into {where}, found that it cannot be written ({error.strerror}). "
            "Set MAGNO_STATE to a folder that can."
        ) from error
    return built


def find_built(release: Release) -> Built:
    """What was built for this device, as it is today. Raises CameraError that names the command."""
    note = _folder() / "built.json"
    try:
        with note.open("rb") as file:
            built = from_dict(Built, json.loads(file.read(MAX_RECORD_BYTES)), "built.json")
        if not Path(built.library).is_file():
            raise SpecError("the library is gone")
    except FileNotFoundError:
        raise _stale("none", release) from None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s tells of no shim (%s)", note, str(error)[:200])
        raise _stale("none that can be read", release) from None
    if built.release != release:
        raise _stale(f"one for {built.release.board}, L4T {built.release.l4t}", release)
    if built.sources_sha256 != _sources_sha256():
        raise _stale("one of another version of magno", release)
    return built


def _stale(found: str, release: Release) -> CameraError:
    return CameraError(
        f"A Jetson's vectors want a shim compiled on {release.board}, L4T {release.l4t}; found {found}. "
        f"Run `{BUILD}` on this device."
    )


def _compile(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=COMPILE_S)
    except subprocess.TimeoutExpired as error:
        raise CameraError(
            f"The Jetson shim wants to be compiled in {COMPILE_S} s, found a compiler that takes longer. Try again."
        ) from error
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
        raise CameraError(
            f"The Jetson shim wants a header and libraries that it compiles against, found: {said.strip()[:300]}. "
            "Install this release's own nvidia-l4t-jetson-multimedia-api."
        )


def _sources_sha256() -> str:
    names = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".c", ".h"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in names)).hexdigest()


def _folder() -> Path:
    return folder().with_name("jetson")
