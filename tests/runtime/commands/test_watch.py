"""`magno watch`: what is typed, what is drawn, and the verb itself, in a terminal and without one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from magno.cli import main
from magno.runtime.commands.keyboard import MOST, Line
from magno.runtime.commands.watch_view import View, sparkline
from magno.runtime.tally import CameraStatus
from magno.runtime.units import Answer, Outcome

STATUS = CameraStatus(
    "front", "streaming", 100, 3, 29.97, 10**9, 77, "", motion_energy=0.5, remembered_s=12.0
)
SOON_S = 60.0


@pytest.mark.parametrize(
    ("keys", "ended", "left"),
    [
        ("hello", [], "hello"),
        ("hello\r", ["hello"], ""),
        ("helo\x7flo\n", ["hello"], ""),
        ("no\x15yes\nmore", ["yes"], "more"),
        ("\x1b[A", [], ""),
        ("tab\there", [], "tabhere"),
        ("grüße\n", ["grüße"], ""),
    ],
)
def test_keys_make_lines(keys: str, ended: list[str], left: str) -> None:
    line = Line()
    assert line.take(keys) == ended and line.text == left


@given(st.text())
def test_any_keys_are_taken(keys: str) -> None:
    line = Line()
    ended = line.take(keys)
    assert len(line.text) <= MOST and all(each.isprintable() or not each for each in ended or [])


def test_a_cheaper_tier_is_told() -> None:
    view, console = View(416), Console(width=160)
    for tier, is_told in (("full", False), ("longer windows", True)):
        view.look(replace(STATUS, tier=tier, tier_changes=3))
        with console.capture() as captured:
            console.print(view.drawn("", 2 * 10**9))
        assert (tier in captured.get()) is is_told
        assert (view.as_json(0)["tier"], view.as_json(0)["tier_changes"]) == (tier, 3)


def test_the_end_of_the_input_is_told() -> None:
    assert Line().take("abc\x04") is None


def test_a_view_tells_what_was_seen_and_said() -> None:
    view = View(budget_tokens=154)
    assert "opening" in drawn(view)
    view.look(STATUS)
    view.answered("Where is it?", Answer("left", Outcome.COMPLETE, ttft_ms=7.4))
    view.answered("And now?", Answer("", Outcome.REFUSED, "Too late."))
    view.waiting = ["And then?"]
    text = drawn(view, "typed")
    for wanted in (
        "streaming",
        "30.0 a second",
        "77 of 154",
        "1.00 s old",
        "left",
        "7 ms",
        "Too late.",
        "And then?",
    ):
        assert wanted in text, wanted
    assert "██████████░░░░░░░░░░" in text and "> typed" in text and "1 complete, 1 refused" in text


def test_a_sparkline_is_as_high_as_its_values() -> None:
    assert sparkline(deque([0.0, 0.5, 1.0])) == " ▄█"
    assert sparkline(deque([0.0, 0.0])) == "  " and sparkline(deque()) == ""


def test_without_a_terminal_it_speaks_json(tiny_bundle: Path, clips: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "magno.cli",
        "watch",
        str(clips / "bunny_mpeg4.mp4"),
        "--bundle",
        str(tiny_bundle),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        lines = []
        for text in process.stdout:
            lines.append(json.loads(text))
            if lines[-1].get("cached_tokens") and not any("question" in line for line in lines):
                process.stdin.write("Is anything moving?\n")
                process.stdin.flush()
            if any("question" in line for line in lines):
                process.kill()
                break
    (said,) = [line for line in lines if "question" in line]
    assert (said["question"], said["outcome"]) == ("Is anything moving?", "complete")


def test_in_a_terminal_it_draws_and_takes_questions(tiny_bundle: Path, clips: Path) -> None:
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "magno.cli",
        "watch",
        str(clips / "car-detection.mp4"),
        "--bundle",
        str(tiny_bundle),
    ]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with (
        subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process,
        killed(process),
    ):
        os.close(theirs)
        seen = read_until(ours, " s old")  # something to ask about
        os.write(ours, b"Is it?\r")
        seen += read_until(ours, "complete")
        os.write(ours, b"\x04")
        read_to_the_end(ours)
        assert process.wait(SOON_S) == 0
    os.close(ours)
    assert "Ctrl-D ends" in seen and "Is it?" in seen


def test_a_wrong_source_is_a_sentence(tiny_bundle: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "magno.cli",
        "watch",
        "nowhere.mp4",
        "--bundle",
        str(tiny_bundle),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SOON_S, check=False)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.strip().splitlines()) == 1


def test_a_recording_without_its_library_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_bundle: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    monkeypatch.delitem(sys.modules, "magno.runtime.viz.rerun_file", raising=False)
    words = ["watch", "nowhere.mp4", "--bundle", str(tiny_bundle), "--rerun", str(tmp_path / "x.rrd")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "pip install 'magno[viz]'" in said and said.count("\n") == 1
    assert not (tmp_path / "x.rrd").exists()


def read_until(terminal: int, wanted: str) -> str:
    text, end = "", time.monotonic() + SOON_S
    while wanted not in text:
        assert time.monotonic() < end, text[-2000:]
        text += os.read(terminal, 65536).decode("utf-8", "replace")
    return text


def read_to_the_end(terminal: int) -> None:
    """Whoever draws waits for a terminal that is not read."""
    with contextlib.suppress(OSError):  # Linux says EIO once the other end is closed
        while os.read(terminal, 65536):
            pass


@contextlib.contextmanager
def killed(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever becomes of the test: Popen waits at its end for ever."""
    try:
        yield
    finally:
        process.kill()


def drawn(view: View, typed: str = "") -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(view.drawn(typed, 2 * 10**9))
    return console.export_text()
