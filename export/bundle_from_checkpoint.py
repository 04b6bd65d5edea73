"""A checkpoint -> a bundle: the folder that the runtime opens (manifest, two graphs, the language model).

Everything is written into a sibling folder, checked by opening and running it, and only then renamed.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from magno.export.checkpoint import TOKENIZER
from magno.export.families import open_source
from magno.export.gguf_from_checkpoint import gguf_from_language
from magno.export.graphs.onnx_from_torch import onnx_from_torch
from magno.export.source import EncoderSource, Source
from magno.export.torch_modules import torch_encoder, torch_language
from magno.export.verify.parity import check_graph, check_language
from magno.export.weights.fingerprint import source_sha256
from magno.export.weights.json_file import read_text
from magno.runtime.backends import Graph
from magno.runtime.bundle import (
    DELTA,
    FORMAT,
    LLM,
    MANIFEST,
    VISION,
    BundleError,
    FileRecord,
    Manifest,
    open_bundle,
    sha256_of,
)
from magno.runtime.encoder import delta_graph, vision_graph
from magno.runtime.spec import to_dict
from magno.runtime.whole import aside, put_in_place, sync

TOOLS = ("magno", "torch", "transformers", "onnx", "onnxscript", "gguf", "onnxruntime", "llama-cpp-python")
STEPS = ("read the checkpoint", VISION, DELTA, LLM, MANIFEST, "compare with torch")
MADE_ON_DEVICE = ("engines", "calibration")  # measured or built after the export; each names what it fits
COMPARED_BYTES = 1 << 30  # a language model of more than this in float32 is compared by `magno verify` alone

Progress = Callable[[str, int, int], None]  # step, how many are done, how many there are


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What an export chooses."""

    llm_type: str = "f16"  # of magno.export.language.llm_types
    precision: str = "fp32"  # of the two encoders: magno.export.graphs.precision


def bundle_from_checkpoint(
    checkpoint: Path, out: Path, *, llm_type: str = "f16", progress: Progress = lambda step, done, total: None
) -> Path:
    """`bundle_from_source` of a whole checkpoint's folder. Raises SpecError besides."""
    _check_replaceable(out)
    progress(STEPS[0], 0, len(STEPS))
    return bundle_from_source(open_source(Path(checkpoint)), out, ExportOptions(llm_type), progress)


def bundle_from_source(
    source: Source,
    out: Path,
    options: ExportOptions = ExportOptions(),
    progress: Progress = lambda step, done, total: None,
) -> Path:
    """Write the bundle `out`; an existing bundle is replaced only by a complete and checked one.

    Engines and calibrations of the replaced bundle are kept: each names the graph it fits, and is refused
    where that has changed. Raises CheckpointError, ParityError, and BundleError where `out` is a
    folder that is not a bundle; EncoderError or LanguageError for a part that does not run; OSError where it
    cannot be written.
    """
    _check_replaceable(out)
    out = out.resolve()
    part = aside(out)
    try:
        part.mkdir(parents=True)
        _write_files(source, part, options, progress)
        progress(STEPS[-1], len(STEPS) - 1, len(STEPS))
        _check_whole(source, part, options)
        _keep_what_was_made_here(out, part)
        put_in_place(part, out)
        progress("done", len(STEPS), len(STEPS))
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _write_files(source: Source, part: Path, options: ExportOptions, progress: Progress) -> None:
    progress(VISION, 1, len(STEPS))
    _write_encoder(source.vision, vision_graph(source.spec), part / VISION, options.precision)
    if source.delta is not None:
        progress(DELTA, 2, len(STEPS))
        _write_encoder(source.delta, delta_graph(source.spec), part / DELTA, options.precision)
    progress(LLM, 3, len(STEPS))
    gguf_from_language(
        source.language,
        part / LLM,
        options.llm_type,
        source.spec.layout.stop_text,
        lambda step, done, total: progress(f"{step} {done}/{total}", 3, len(STEPS)),
    )
    progress(MANIFEST, 4, len(STEPS))
    manifest = Manifest(
        format=FORMAT,
        model=source.spec,
        files={name: _record(part / name) for name in (VISION, DELTA, LLM) if (part / name).is_file()},
        tools={tool: metadata.version(tool) for tool in TOOLS},
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        checkpoint_sha256=source_sha256(source),
        precision=options.precision,
    )
    text = json.dumps(to_dict(manifest), indent=2, ensure_ascii=False)
    (part / MANIFEST).write_text(text + "\n", encoding="utf-8")
    for path in part.iterdir():
        sync(path)


def _write_encoder(source: EncoderSource, graph: Graph, out: Path, precision: str) -> None:
    """Written and compared while its module is in memory: one encoder at a time."""
    module = torch_encoder(source)
    onnx_from_torch(module, graph, out, precision)
    check_graph(module, out, graph, precision)


def _check_whole(source: Source, part: Path, options: ExportOptions) -> None:
    made = open_bundle(part)
    small = sum(4 * math.prod(tensor.shape) for tensor in source.language.tensors.values()) <= COMPARED_BYTES
    module = torch_language(source.language) if small else None
    check_language(module, read_text(source.language.folder / TOKENIZER), made, options.llm_type)


def _record(path: Path) -> FileRecord:
    return FileRecord(sha256_of(path), path.stat().st_size)


def _check_replaceable(out: Path) -> None:
    """Only a bundle or an empty folder is ever replaced."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise BundleError(f"{out} wants to be a folder, found something else: name another --out.")
    if out.is_dir() and not (out / MANIFEST).is_file() and any(out.iterdir()):
        raise BundleError(
            f"{out} wants to be a bundle or empty, found a folder with other files: name another --out."
        )


def _keep_what_was_made_here(out: Path, part: Path) -> None:
    for name in MADE_ON_DEVICE:
        if (out / name).is_dir():
            shutil.copytree(out / name, part / name, symlinks=True)
    sync(part)
