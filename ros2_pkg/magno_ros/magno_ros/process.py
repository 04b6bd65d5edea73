"""The node as a process of its own, on loopback, always stopped again: for the demo and the tests."""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

STOP_S = 10.0


def loopback_environment(domain: int | None = None) -> dict[str, str]:
    """Environment variables that keep ROS on this machine, in a domain where nobody else is likely to be."""
    return {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(Path(__file__).with_name("loopback.xml")),
        "ROS_DOMAIN_ID": str(random.randint(1, 101) if domain is None else domain),
    }


def other_running_threads() -> int:
    """How many threads besides the caller's are running or wait for a processor: median over half a second.

    From /proc/loadavg (proc(5), fourth field); 0 on a system that has none.
    """
    loadavg = Path("/proc/loadavg")
    if not loadavg.exists():
        return 0
    counts = []
    for _ in range(11):
        counts.append(int(loadavg.read_text(encoding="ascii").split()[3].split("/")[0]) - 1)
        time.sleep(0.05)
    return max(0, statistics.median_low(counts))


class NodeProcess:
    """A context manager: the node runs inside, with its output in a log file."""

    def __init__(self, parameters: Mapping[str, Any], log: Path, name: str = "magno") -> None:
        self.log, self.name = log, name
        self._parameters = parameters
        self._file: IO[bytes] | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> NodeProcess:
        command = [sys.executable, "-m", "magno_ros.main", "--ros-args", "-r", f"__node:={self.name}"]
        for name, value in self._parameters.items():
            command += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML
        self._file = self.log.open("wb")
        self.process = subprocess.Popen(command, stdout=self._file, stderr=subprocess.STDOUT, env=os.environ)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, with_signal: int = signal.SIGINT) -> int:
        """Ask it to end, make it end after STOP_S; its exit code."""
        assert self.process is not None and self._file is not None
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._file.close()

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def last_error(self) -> str:
        """The newest sentence that the node logged as an error."""
        errors = [line for line in self.log_text().splitlines() if line.startswith(("[ERROR]", "[FATAL]"))]
        return errors[-1].split("]: ", 1)[-1] if errors else "its log says nothing."
