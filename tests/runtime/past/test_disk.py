"""The past on disk: bounded, off the owner's thread, there after a restart."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.past import disk as past_disk
from magno.runtime.past.archive import Archive
from magno.runtime.past.disk import PastOnDisk, boot, camera_folder
from magno.runtime.past.file import Origin
from magno.runtime.units import Encoded, SpanKind
from tests.runtime.past.test_archive import rows_of
from tests.waiting import happens

WIDTH = 64
S = 10**9
BOOT = boot()
ORIGIN = Origin("pocket 0123", "front", BOOT, "first life")
GOP_ROWS = (2, 1, 1)  # a keyframe and two windows, at whole seconds
TWO_GOPS_BYTES = 2 * sum(GOP_ROWS) * WIDTH * 2  # a file


def shown(gops: range) -> list[Encoded]:
    """Rows hold their GOP's number, so that it is known whatever time they are placed at."""
    return [
        Encoded(
            SpanKind.WINDOW if place else SpanKind.KEYFRAME,
            np.full((rows, WIDTH), gop % 1024, np.float16),
            gop,
            (3 * gop + place) * S,
            (3 * gop + place) * S,
            gop + 1,
        )
        for gop in gops
        for place, rows in enumerate(GOP_ROWS)
    ]


def later(seconds: int) -> Encoded:
    """The first picture of another process, so long after the machine's start."""
    return replace(shown(range(1))[0], capture_ns=seconds * S)


def opened(
    folder: Path, life: str = "first life", first: Encoded | None = None, most: int = 10**9
) -> PastOnDisk:
    return PastOnDisk(folder, most, replace(ORIGIN, life=life), first or later(0))


def written(folder: Path, gops: range, **options: object) -> PastOnDisk:
    disk = opened(folder, **options)  # type: ignore[arg-type]
    for item in shown(gops):
        disk.add(item)
        assert happens(lambda: len(disk._queue) < past_disk.QUEUE_FILES)
    disk.close()
    disk.wait()
    assert not disk.dropped_gops
    return disk


def gops(disk: PastOnDisk, before_ns: float = float("inf")) -> list[int]:
    """Those that are remembered, oldest first; each of them whole, or up to the moment."""
    found = list(disk.before(before_ns))[::-1]
    for item in found:
        assert (item.rows == (item.pictures - 1) % 1024).all() and item.gop == item.pictures - 1
    times = [item.pts_ns for item in found]
    assert times == sorted(times)
    return list(dict.fromkeys(item.gop for item in found))


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_disk, "FILE_BYTES", TWO_GOPS_BYTES)


def test_the_past_is_there_after_a_restart(tmp_path: Path) -> None:
    written(tmp_path, range(20))
    disk = opened(tmp_path, "second life", later(100))
    assert happens(lambda: disk.since_ns() < float("inf"))
    # The last picture, of second 59, was captured 41 s before this life began at 0 s of its own time.
    assert disk.since_ns() == (-41 - 59) * S
    assert gops(disk) == list(range(20))
    assert gops(disk, -100 * S + 3 * S) == [0]
    assert next(disk.before(0)).capture_ns == 59 * S
    disk.close()
    disk.wait()


def test_a_third_life_knows_both(tmp_path: Path) -> None:
    written(tmp_path, range(10))
    written(tmp_path, range(40, 50), life="second life", first=shown(range(40, 41))[0])
    disk = opened(tmp_path, "third life", later(1000))
    assert happens(lambda: len(disk._files) == 10)
    assert gops(disk) == [*range(10), *range(40, 50)]
    disk.close()


def test_the_oldest_files_leave_over_the_budget(tmp_path: Path) -> None:
    one = written(tmp_path / "one", range(2)).size_bytes
    disk = written(tmp_path / "many", range(40), most=5 * one + one // 2)
    assert gops(disk) == list(range(30, 40))
    assert sum(path.stat().st_size for path in (tmp_path / "many").glob("*.past")) == disk.size_bytes
    again = opened(tmp_path / "many", "second life", later(1000), most=2 * one + one // 2)
    assert happens(lambda: len(again._files) == 2) and gops(again) == list(range(36, 40))
    again.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b"magnopst" + b"\xff" * 100),
        lambda path: path.write_bytes(b""),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    ],
)
def test_a_damaged_file_is_left_out_and_counted(damage: Callable[[Path], object], tmp_path: Path) -> None:
    written(tmp_path, range(8))
    damage(tmp_path / "00000002.past")
    disk = opened(tmp_path, "second life", later(100))
    assert happens(lambda: len(disk._files) == 4)
    assert disk.left_out_files == 1 and gops(disk) == [0, 1, 4, 5, 6, 7]
    disk.close()


