"""Whether this machine is busy with other work, told from its own count of running threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from magno_ros.process import other_running_threads


@pytest.mark.skipif(not Path("/proc/loadavg").exists(), reason="needs /proc")
def test_a_process_that_spins_is_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
        try:
            assert other_running_threads() >= 1
        finally:
            spinning.kill()
