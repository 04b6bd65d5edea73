"""A bundle beside the checkpoint it was made of: every rung of the parity ladder, and its record in the manifest."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from magno.export.errors import CheckpointError
from magno.export.graphs.graph_file import GraphFile
from magno.export.source import Source
from magno.export.verify.encoders import Exam, encoder_rungs
from magno.export.verify.language import language_rungs
from magno.export.verify.shown import show_clips
from magno.export.weights.fingerprint import source_sha256
from magno.runtime.bundle import MANIFEST, Bundle, BundleError
from magno.runtime.encoder import delta_graph, vision_graph
from magno.runtime.parity_record import ParityRecord, Rung, RungOutcome
from magno.runtime.spec import to_dict
from magno.runtime.whole import whole_file

TOOLS = ("magno", "torch", "transformers", "onnx", "onnxruntime", "llama-cpp-python")


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What a verification is shown, and how it runs."""

    clips: tuple[Path, ...]
    keyframes: int
    windows: int
    threads: int


def open_origin(bundle: Bundle, opens: Callable[[int | None], Source]) -> Source:
    """The checkpoint that a bundle was made of, which `opens` at a size of picture (None: as trained).

    Raises BundleError for another one, CheckpointError, SpecError.
    """
    image_px = bundle.spec.codec.image_px
    try:
        source = opens(None)
    except CheckpointError:  # parts that fit together at this size alone
        source = opens(image_px)
    found = source_sha256(source)
    if found != bundle.manifest.checkpoint_sha256:
        raise BundleError(
            f"{bundle.folder} wants the checkpoint it was made of ({bundle.manifest.checkpoint_sha256[:12]}…), "
            f"found another ({found[:12]}…): name that one, or export this one."
        )
    return source if source.spec.codec.image_px == image_px else opens(image_px)


def verify_bundle(
    bundle: Bundle, source: Source | None, options: VerifyOptions, say: Callable[[str], None]
) -> ParityRecord:
    """Climb every rung that can be climbed here. Writes nothing.

    Raises CheckpointError, ShownError or CameraError.
    """
    say("reading the clips")
    windows = options.windows if bundle.delta else 0
    shown = show_clips(bundle.spec.codec, options.clips, options.keyframes, windows)
    hashes = f"sha256 of {len(bundle.manifest.files)} files"  # which opening the bundle has checked
    rungs = [Rung("all", hashes, RungOutcome.PASSED)]
    for path, graph, encoder in (
        (bundle.vision, vision_graph(bundle.spec), source and source.vision),
        (bundle.delta, delta_graph(bundle.spec), source and source.delta),
    ):
        if path is not None:
            file = GraphFile(path, graph, bundle.manifest.precision)
            exam = Exam(file, encoder, shown.inputs(path.name), options.threads)
            rungs += encoder_rungs(exam, say)
    rungs += language_rungs(bundle.llm, source and source.language, options.threads, say)
    return ParityRecord(
        verified=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        inputs=str(shown),
        tools={tool: metadata.version(tool) for tool in TOOLS},
        rungs=tuple(rungs),
    )


def merged(before: ParityRecord | None, now: ParityRecord) -> ParityRecord:
    """What the manifest keeps: a rung that was skipped now says what it said before."""
    if before is None:
        return now

    def newest(rung: Rung) -> Rung:
        return (before.of(rung.file, rung.step) or rung) if rung.outcome is RungOutcome.SKIPPED else rung

    return dataclasses.replace(now, rungs=tuple(newest(rung) for rung in now.rungs))


def record_parity(bundle: Bundle, record: ParityRecord) -> None:
    """Put the figures into the bundle's manifest, written aside and renamed; all else in it stays as it is.

    Raises BundleError where it cannot be written, or has changed since the bundle was opened.
    """
    path = bundle.folder / MANIFEST
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if values["files"] != to_dict(bundle.manifest.files):
        raise BundleError(f"{path} wants to stay as it was, found it exported anew: verify it again.")
    values["parity"] = to_dict(record)
    try:
        with whole_file(path) as part:
            part.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise BundleError(
            f"{path} wants to be writable for the figures, found: {error.strerror}. Check its owner."
        ) from error
