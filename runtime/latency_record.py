"""What `magno calibrate latency` found of a bundle on a device, kept beside the bundle's files: whether it still holds.

Anybody may edit the file, so it is read as hostile: what is not exactly a record of this bundle, device and number of
threads counts as none, and the engine measures for itself.
"""

from __future__ import annotations

import json
import logging
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from magno.runtime.latency import LatencyProfile
from magno.runtime.spec import SpecError, from_dict, to_dict
from magno.runtime.whole import whole_file

FORMAT = 1
FILE = Path("calibration") / "latency.json"
MAX_BYTES = 256 << 10
MAX_CELLS = 1000
ENGINE = "llama-cpp-python"

log = logging.getLogger("magno.engine")


@dataclass(frozen=True, slots=True)
class Cell:
    """One measured kind of native step; the fastest of several."""

    cached_tokens: int  # in the cache before it
    prompt_tokens: int  # prefilled by it
    decodes: int  # questions that it decodes a token for
    ms: float


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """One calibration; `processor`, `threads`, `engine` and `manifest_sha256` say what it holds for."""

    processor: str
    threads: int
    engine: str  # version of llama-cpp-python
    manifest_sha256: str
    date: str  # ISO 8601, UTC
    profile: LatencyProfile
    cells: tuple[Cell, ...]
    format: int = FORMAT


def holds_for(record: LatencyRecord, manifest_sha256: str, threads: int) -> bool:
    """Whether it was made of this bundle, with so many threads, on a machine like this one."""
    made_of = record.processor, record.threads, record.engine, record.manifest_sha256
    return record.format == FORMAT and made_of == (processor(), threads, engine_version(), manifest_sha256)


def write_record(folder: Path, record: LatencyRecord) -> Path:
    """Into a bundle's folder, written aside and renamed. Raises OSError."""
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with whole_file(path) as part:
        part.write_text(json.dumps(to_dict(record), indent=1) + "\n", encoding="utf-8")
    return path


def read_record(folder: Path) -> LatencyRecord | None:
    """What is there; None: nothing, or nothing that can be trusted."""
    path = folder / FILE
    try:
        if path.is_symlink() or path.stat().st_size > MAX_BYTES:
            raise ValueError("it wants to be a small regular file")
        record = from_dict(LatencyRecord, json.loads(path.read_text(encoding="utf-8")), FILE.name)
        if len(record.cells) > MAX_CELLS:
            raise ValueError(f"it wants {MAX_CELLS} cells at most")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SpecError, RecursionError) as error:
        log.warning("%s is not used (%s): run magno calibrate latency again", path, str(error)[:200])
        return None
    return record


def known_profile(folder: Path, manifest_sha256: str, threads: int) -> LatencyProfile | None:
    """The calibrated profile of a bundle, where there is one that holds here."""
    record = read_record(folder)
    if record is None or not holds_for(record, manifest_sha256, threads):
        return None
    return record.profile


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def engine_version() -> str:
    return version_of(ENGINE)


def version_of(package: str) -> str:
    """Empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
