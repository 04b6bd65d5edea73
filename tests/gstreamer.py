"""What the tests have of GStreamer: it lives in the system's Python, not in ours. CI has it: see setup.sh."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("gstreamer_rtsp_server.py")
LOOK = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@functools.cache
def has_rtsp_server() -> bool:
    """Whether the system's Python can serve RTSP."""
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", LOOK], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def need_rtsp_server() -> None:
    if not has_rtsp_server():
        pytest.skip(f"{SYSTEM_PYTHON} has no GstRtspServer: ./setup.sh test installs it")


@contextmanager
def rtsp_server(clip: Path, login: str = "") -> Iterator[str]:
    """The url of a clip that is served while this lasts; with a login, "basic" or "digest", its user and password
    are magno."""
    command = [SYSTEM_PYTHON, str(SERVER), str(clip.resolve()), "0", *([login] if login else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"rtsp://127.0.0.1:{int(server.stdout.readline())}/clip"
        finally:
            server.kill()
