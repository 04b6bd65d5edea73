"""A bundle -> engines/<device>/ in it: an engine a graph, its layers as JSON, and the record of what they fit.

Everything is written into a sibling folder, which is renamed once it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from magno.export.engines.from_onnx import Building, Built, Wish
from magno.export.engines.progress import Standing, progress_monitor
from magno.export.engines.target import Target, find_target
from magno.runtime.backends import EncoderError, Graph
from magno.runtime.backends.engine_file import ENGINES, RECORD, check_owned, engine_name, read_owned
from magno.runtime.backends.engine_record import (
    FORMAT,
    RECORD_LIMIT_BYTES,
    EngineFile,
    EngineRecord,
    device_folder,
    parse_record,
)
from magno.runtime.backends.tensorrt_library import Library, load_library
from magno.runtime.bundle import Bundle, open_bundle
from magno.runtime.encoder import delta_graph, vision_graph
from magno.runtime.spec import to_dict
from magno.runtime.whole import aside, put_in_place, whole_file

TIMING_CACHE_LIMIT_BYTES = 1 << 30
FOLDER_MODE, FILE_MODE = 0o755, 0o644  # whatever the umask: engines that others may write are not read


@dataclass(frozen=True, slots=True)
class Options:
    """What `magno build` is asked for."""

    flavour: str
    batch: tuple[int, int, int]  # smallest, fastest, largest
    timing_cache: Path | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """A build that may begin."""

    bundle: Bundle
    library: Library
    target: Target
    options: Options
    out: Path


def build_engines(bundle_folder: Path, options: Options, standing: Standing) -> tuple[Path, EngineRecord]:
    """The folder of the new engines, and their record. Older ones for the same device and library stay until the new
    ones are whole. Raises EncoderError, BundleError, SpecError; OSError where the folder cannot be written.
    """
    library = load_library(options.flavour)
    if options.timing_cache is not None and options.flavour != "tensorrt":
        raise EncoderError(
            f"--timing-cache wants --engine tensorrt, found {options.flavour}, which measures nothing while it builds: "
            "leave it out."
        )
    target = find_target(library)
    standing.enter("checking the bundle")
    bundle = open_bundle(bundle_folder)
    engines = bundle.folder / ENGINES
    engines.mkdir(FOLDER_MODE, exist_ok=True)
    check_owned(engines, engines.lstat(), stat.S_ISDIR)
    out = engines / device_folder(options.flavour, target.gpu.name if target.gpu else "")
    part = aside(out)
    part.mkdir()
    try:
        record = _build_into(part, _Job(bundle, library, target, options, out), standing)
        part.chmod(FOLDER_MODE)
        put_in_place(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out, record


def graphs_of(bundle: Bundle) -> list[tuple[Path, Graph]]:
    """The graphs that become engines; a keyframe-only bundle has one."""
    graphs = [(bundle.vision, vision_graph(bundle.spec))]
    if bundle.delta is not None:
        graphs.append((bundle.delta, delta_graph(bundle.spec)))
    return graphs


def _build_into(part: Path, job: _Job, standing: Standing) -> EngineRecord:
    monitor = progress_monitor(job.library.trt, standing)
    building = Building(job.library, _read_timing_cache(job.options.timing_cache), monitor)
    wish = Wish(
        job.options.batch,
        # Where the library builds for the GPU that is here anyway, it is not told.
        job.target.compute_capabilities if job.options.flavour == "tensorrt-rtx" else (),
        opens_here=job.target.gpu is not None,
    )
    usual_s = _build_times(job.out)
    graphs = graphs_of(job.bundle)
    engines: dict[str, EngineFile] = {}
    for at, (onnx, graph) in enumerate(graphs):
        later = tuple(engine_name(path.name) for path, _ in graphs[at + 1 :])
        standing.enter(engine_name(onnx.name), later, usual_s.get(onnx.name))
        began_s = time.monotonic()
        built = building.engine_from_onnx(onnx, graph, wish)
        engines[onnx.name] = _write_engine(part, onnx.name, job, built, time.monotonic() - began_s)
    standing.enter("writing")
    if job.options.timing_cache is not None:
        with whole_file(job.options.timing_cache) as cache:
            _write(cache, building.timing_cache or b"")
    record = EngineRecord(
        format=FORMAT,
        flavour=job.options.flavour,
        version=job.library.version,
        gpu=job.target.gpu.name if job.target.gpu else "",
        compute_capabilities=job.target.compute_capabilities,
        settings=built.settings,
        engines=engines,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    _write_json(part / RECORD, to_dict(record))
    return record


def _write_engine(part: Path, name: str, job: _Job, built: Built, build_s: float) -> EngineFile:
    _write(part / engine_name(name), built.engine)
    _write_json(part / f"{Path(name).stem}.layers.json", built.layers)
    return EngineFile(
        onnx_sha256=job.bundle.manifest.files[name].sha256,
        sha256=hashlib.sha256(built.engine).hexdigest(),
        bytes=built.engine.nbytes,
        batch=job.options.batch,
        layers_from=str(built.layers["Source"]),
        build_s=round(build_s, 3),
    )


def _build_times(out: Path) -> dict[str, float]:
    """Seconds that each graph took the last time, where a record still tells."""
    with suppress(EncoderError):
        record = parse_record(read_owned(out / RECORD, RECORD_LIMIT_BYTES), RECORD)
        return {name: engine.build_s for name, engine in record.engines.items()}
    return {}


def _read_timing_cache(path: Path | None) -> bytes | None:
    """It is read by the same native code as an engine: from nobody else's file."""
    if path is None:
        return None
    return read_owned(path, TIMING_CACHE_LIMIT_BYTES) if os.path.lexists(path) else b""


def _write_json(path: Path, values: dict[str, Any]) -> None:
    _write(path, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())


def _write(path: Path, data: bytes | memoryview) -> None:
    """On the disk before anything says that it is there."""
    with path.open("wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
