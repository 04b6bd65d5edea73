"""A recorder never waits for its disk: what it cannot take is counted, and the stream goes on."""

from __future__ import annotations

import threading

import pytest

from magno.runtime.viz.items import Figure, Item, Note
from magno.runtime.viz.recorder import Recorder, RecordingError

PATIENCE_S = 60.0


class Disk:
    """A sink that stands still until it may go on."""

    def __init__(self, error: Exception | None = None) -> None:
        self.may_go_on, self.reached = threading.Event(), threading.Event()
        self.written: list[Item] = []
        self.closed, self._error = False, error

    def write(self, item: Item) -> None:
        self.reached.set()
        assert self.may_go_on.wait(PATIENCE_S)
        if self._error is not None:
            raise self._error
        self.written.append(item)

    def close(self) -> None:
        self.closed = True


def test_a_disk_that_stands_still_costs_items_and_no_time() -> None:
    disk = Disk()
    recorder = Recorder(disk, others=4)
    assert recorder.put(Note(0, "stream", "first"))
    assert disk.reached.wait(PATIENCE_S)
    assert [recorder.put(Figure(at, "x", at)) for at in range(1, 8)] == [True] * 4 + [False] * 3
    disk.may_go_on.set()
    recorder.close(PATIENCE_S)
    assert (recorder.dropped, recorder.error, disk.closed) == (3, "", True)
    mine = [
        item.at_ns
        for item in disk.written
        if isinstance(item, (Note, Figure)) and item.path in ("stream", "x")
    ]
    assert mine == [0, 1, 2, 3, 4]
    (told,) = [item for item in disk.written if isinstance(item, Figure) and item.path == "recording/dropped"]
    assert told.value == 3


def test_a_disk_that_never_goes_on_is_not_waited_for_at_the_end() -> None:
    disk = Disk()
    recorder = Recorder(disk)
    for at in range(3):
        recorder.put(Note(at, "stream", "waits"))
    assert disk.reached.wait(PATIENCE_S)
    recorder.close(patience_s=0.01)
    assert recorder.dropped == 2 and recorder.error.endswith("s.")
    assert not recorder.put(Note(9, "stream", "late")) and recorder.dropped == 3
    disk.may_go_on.set()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device"), "No space left"),
        (RecordingError("The file wants less."), "The file wants less."),
        (RuntimeError("ours"), "RuntimeError"),
    ],
)
def test_an_error_ends_the_recording_and_nothing_else(error: Exception, says: str) -> None:
    disk = Disk(error)
    disk.may_go_on.set()
    with Recorder(disk) as recorder:
        recorder.put(Note(0, "stream", "first"))
        recorder._thread.join(PATIENCE_S)
        assert not recorder.put(Note(1, "stream", "second"))
    assert says in recorder.error and recorder.error.endswith(".") and recorder.dropped == 1
