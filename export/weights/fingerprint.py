"""Which checkpoint a bundle was made of: one digest of every file that was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from magno.export.source import Source
from magno.runtime.bundle import sha256_of

# What export reads of a folder; a README or a model card does not change a bundle.
READ = ("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "generation_config.json")  # fmt: skip


def source_sha256(source: Source) -> str:
    """One digest of a source's files, in the order of its folders. Raises BundleError for one that went away."""
    digest = hashlib.sha256()
    for number, folder in enumerate(source.folders):
        for path in _files(folder):
            digest.update(f"{sha256_of(path)}  {number}/{path.name}\n".encode())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    for pattern in READ:
        yield from sorted(path for path in folder.glob(pattern) if path.is_file())
