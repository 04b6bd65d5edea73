"""Files and folders that appear under their names whole, or not at all, and are there after a power cut."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def aside(path: Path, what: str = "part") -> Path:
    """A hidden name beside `path`, so that a rename reaches it, which no other writer takes."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{what}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write it; it takes its name when all went well. Raises OSError when it cannot be written."""
    part = aside(path)
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def put_in_place(part: Path, out: Path) -> None:
    """Let a whole folder take the place of another, which comes back if it cannot. Raises OSError."""
    old = aside(out, "old")
    if out.exists():
        out.rename(old)
    try:
        part.rename(out)
    except BaseException:
        if old.exists():
            old.rename(out)
        raise
    sync(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def sync(path: Path) -> None:
    """Let a file or a folder's names reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
