"""What TensorRT-RTX compiles when it opens and runs an engine, kept beside the engine: opened again, it need not.

It is native code as an engine is, and is read under the same rules. Whether it fits this GPU, driver and library is the
library's to say. Nothing of this is worth an engine: what cannot be read or written is told in one line, and the engine
runs all the same.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from magno.runtime.backends import EncoderError
from magno.runtime.backends.engine_file import read_owned
from magno.runtime.backends.tensorrt_library import Library
from magno.runtime.whole import whole_file

LIMIT_BYTES = 256 << 20  # several times what the engine of a large encoder has
FILE_MODE = 0o644  # whatever the umask: what others may write is not read

log = logging.getLogger("magno.engine")


def kernels_path(engine: Path) -> Path:
    """vision.engine -> vision.kernels"""
    return engine.with_suffix(".kernels")


class CompiledKernels:
    """One engine's. The library adds to it for as long as a context made with its `config` lives."""

    def __init__(self, library: Library, config: Any, path: Path) -> None:
        """`config`: the library's runtime configuration, for which `keeps_kernels` holds. What `path` has is taken."""
        self._library, self._path = library, path
        self._cache = config.create_runtime_cache()
        self._on_disk = ""  # sha256 of the file as it was read or written; "" where it is to be written anew
        self._take()
        config.set_runtime_cache(self._cache)

    def keep(self) -> None:
        """Write the file where anything was compiled since it was read or written."""
        serialised = self._cache.serialize()
        if serialised is None:
            return self._leave_out("wants to be written", self._library.complaint())
        data = memoryview(serialised)
        digest = hashlib.sha256(data).hexdigest()
        if digest == self._on_disk:
            return None
        if data.nbytes > LIMIT_BYTES:
            return self._leave_out(f"wants at most {LIMIT_BYTES} bytes", f"{data.nbytes}")
        try:
            with whole_file(self._path) as part:
                part.write_bytes(data)
                part.chmod(FILE_MODE)
        except OSError as error:
            return self._leave_out("wants to be writable", error.strerror or str(error))
        self._on_disk = digest
        return None

    def _take(self) -> None:
        if not os.path.lexists(self._path):
            return
        try:
            data = read_owned(self._path, LIMIT_BYTES)
        except EncoderError as error:
            log.warning("%s Its kernels are compiled anew.", error)
            return
        if self._cache.deserialize(data):
            self._on_disk = hashlib.sha256(data).hexdigest()
        else:
            self._leave_out("wants to be of this GPU, driver and library", self._library.complaint())

    def _leave_out(self, wanted: str, found: str) -> None:
        log.warning("%s %s, found: %s. Its kernels are compiled anew.", self._path, wanted, found)


def keeps_kernels(config: Any) -> bool:
    """Whether this library compiles when it runs, and gives what it compiled: TensorRT-RTX alone."""
    return hasattr(config, "create_runtime_cache") and hasattr(config, "set_runtime_cache")
