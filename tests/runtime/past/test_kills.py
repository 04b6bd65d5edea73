"""The past on disk is whole after a kill at any moment: processes that write are really killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.runtime.past.test_disk import gops, later, opened
from tests.waiting import happens

KILLS = 30
SOME_FILES_BYTES = 60_000

# Forks a process that writes for each line of its input, and waits for its end: imports are paid for once.
WRITERS = """
import os, sys
from pathlib import Path
from magno.runtime.past import disk as past_disk
from tests.runtime.past.test_disk import TWO_GOPS_BYTES, opened, shown

past_disk.FILE_BYTES = TWO_GOPS_BYTES

def write(life, begin):
    disk, told = opened(Path(sys.argv[1]), life, shown(range(begin, begin + 1))[0], int(sys.argv[2])), False
    for gop in range(begin, begin + 100_000):
        for item in shown(range(gop, gop + 1)):
            disk.add(item)
        with disk._changed:
            disk._changed.wait_for(lambda: len(disk._queue) < past_disk.QUEUE_FILES, 0.001)
        if not told and disk._files and disk._files[-1].origin.life == life:
            told = True
            print(os.getpid(), flush=True)

for line in sys.stdin:
    child = os.fork()
    if not child:
        write(line.strip(), int(line))
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


def test_a_kill_at_any_moment_leaves_what_was_there(tmp_path: Path) -> None:
    rng, begin, before = random.Random(1), 0, dict[str, bytes]()
    with subprocess.Popen(
        [sys.executable, "-c", WRITERS, str(tmp_path), str(SOME_FILES_BYTES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        text=True,
    ) as writers:
        assert writers.stdin is not None and writers.stdout is not None
        for _ in range(KILLS):
            print(begin, file=writers.stdin, flush=True)
            writer = int(writers.stdout.readline())
            threading.Event().wait(rng.uniform(0.0, 0.03))
            os.kill(writer, signal.SIGKILL)
            assert writers.stdout.readline() == "gone\n"
            files = {path.name: path.read_bytes() for path in tmp_path.glob("*.past")}
            oldest, newest = min(files), max(files)
            assert all(files[name] == data for name, data in before.items() if name >= oldest)
            assert newest > max(before, default="")
            disk = opened(tmp_path, "reader", later(10**6))
            assert happens(lambda: len(disk._files) == len(files))  # noqa: B023
            found = gops(disk)
            assert disk.left_out_files == 0 and len(found) == 2 * len(files) == 2 * (
                int(newest[:8]) - int(oldest[:8]) + 1
            )
            assert not list(tmp_path.glob(".*.part"))
            disk.close()
            disk.wait()
            before, begin = files, found[-1] + 10
