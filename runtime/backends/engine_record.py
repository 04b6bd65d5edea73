"""What an engine fits: the record written beside it, and the check that refuses a stale one. Knows no library, no file.

TensorRT's engines hold for one version of the library and one kind of GPU, and say so only by failing, late and in
many words; this says it first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from magno.runtime.backends import EncoderError
from magno.runtime.spec import SpecError, from_dict

FORMAT = 1
FLAVOURS = ("tensorrt", "tensorrt-rtx")
RECORD_LIMIT_BYTES = 1 << 16  # ENGINES_LIMIT engines take a tenth of it
ENGINES_LIMIT, CAPABILITIES_LIMIT = 16, 32
MAX_BATCH = 1024  # as many as an exported graph takes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.onnx")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CAPABILITY = re.compile(r"[0-9]{1,2}\.[0-9]")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,39}")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the engines were built, read back from the library after it had its say."""

    strongly_typed: bool  # False: TensorRT 8.6, where each layer's type is held by hand
    tf32: bool  # float32 multiplied with 10 bits of fraction
    optimization_level: int | None  # None: this version has none
    workspace_bytes: int
    timing_cache: bool
    profiling_verbosity: str


@dataclass(frozen=True, slots=True)
class EngineFile:
    """One engine: the graph it was built from, and what its own file must be."""

    onnx_sha256: str
    sha256: str
    bytes: int
    batch: tuple[int, ...]  # smallest, fastest, largest
    layers_from: str  # "engine", or "graph" where no GPU was there to open the engine
    build_s: float


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """All of engines.json: what one folder of engines fits."""

    format: int
    flavour: str  # one of FLAVOURS
    version: str  # of the library that built them: no other one opens them
    gpu: str  # its name; empty: built with no GPU, for any of the compute capabilities
    compute_capabilities: tuple[str, ...]  # "8.9"
    settings: Settings
    engines: dict[str, EngineFile]  # by the name of the graph: "vision.onnx"
    created: str  # ISO 8601


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU that is here."""

    name: str
    compute_capability: str  # "8.9"


@dataclass(frozen=True, slots=True)
class Here:
    """What an engine meets when it is opened."""

    flavour: str
    version: str
    gpu: Gpu


def parse_record(text: bytes, where: str) -> EngineRecord:
    """Bytes of an engines.json -> EngineRecord; touches no file. Raises EncoderError only."""
    if len(text) > RECORD_LIMIT_BYTES:
        raise EncoderError(
            f"{where} wants at most {RECORD_LIMIT_BYTES} bytes, found {len(text)}: build again."
        )
    try:
        values = json.loads(text.decode("utf-8"))
        if isinstance(values, dict) and type(values.get("format")) is int and values["format"] != FORMAT:
            found = str(values["format"])[:20]
            raise EncoderError(f"{where} wants format {FORMAT}, found {found}: update magno, or build again.")
        record = from_dict(EngineRecord, values, where)
    except SpecError as error:
        raise EncoderError(f"{str(error)[:300].rstrip('.')}: build the engines again.") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise EncoderError(
            f"{where} wants JSON, found a fault: {str(error)[:120]!r}. Build again."
        ) from error
    if (fault := _fault(record)) is not None:
        raise EncoderError(f"{where} wants {fault}: build the engines again.")
    return record


def check_here(record: EngineRecord, here: Here) -> None:
    """Raises EncoderError, "wants this, found that", when the record's engines are not for this library and GPU."""
    facts = [
        ("the library that built it", record.flavour, here.flavour),
        (f"the {record.flavour} that built it", record.version, here.version),
        ("the GPU it was built on", record.gpu or here.gpu.name, here.gpu.name),
    ]
    for what, wanted, found in facts:
        if wanted != found:
            raise EncoderError(f"wants {what} {wanted}, found {found[:80]}")
    if here.gpu.compute_capability not in record.compute_capabilities:
        known, found = " or ".join(record.compute_capabilities), here.gpu.compute_capability
        raise EncoderError(f"wants a GPU of compute capability {known}, found {found} ({here.gpu.name})")


def check_graph(record: EngineRecord, name: str, onnx_sha256: str) -> EngineFile:
    """The record's engine of graph `name`. Raises EncoderError where there is none, or the graph is another by now."""
    engine = record.engines.get(name)
    if engine is None:
        raise EncoderError(f"wants an engine of {name}, found those of {', '.join(record.engines)[:200]}")
    if engine.onnx_sha256 != onnx_sha256:
        wanted, found = engine.onnx_sha256[:12], onnx_sha256[:12]
        raise EncoderError(f"wants the {name} it was built from, sha256 {wanted}…, found {found}…")
    return engine


def device_folder(flavour: str, gpu_name: str) -> str:
    """The folder under engines/ for a library and a GPU; an empty name: engines built with no GPU."""
    slug = re.sub(r"[^a-z0-9]+", "-", gpu_name.lower()).strip("-")[:64]
    return f"{slug or 'any-gpu'}.{flavour}"


def _fault(record: EngineRecord) -> str | None:
    """What a well-formed record says that cannot be, if anything."""
    if record.flavour not in FLAVOURS:
        return f"a flavour of {' or '.join(FLAVOURS)}, found {record.flavour[:40]!r}"
    if not _VERSION.fullmatch(record.version):
        return f"the version of {record.flavour}, found {record.version[:40]!r}"
    if not 1 <= len(record.engines) <= ENGINES_LIMIT:
        return f"1 to {ENGINES_LIMIT} engines, found {len(record.engines)}"
    capabilities = record.compute_capabilities
    if not 1 <= len(capabilities) <= CAPABILITIES_LIMIT or not all(map(_CAPABILITY.fullmatch, capabilities)):
        return f"compute capabilities like 8.9, found {', '.join(capabilities)[:60]!r}"
    if len(record.gpu) > 256 or not record.gpu.isprintable():
        return f"a printable GPU name, found {record.gpu[:40]!r}"
    for name, engine in record.engines.items():
        if not _NAME.fullmatch(name):
            return f"engines named by their graph, found {name[:80]!r}"
        if not _SHA256.fullmatch(engine.sha256) or not _SHA256.fullmatch(engine.onnx_sha256):
            return f"a sha256 of {name} and of its engine"
        if engine.bytes < 1 or not is_batch(engine.batch):
            return f"a size above 0 and a batch of three rising numbers for {name}"
    return None


def is_batch(batch: tuple[int, ...]) -> bool:
    """Smallest, fastest and largest batch, in order."""
    return len(batch) == 3 and 1 <= batch[0] <= batch[1] <= batch[2] <= MAX_BATCH
