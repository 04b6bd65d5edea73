"""A stream's vectors as one .npz file, written picture by picture: memory stays flat, however long it is."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from magno.runtime.units import CodecFrame, MagnoError
from magno.runtime.whole import whole_file


class DumpError(MagnoError):
    """A stream that cannot be dumped, or a place where no file can be written."""


class VectorDump:
    """Collects pictures in display order, and writes them when told to `finish`; otherwise nothing is left behind.

    The file holds `pts_ns` (T,) int64, `pict_type` (T,) one letter, `mv_qpel` (T, Hb, Wb, 2) int16 content
    displacement x, y, `mode` (T, Hb, Wb) uint8 BlockMode, `block_px` and `coded_size` (width, height).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pts_ns: list[int] = []
        self._pict_types: list[str] = []
        self._grid: tuple[int, int, int, int, int] | None = None  # Hb, Wb, block_px, coded width, height
        try:
            self._mv: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 it lives until close
            self._mode: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        except OSError as error:
            raise unwritable(path, error) from error

    def add(self, frame: CodecFrame) -> None:
        """Take the next picture. Raises DumpError when it has no vectors, or another size than the first."""
        motion = frame.motion
        if motion is None:
            raise DumpError(
                "A dump wants motion vectors, found a codec whose decoder exports none. Dump an H.264 stream."
            )
        grid = (*motion.mode.shape, motion.block_px, *motion.coded_size)
        if self._grid is None:
            self._grid = grid
        if grid != self._grid:
            raise DumpError(
                f"A dump wants pictures of one size, found {motion.coded_size[0]}x{motion.coded_size[1]} after "
                f"{self._grid[3]}x{self._grid[4]}. Dump less, with --seconds."
            )
        self._pts_ns.append(frame.pts_ns)
        self._pict_types.append(frame.pict_type)
        try:
            self._mv.write(motion.mv_qpel.astype("<i2").tobytes())
            self._mode.write(motion.mode.tobytes())
        except OSError as error:
            raise unwritable(self._path, error) from error

    def finish(self) -> None:
        """Write the file aside and put it in its place. Raises DumpError when that cannot be done."""
        if self._grid is None:
            raise DumpError(
                f"A dump into {self._path} wants pictures, found none. Name a source that has some."
            )
        rows, columns, block_px, width, height = self._grid
        count = len(self._pts_ns)
        with written_aside(self._path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            _write_array(archive, "pts_ns", np.array(self._pts_ns, "<i8"))
            _write_array(archive, "pict_type", np.array(self._pict_types, "<U1"))
            _write_spooled(archive, "mv_qpel", (count, rows, columns, 2), "<i2", self._mv)
            _write_spooled(archive, "mode", (count, rows, columns), "|u1", self._mode)
            _write_array(archive, "block_px", np.array(block_px, "<i8"))
            _write_array(archive, "coded_size", np.array([width, height], "<i8"))

    def close(self) -> None:
        self._mv.close()
        self._mode.close()

    def __enter__(self) -> VectorDump:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name whole, or not at all. Raises DumpError when it cannot be written."""
    try:
        with whole_file(path) as part, part.open("wb") as file:
            yield file
    except OSError as error:
        raise unwritable(path, error) from error


def _write_array(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w") as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _write_spooled(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: str, spool: IO[bytes]
) -> None:
    spool.seek(0)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        head = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, head)
        shutil.copyfileobj(spool, member)


def unwritable(path: Path, error: OSError) -> DumpError:
    """The sentence for a file that cannot be written."""
    return DumpError(
        f"Wanted to write {path}, found that it cannot be ({error.strerror or error}). Choose another."
    )
