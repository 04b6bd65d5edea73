"""Open a bundle: check its manifest and every file it names, hand out the `ModelSpec`.

Knows no model library. A sha256 stops a stale or damaged file, not an attacker who writes the manifest too:
take bundles only from people you trust.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from magno.runtime.parity_record import ParityRecord
from magno.runtime.spec import ModelSpec, SpecError, from_dict
from magno.runtime.units import MagnoError

FORMAT = 1
MANIFEST, VISION, DELTA, LLM = "manifest.json", "vision.onnx", "delta.onnx", "llm.gguf"
REQUIRED = (VISION, LLM)
MANIFEST_LIMIT_BYTES = 1 << 20
FILES_LIMIT = 64
READ_BYTES = 1 << 20
AGAIN = "Export it again: magno export CHECKPOINT --out BUNDLE"
# The largest sizes a manifest may claim: arrays of these sizes are allocated before any picture comes.
LIMITS = {
    "embed_dim": 65_536,
    "trained_context": 1 << 24,
    "codec.image_px": 4_096,
    "codec.window_pictures": 4_096,
    "codec.windows_per_gop": 65_536,
    "layout.keyframe_tokens": 65_536,
}
WINDOW_TOKENS_LIMIT = 65_536
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BundleError(MagnoError, ValueError):
    """A bundle that is missing, damaged, or not what its manifest says."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What the manifest says of one file."""

    sha256: str  # lower-case hexadecimal
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of manifest.json."""

    format: int
    model: ModelSpec
    files: dict[str, FileRecord]
    tools: dict[str, str]  # tool -> version that wrote the bundle
    created: str  # ISO 8601
    checkpoint_sha256: str
    precision: str = "fp32"  # the encoders compute in: fp32, fp16 or bf16
    parity: ParityRecord | None = None  # None: `magno verify` was never run


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every file has been checked against its manifest."""

    folder: Path
    spec: ModelSpec
    vision: Path
    delta: Path | None  # None: keyframes only
    llm: Path
    manifest: Manifest
    manifest_sha256: str


def open_bundle(folder: Path) -> Bundle:
    """Open and check a bundle; reads every file once.

    Raises BundleError or SpecError, one sentence naming the file, what was wanted and what was found.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BundleError(f"{folder} wants to be a bundle folder, found none. {AGAIN}.")
    text = _read_manifest(folder / MANIFEST)
    manifest = parse_manifest(text, str(folder / MANIFEST))
    for name, record in manifest.files.items():
        found_bytes = _size_of(folder / name)
        if found_bytes != record.bytes:
            raise BundleError(f"{folder / name} wants {record.bytes} bytes, found {found_bytes}. {AGAIN}.")
    for name, record in manifest.files.items():
        found = sha256_of(folder / name)
        if found != record.sha256:
            raise BundleError(
                f"{folder / name} wants sha256 {record.sha256[:12]}…, found {found[:12]}…: "
                f"the file was changed or damaged. {AGAIN}."
            )
    return Bundle(
        folder=folder,
        spec=manifest.model,
        vision=folder / VISION,
        delta=folder / DELTA if DELTA in manifest.files else None,
        llm=folder / LLM,
        manifest=manifest,
        manifest_sha256=hashlib.sha256(text).hexdigest(),
    )


def parse_manifest(text: bytes, where: str = MANIFEST) -> Manifest:
    """Bytes of a manifest.json -> Manifest; touches no file. Raises BundleError or SpecError only."""
    if len(text) > MANIFEST_LIMIT_BYTES:
        raise BundleError(f"{where} wants at most {MANIFEST_LIMIT_BYTES} bytes, found {len(text)}. {AGAIN}.")
    try:
        values = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if isinstance(values, dict) and "format" in values:
            _check_format(values["format"], where)
        manifest = from_dict(Manifest, values, where)
    except (BundleError, SpecError):
        raise
    except (ValueError, OverflowError, RecursionError) as error:
        raise BundleError(f"{where} wants JSON, found a fault: {str(error)[:120]!r}. {AGAIN}.") from error
    _check_format(manifest.format, where)
    _check_files(manifest, where)
    _check_limits(manifest.model, where)
    _check_windows(manifest, where)
    return manifest


def sha256_of(path: Path) -> str:
    """The file's sha256 in hexadecimal; constant memory. Raises BundleError when it cannot be read."""
    try:
        return digest_of(path)
    except OSError as error:
        raise BundleError(
            f"{path} wants to be readable, found: {error.strerror}. Check its owner."
        ) from error


def digest_of(path: Path) -> str:
    """As sha256_of, but raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _read_manifest(path: Path) -> bytes:
    found_bytes = _size_of(path)
    if found_bytes > MANIFEST_LIMIT_BYTES:
        raise BundleError(f"{path} wants at most {MANIFEST_LIMIT_BYTES} bytes, found {found_bytes}. {AGAIN}.")
    try:
        with path.open("rb") as file:
            return file.read(MANIFEST_LIMIT_BYTES + 1)
    except OSError as error:
        raise BundleError(
            f"{path} wants to be readable, found: {error.strerror}. Check its owner."
        ) from error


def _size_of(path: Path) -> int:
    """Bytes of a regular file inside the bundle; a link could lead out of it."""
    try:
        status = os.lstat(path)
    except OSError as error:
        raise BundleError(f"{path} wants to be there, found: {error.strerror}. {AGAIN}.") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "something else"
        raise BundleError(f"{path} wants to be a regular file, found {kind}. {AGAIN}.")
    return status.st_size


def _check_format(found: object, where: str) -> None:
    if type(found) is int and found != FORMAT:
        raise BundleError(
            f"{where} wants format {FORMAT}, found {str(found)[:20]}: update magno, or {AGAIN.lower()}."
        )


def _check_files(manifest: Manifest, where: str) -> None:
    if len(manifest.files) > FILES_LIMIT:
        raise BundleError(f"{where} wants at most {FILES_LIMIT} files, found {len(manifest.files)}. {AGAIN}.")
    for name, record in manifest.files.items():
        if not _NAME.fullmatch(name) or name == MANIFEST:
            raise BundleError(
                f"{where} wants plain file names inside the bundle, found {name[:80]!r}. {AGAIN}."
            )
        if not _SHA256.fullmatch(record.sha256) or record.bytes < 0:
            raise BundleError(f"{where}: {name} wants a sha256 and a size of 0 or more bytes. {AGAIN}.")
    for name in REQUIRED:
        if name not in manifest.files:
            raise BundleError(f"{where} wants the file {name}, which it does not name. {AGAIN}.")


def _check_limits(model: ModelSpec, where: str) -> None:
    for path, most in LIMITS.items():
        found: Any = model
        for key in path.split("."):
            found = getattr(found, key)
        if not 1 <= found <= most:
            raise BundleError(f"{where}: model.{path} wants 1 to {most}, found {str(found)[:40]}. {AGAIN}.")


def _check_windows(manifest: Manifest, where: str) -> None:
    """Windows have tokens if and only if there is an encoder for them."""
    tokens, least = manifest.model.layout.window_tokens, 1 if DELTA in manifest.files else 0
    if not least <= tokens <= WINDOW_TOKENS_LIMIT:
        raise BundleError(
            f"{where}: model.layout.window_tokens wants {least} to {WINDOW_TOKENS_LIMIT}, "
            f"found {str(tokens)[:40]}. {AGAIN}."
        )
    if tokens and not least:
        raise BundleError(
            f"{where} wants the file {DELTA} for windows of {tokens} tokens, which it does not name. {AGAIN}."
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
