"""A recording as Rerun's viewer opens it (`rerun FILE.rrd`). The only file that imports rerun; knows no engine.

Nothing is spawned and nothing listens: a file is written, by a thread of the library, which is waited for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from magno.runtime.config import BYTES_PER_MB
from magno.runtime.viz.arrows import arrows_of
from magno.runtime.viz.items import Item, Note, Shown
from magno.runtime.viz.recorder import RecordingError

try:
    import rerun as rr
    import rerun.blueprint as rrb

    from magno.runtime.viz.jpeg import jpeg_from_rgb, shown_size
except ImportError as error:
    raise RecordingError(
        f"A recording for Rerun wants the library rerun-sdk, found it missing ({error.name}). Install it: "
        "pip install 'magno[viz]'."
    ) from error

CLOCK = "stream"  # the timeline: a duration, the stream's own time
DRAIN_ITEMS = 16  # that the library may hold: so much a crash costs
YELLOW = (255, 235, 40)


class RerunFile:
    """An open .rrd file. What is written stays readable whatever becomes of the process."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        """Takes the place of a file of that name. Raises RecordingError where it cannot be written."""
        self._path, self._most_bytes = path, most_bytes
        self._held, self._bytes = 0, 0
        try:
            path.open("wb").close()  # the library would only log it
        except OSError as error:
            raise RecordingError(
                f"A recording wants to be written to {str(path)[:500]}, found: {error.strerror}. "
                "Choose another place."
            ) from error
        self._recording = rr.RecordingStream("magno")
        self._recording.save(path)
        self._recording.send_blueprint(_layout())

    def write(self, item: Item) -> None:
        """Raises OSError, and RecordingError once the file is as large as it may be."""
        if isinstance(item, Shown):
            self._show(item)
        else:
            self._at(item.at_ns)
            self._recording.log(
                item.path,
                rr.TextLog(item.text, level=item.level.value)
                if isinstance(item, Note)
                else rr.Scalars(item.value),
            )
        self._held += 1
        if self._held >= DRAIN_ITEMS:
            self._drain()

    def close(self) -> None:
        """Raises as `write` does."""
        try:
            if self._held:
                self._drain()
        finally:
            self._recording.disconnect()

    def _show(self, item: Shown) -> None:
        frame = item.frame
        size = shown_size(frame.size)
        self._at(frame.pts_ns)
        jpeg = jpeg_from_rgb(frame.picture, size)
        self._recording.log("camera/picture", rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))
        begins, points = np.zeros((2, 0, 2), np.float32)
        if frame.motion is not None:
            begins, points = arrows_of(frame.motion, frame.size, size)
        self._recording.log(
            "camera/motion", rr.Arrows2D(origins=begins, vectors=points, colors=YELLOW, radii=0.5)
        )

    def _at(self, at_ns: int) -> None:
        self._recording.set_time(CLOCK, duration=np.timedelta64(at_ns, "ns"))

    def _drain(self) -> None:
        """Wait until the disk has what the library holds: it has no bound of its own, and keeps errors to itself."""
        self._recording.flush()
        before, self._bytes, self._held = self._bytes, self._path.stat().st_size, 0
        if self._bytes == before:
            raise RecordingError(
                f"{self._path.name} wants a disk that takes it, found that it grows no more: what comes is left out. "
                "Make room on the disk."
            )
        if self._bytes >= self._most_bytes:
            raise RecordingError(
                f"{self._path.name} wants {self._most_bytes // BYTES_PER_MB} MB at most, found that it is full: what "
                "comes is left out. Raise --rerun-mb."
            )


def _layout() -> rrb.Blueprint:
    """How the viewer shows it, unless its user has it otherwise."""
    series = [rrb.TimeSeriesView(origin=f"/{path}", name=path) for path in ("cache", "tokens", "answers")]
    lines = rrb.TextLogView(
        origin="/", contents=["/questions", "/stream", "/recording"], name="what happened"
    )
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(rrb.Spatial2DView(origin="/camera", name="camera"), lines, row_shares=[3, 2]),
            rrb.Vertical(*series),
        ),
        collapse_panels=True,
    )
