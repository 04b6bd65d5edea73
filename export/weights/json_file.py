"""Read the JSON and text files of a checkpoint, which may be anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from magno.export.errors import CheckpointError

LIMIT_BYTES = 64 << 20  # the largest tokenizer.json known has 35 MB
SMALL_BYTES = 8 << 20  # of a configuration or an index: what is larger takes long to be found wrong


def read_text(path: Path, limit_bytes: int = LIMIT_BYTES) -> str:
    """UTF-8 text of bounded size. Raises CheckpointError naming the file."""
    if not path.is_file():
        raise CheckpointError(f"{path.parent} lacks {path.name}, which a checkpoint has.")
    size_bytes = path.stat().st_size
    if size_bytes > limit_bytes:
        raise CheckpointError(f"{path} wants at most {limit_bytes} bytes, found {size_bytes}.")
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise CheckpointError(f"{path} wants to be readable UTF-8 text, found: {short(error)}.") from error


def read_json(path: Path, limit_bytes: int = LIMIT_BYTES) -> Any:
    """The values of a JSON file. Raises CheckpointError naming the file."""
    try:
        return json.loads(read_text(path, limit_bytes))
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} wants JSON, found a fault: {short(error)}.") from error


def short(error: Exception) -> str:
    """The first line of a library's message, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
