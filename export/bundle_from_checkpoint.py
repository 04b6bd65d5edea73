"""A checkpoint -> a bundle: the folder that the runtime opens (manifest, two graphs, the language model).

Everything is written into a sibling folder, checked by opening and running it, and only then renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from magno.export.checkpoint import CONFIG, TOKENIZER, WEIGHTS, Checkpoint, load_checkpoint
from magno.export.config import model_spec
from magno.export.gguf_from_checkpoint import gguf_from_checkpoint
from magno.export.onnx_from_torch import delta_onnx_from_torch, vision_onnx_from_torch
from magno.export.parity import check_encoders, check_language
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
from magno.runtime.spec import to_dict

TOOLS = ("magno", "torch", "transformers", "onnx", "onnxscript", "gguf", "onnxruntime")
STEPS = ("read the checkpoint", VISION, DELTA, LLM, MANIFEST, "compare with torch")
MADE_ON_DEVICE = ("engines", "calibration")  # measured or built after the export; each names what it fits

Progress = Callable[[str, int, int], None]  # step, how many are done, how many there are


@dataclass(frozen=True, slots=True)
class _Aside:
    """Where a bundle is made, and what it will replace."""

    part: Path
    old: Path
    out: Path


def bundle_from_checkpoint(
    checkpoint: Path, out: Path, *, llm_type: str = "f16", progress: Progress = lambda step, done, total: None
) -> Path:
    """Write the bundle `out`; an existing bundle is replaced only by a complete and checked one.

    Engines and calibrations of the replaced bundle are kept: each names the graph it fits, and is refused
    where that has changed. Raises CheckpointError, SpecError, ParityError, and BundleError where `out` is a
    folder that is not a bundle; EncoderError or LanguageError for a part that does not run; OSError where it
    cannot be written.
    """
    _check_replaceable(out)
    out = out.resolve()
    aside = _Aside(_sibling(out, "part"), _sibling(out, "old"), out)
    try:
        progress(STEPS[0], 0, len(STEPS))
        loaded = load_checkpoint(Path(checkpoint))
        aside.part.mkdir(parents=True)
        _write_files(loaded, aside.part, llm_type, progress)
        progress(STEPS[-1], len(STEPS) - 1, len(STEPS))
        made = open_bundle(aside.part)
        check_encoders(loaded.model, made)
        check_language(loaded, made, llm_type)
        _put_in_place(aside)
        progress("done", len(STEPS), len(STEPS))
    finally:
        shutil.rmtree(aside.part, ignore_errors=True)
    return out


def _write_files(loaded: Checkpoint, part: Path, llm_type: str, progress: Progress) -> None:
    progress(VISION, 1, len(STEPS))
    vision_onnx_from_torch(loaded, part / VISION)
    progress(DELTA, 2, len(STEPS))
    delta_onnx_from_torch(loaded, part / DELTA)
    progress(LLM, 3, len(STEPS))
    gguf_from_checkpoint(loaded, part / LLM, llm_type)
    progress(MANIFEST, 4, len(STEPS))
    manifest = Manifest(
        format=FORMAT,
        model=model_spec(loaded.config),
        files={name: _record(part / name) for name in (VISION, DELTA, LLM)},
        tools={tool: metadata.version(tool) for tool in TOOLS},
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        checkpoint_sha256=checkpoint_sha256(loaded.folder),
    )
    text = json.dumps(to_dict(manifest), indent=2, ensure_ascii=False)
    (part / MANIFEST).write_text(text + "\n", encoding="utf-8")
    for path in part.iterdir():
        _sync(path)


def checkpoint_sha256(folder: Path) -> str:
    """One digest of a checkpoint's three files."""
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in (CONFIG, WEIGHTS, TOKENIZER)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


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


def _put_in_place(aside: _Aside) -> None:
    replaces = aside.out.exists()
    if replaces:
        for name in MADE_ON_DEVICE:
            if (aside.out / name).is_dir():
                shutil.copytree(aside.out / name, aside.part / name, symlinks=True)
    _sync(aside.part)
    if replaces:
        aside.out.rename(aside.old)
    try:
        aside.part.rename(aside.out)
    except BaseException:
        if replaces:
            aside.old.rename(aside.out)
        raise
    _sync(aside.out.parent)
    shutil.rmtree(aside.old, ignore_errors=True)


def _sibling(out: Path, what: str) -> Path:
    return out.parent / f".{out.name}.{secrets.token_hex(4)}.{what}"


def _sync(path: Path) -> None:
    """Let a file or folder reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
