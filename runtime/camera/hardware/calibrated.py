"""Where the results of `magno inspect --conformance` live, and whether they vouch for a source on this device.

One JSON file for each source and device. A device is known by its name, its driver and the library in between: with
another version of any of them the vectors are not calibrated, until the tests ran again. Files may be edited by
anybody, so they are read as hostile: what is not exactly a record counts as none.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from magno.runtime.camera.request import CameraError
from magno.runtime.spec import SpecError, from_dict, to_dict
from magno.runtime.whole import whole_file

FORMAT = 1
MAX_RECORD_BYTES = 256 << 10
# Without these four a vector's sign, unit, place and picture are guesses (reference: tests 1, 2, 3 and 14).
NEEDED = ("translation", "unit", "order", "identity")
SUBPELS = (1, 2, 4)
UNKNOWN = "unknown"

log = logging.getLogger("magno.camera")


@dataclass(frozen=True, slots=True)
class Device:
    """What makes one set of vectors: all three are compared."""

    name: str  # the GPU's name, or the board's
    driver: str  # the driver's version, or the Jetson's L4T release
    library: str = ""  # version of the library that hands the vectors over, or of the header built against


@dataclass(frozen=True, slots=True)
class VectorConvention:
    """How a device writes its vectors down, as it was measured."""

    sign: int = 1  # 1: dst - src, as ours; -1: src - dst
    subpel: int = 4  # steps in one luma pixel

    def __post_init__(self) -> None:
        if self.sign not in (1, -1) or self.subpel not in SUBPELS:
            raise SpecError(
                f"A vector convention wants sign 1 or -1 and subpel 1, 2 or 4, found {self.sign} and {self.subpel}."
            )


@dataclass(frozen=True, slots=True)
class Finding:
    """What one test of the conformance suite said."""

    name: str
    passed: bool
    figures: dict[str, float] = field(default_factory=dict)
    note: str = ""  # a sentence, where it did not pass or could not run


@dataclass(frozen=True, slots=True)
class ConformanceRecord:
    """One run of the suite over one source on one device."""

    source: str  # "nvdec" or "jetson"
    device: Device
    date: str  # ISO 8601, UTC
    convention: VectorConvention
    findings: tuple[Finding, ...]
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise SpecError(f"A conformance record wants format {FORMAT}, found {self.format}.")

    @property
    def lacking(self) -> tuple[str, ...]:
        """The tests that keep it from being calibrated: failed, or needed and not run."""
        passed = {finding.name for finding in self.findings if finding.passed}
        failed = {finding.name for finding in self.findings if not finding.passed}
        return tuple(sorted(failed | (set(NEEDED) - passed)))

    @property
    def calibrated(self) -> bool:
        return not self.lacking


def is_calibrated(source: str, device: Device) -> bool:
    """Whether the tests passed for this source on this very device."""
    record = read_record(source, device)
    return record is not None and record.calibrated


def convention_of(source: str, device: Device) -> VectorConvention:
    """The measured convention. Raises CameraError that names the command when there is none to trust."""
    record = read_record(source, device)
    if record is not None and record.calibrated:
        return record.convention
    found = "no result" if record is None else f"tests that did not pass ({', '.join(record.lacking)})"
    raise CameraError(
        f"Vectors of {source} want a conformance result for {device.name}, driver {device.driver}, library "
        f"{device.library or UNKNOWN}; found {found}. Run `magno inspect --conformance {source}` on this device."
    )


def read_record(source: str, device: Device) -> ConformanceRecord | None:
    """What is on file; None where nothing is, or nothing that can be believed."""
    path = path_of(source, device)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_RECORD_BYTES + 1)
        if len(text) > MAX_RECORD_BYTES:
            raise SpecError(f"it is longer than {MAX_RECORD_BYTES} bytes")
        record = from_dict(ConformanceRecord, json.loads(text), "record")
        if (record.source, record.device) != (source, device):
            raise SpecError("it tells of another device")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s is no conformance record (%s): taken for none", path, str(error)[:300])
        return None
    return record


def write_record(record: ConformanceRecord) -> Path:
    """Put a record on file, whole or not at all, in the place of the one before. Raises CameraError.

    Figures that are no finite numbers (a test that found nothing to measure) are left out: JSON has none."""
    findings = tuple(
        replace(finding, figures={name: n for name, n in finding.figures.items() if math.isfinite(n)})
        for finding in record.findings
    )
    record = replace(record, findings=findings)
    path = path_of(record.source, record.device)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
            json.dump(to_dict(record), file, indent=1, allow_nan=False)
    except (OSError, ValueError) as error:
        raise CameraError(
            f"Wanted to write the conformance result to {path}, found that it cannot be ({error}). "
            "Set MAGNO_STATE to a folder that can be written."
        ) from error
    return path


def path_of(source: str, device: Device) -> Path:
    """The file of one source and device: a name to read, and a hash of the whole identity."""
    identity = json.dumps(to_dict(device), sort_keys=True).encode()
    words = re.sub(r"[^a-z0-9]+", "-", f"{source} {device.name}".lower()).strip("-")[:60]
    return folder() / f"{words}-{hashlib.sha256(identity).hexdigest()[:16]}.json"


def folder() -> Path:
    """MAGNO_STATE/conformance, else magno/conformance under XDG_STATE_HOME or ~/.local/state."""
    own, shared = os.environ.get("MAGNO_STATE"), os.environ.get("XDG_STATE_HOME")
    if own:
        return Path(own) / "conformance"
    state = Path(shared) if shared and Path(shared).is_absolute() else Path("~/.local/state").expanduser()
    return state / "magno" / "conformance"


def start_of(path: Path, max_bytes: int) -> str:
    """The beginning of a file that tells what a device is; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(max_bytes).decode(errors="replace")
    except OSError:
        return ""
