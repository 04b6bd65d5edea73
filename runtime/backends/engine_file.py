"""Find, check and read the engines of a bundle. Knows the disk, and no library.

An engine is native code: opening one runs what its writer put there. So engines are read only from a folder and files
that nobody but their owner can write, and that this user or root owns. Build them on the device; never take one from
somebody else. The sha256 in the record stops a stale or damaged file, not an attacker, who would write both.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from magno.runtime.backends import EncoderError
from magno.runtime.backends.engine_record import (
    RECORD_LIMIT_BYTES,
    EngineFile,
    Here,
    check_graph,
    check_here,
    device_folder,
    parse_record,
)
from magno.runtime.bundle import digest_of

ENGINES, RECORD = "engines", "engines.json"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that fits this machine, as it lies on the disk."""

    path: Path
    data: bytes
    file: EngineFile


def engine_name(graph_name: str) -> str:
    """vision.onnx -> vision.engine"""
    return f"{Path(graph_name).stem}.engine"


def read_engine(onnx: Path, here: Here) -> Engine:
    """The engine of a bundle's graph for what is here. Raises EncoderError, which says what to run."""
    remedy = f"Run: magno build {onnx.parent} --engine {here.flavour}"
    folder = _find(onnx, here, remedy)
    for place in (folder.parent, folder):
        check_owned(place, os.lstat(place), stat.S_ISDIR)
    where = folder / RECORD
    record = parse_record(read_owned(where, RECORD_LIMIT_BYTES), str(where))
    try:
        check_here(record, here)
        onnx_sha256 = sha256_of_file(onnx)  # a second or more of a large graph: after all that costs nothing
        file = check_graph(record, onnx.name, onnx_sha256)
    except EncoderError as error:
        raise EncoderError(f"{folder} {error}. {remedy}.") from error
    path = folder / engine_name(onnx.name)
    data = read_owned(path, file.bytes)
    if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        raise EncoderError(f"{path} wants the bytes that its record names, found others. {remedy}.")
    return Engine(path, data, file)


def read_owned(path: Path, limit_bytes: int) -> bytes:
    """A file's bytes, when only its owner can write it. Raises EncoderError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise EncoderError(f"{path} wants to be a readable file, found: {error.strerror}.") from error
    try:
        status = os.fstat(descriptor)
        check_owned(path, status, stat.S_ISREG)
        if status.st_size > limit_bytes:
            raise EncoderError(
                f"{path} wants at most {limit_bytes} bytes, found {status.st_size}: build again."
            )
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit_bytes)
    finally:
        os.close(descriptor)


def check_owned(path: Path, status: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    """Raises EncoderError when `path` is a link, or anyone but this user or root may write it."""
    if not is_kind(status.st_mode):
        raise EncoderError(f"{path} wants to be a plain file or folder, found a link or something else.")
    if status.st_uid not in (0, os.geteuid()):
        raise EncoderError(
            f"{path} wants this user or root as its owner, found user {status.st_uid}: an engine is native code, "
            "so build it here, as this user."
        )
    if status.st_mode & OTHERS_WRITE:
        raise EncoderError(
            f"{path} wants to be writable by its owner alone, found mode {stat.S_IMODE(status.st_mode):o}: an engine "
            f"is native code. If nobody else wrote it, run: chmod go-w {path}"
        )


def sha256_of_file(path: Path) -> str:
    """Hexadecimal; constant memory. Raises EncoderError when it cannot be read."""
    try:
        return digest_of(path)
    except OSError as error:
        raise EncoderError(f"wants {path} to be readable, found: {error.strerror}") from error


def _find(onnx: Path, here: Here, remedy: str) -> Path:
    """The folder of engines for this GPU, else the one built for any."""
    engines = onnx.parent / ENGINES
    for name in (here.gpu.name, ""):
        folder = engines / device_folder(here.flavour, name)
        if os.path.lexists(folder):
            return folder
    try:
        others = sorted(entry.name for entry in engines.iterdir() if not entry.name.startswith("."))
    except OSError:
        others = []
    raise EncoderError(
        f"{engines} wants engines for {here.gpu.name} and {here.flavour}, "
        f"found {', '.join(others)[:300] or 'none'}. {remedy}."
    )