def test_rows_that_were_altered_are_found_when_read(tmp_path: Path) -> None:
    written(tmp_path, range(8))
    path = tmp_path / "00000002.past"
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)
    disk = opened(tmp_path, "second life", later(100))
    assert happens(lambda: len(disk._files) == 4)
    assert disk.left_out_files == 0 and gops(disk) == [0, 1, 4, 5, 6, 7] == gops(disk)
    assert disk.left_out_files == 1
    disk.close()


@pytest.mark.parametrize(
    "origin",
    [replace(ORIGIN, bundle="another"), replace(ORIGIN, camera="back"), replace(ORIGIN, boot="before")],
)
def test_another_s_past_is_left_out_and_leaves_in_its_turn(origin: Origin, tmp_path: Path) -> None:
    written(tmp_path, range(8))
    disk = PastOnDisk(tmp_path, 10**9, replace(origin, life="second life"), later(100))
    assert happens(lambda: len(disk._files) == 4)
    assert disk.left_out_files == 4 and not gops(disk) and disk.since_ns() == float("inf")
    disk.close()
    disk.wait()
    fresh = PastOnDisk(tmp_path, 1, replace(origin, life="third life"), later(100))
    assert happens(lambda: not list(tmp_path.glob("*.past")))
    fresh.close()


def test_the_owner_never_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(PastOnDisk, "_list", lambda self: goes_on.wait())  # a disk that does not answer
    disk = opened(tmp_path)
    for item in shown(range(100)):
        disk.add(item)
    assert len(disk._queue) == past_disk.QUEUE_FILES
    assert disk.dropped_gops == 98 - 2 * past_disk.QUEUE_FILES  # and the last two are being gathered
    goes_on.set()
    disk.close()
    disk.wait()
    assert len(gops(disk)) == 100 - disk.dropped_gops


def test_stamps_that_go_back_cost_their_file_alone(tmp_path: Path) -> None:
    disk = opened(tmp_path)
    for item in [*shown(range(1)), *shown(range(1)), *shown(range(2, 6))]:
        disk.add(item)
    disk.close()
    disk.wait()
    assert disk.dropped_gops == 2 and gops(disk) == [2, 3, 4, 5]


def test_a_folder_that_cannot_be_had_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    disk = opened(tmp_path / "file")
    for item in shown(range(20)):
        disk.add(item)
    disk.close()
    disk.wait()
    assert disk.dropped_gops == 20 and not gops(disk)


def is_locked(path: Path) -> bool:
    """By somebody else; that it is there says less."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_two_processes_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past_disk, "LOCK_S", 0.2)
    one = opened(tmp_path)
    assert happens(lambda: is_locked(tmp_path / ".lock"))
    two = opened(tmp_path, "second life")
    for item in shown(range(20)):
        two.add(item)
    two.close()
    two.wait()
    assert two.dropped_gops == 20
    one.close()


def test_memory_first_then_disk(tmp_path: Path) -> None:
    gop_bytes = sum(GOP_ROWS) * WIDTH * 2
    archive = Archive(4 * gop_bytes, opened(tmp_path))
    assert archive.disk is not None
    for item in shown(range(20)):
        archive.add(item)
        assert happens(lambda: len(archive.disk._queue) < past_disk.QUEUE_FILES)  # type: ignore[union-attr]
    assert happens(lambda: len(archive.disk._files) == 9)  # type: ignore[union-attr]
    assert archive.since_ns() == 0
    assert [item.gop for item in archive.until(10 * S, 2 * sum(GOP_ROWS), rows_of)] == [2, 2, 2, 3, 3]
    across = archive.until(50 * S, 4 * sum(GOP_ROWS), rows_of)  # its newest are in memory, its oldest are not
    assert [item.pts_ns // S for item in across] == list(range(39, 51))
    archive.close()
    archive.wait()


def test_names_and_urls_tell_cameras_apart(tmp_path: Path) -> None:
    folders = {
        camera_folder(tmp_path, name, url)
        for name, url in (
            ("front", "a"),
            ("front", "b"),
            ("back", "a"),
            ("../..", "a"),
            ("\ud800", "a"),
            ("", ""),
        )
    }
    assert len(folders) == 6 and all(folder.parent == tmp_path for folder in folders)
