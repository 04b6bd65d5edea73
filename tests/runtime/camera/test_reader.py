"""The reader process: real processes, real clips, killed and left alone."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.process import outbox as outboxes
from magno.runtime.camera.process.outbox import Outbox
from magno.runtime.camera.process.pipe import PatientPipe
from magno.runtime.camera.process.pulse import Pulse
from magno.runtime.camera.process.reader import SILENCE_S, WORKER, CameraReader
from magno.runtime.camera.process.starved import Running, running, starved
from magno.runtime.camera.process.unit_queue import UnitQueue
from magno.runtime.camera.process.wire import Alive, Ended, Failed, Message, Opened, Readable, read_message
from magno.runtime.camera.request import REQUEST_VARIABLE, CameraError, CameraRequest
from magno.runtime.clock import NS_PER_S, ReplayClock, WallClock
from magno.runtime.units import CodecFrame
from tests.synthetic import codec_frame
from tests.waiting import happens

WAIT_S = 20  # far more than anything takes: a test that waits so long hangs


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _asking(request: str) -> dict[str, str]:
    return {**os.environ, REQUEST_VARIABLE: request}


def _news(pipe: Readable) -> Message | None:
    """The next message that says more than that all is well."""
    while (message := read_message(pipe)) == Alive():
        pass
    return message


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_folder_one_stands_in_holds_no_part_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: Path
) -> None:
    (tmp_path / "magno").mkdir()
    for name in ("magno/__init__.py", "av.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit('not what was asked for')\n", encoding="utf-8")
    request = CameraRequest(str((clips / "car-detection.mp4").resolve()), 16, pace="fast")
    monkeypatch.chdir(tmp_path)
    with CameraReader(request) as reader:
        assert reader.opened().codec == "h264"


def test_real_clip_comes_whole_through_a_process_of_its_own(clips: Path) -> None:
    request = CameraRequest(str(clips / "car-detection.mp4"), 16, pace="fast")
    with CameraReader(request) as reader:
        opened = reader.opened()
        assert (opened.codec, opened.size, opened.rate) == ("h264", (768, 432), 12.5)
        assert opened.container == "mov,mp4,m4a,3gp,3g2,mj2" and opened.caps.time_from is TimeFrom.CONTAINER
        assert reader.pid != os.getpid()
        frames = list(reader.frames())
    assert [frame.sequence for frame in frames] == list(range(377)) and reader.dropped == 0
    assert gone(reader.pid)


def test_pictures_end_at_the_time_asked_for(clips: Path) -> None:
    request = CameraRequest(str(clips / "bottle-detection.mp4"), 16, pace="fast", until_s=1.0)
    with CameraReader(request) as reader:
        reader.opened()
        frames = list(reader.frames())
    assert len(frames) == 30 and max(frame.pts_ns for frame in frames) <= 1_000_000_000


def test_file_that_is_missing_is_told_in_one_sentence(tmp_path: Path) -> None:
    reader = CameraReader(CameraRequest(str(tmp_path / "none.mp4"), 16))
    with reader, pytest.raises(CameraError, match="no such file"):
        reader.opened()


def test_killed_process_ends_the_waiting_thread_with_an_error(clips: Path) -> None:
    reader = CameraReader(CameraRequest(str(clips / "car-detection.mp4"), 16, loop=True))
    reader.opened()
    caught: list[Exception] = []
    first = threading.Event()

    def watch() -> None:
        try:
            for _ in reader.frames():
                first.set()
        except CameraError as error:
            caught.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    assert first.wait(WAIT_S)
    os.kill(reader.pid, signal.SIGKILL)
    thread.join(WAIT_S)
    assert not thread.is_alive() and len(caught) == 1
    assert str(caught[0]).endswith("(code -9); start it again.")
    reader.close()
    assert gone(reader.pid)


def test_stopped_process_is_noticed_by_its_silence(clips: Path) -> None:
    with CameraReader(CameraRequest(str(clips / "car-detection.mp4"), 16, loop=True)) as reader:
        reader.opened()
        frames = reader.frames()
        next(frames)
        os.kill(reader.pid, signal.SIGSTOP)
        with pytest.raises(CameraError, match="silent"):
            for _ in frames:
                pass
    assert gone(reader.pid)


@pytest.mark.parametrize(
    ("before", "after", "is_starved"),
    [
        (Running(True, 5), Running(True, 5), True),  # it waits for a core
        (Running(True, 5), Running(True, 40_000_005), True),
        (Running(True, 5), Running(True, 95_000_005), False),  # it runs, and says nothing: stuck in a loop
        (Running(False, 5), Running(False, 5), False),  # stopped, or stuck in a wait
        (Running(True, 5), Running(False, 5), False),
        (None, None, False),
        (Running(True, 5), None, False),
    ],
)
def test_process_that_is_kept_from_running_is_not_stuck(
    before: Running | None, after: Running | None, is_starved: bool
) -> None:
    assert starved(before, after, 100_000_000) is is_starved


def test_what_a_process_does_is_seen() -> None:
    before = running(os.getpid())
    assert before is not None and before.wants
    assert happens(lambda: (after := running(os.getpid())) is not None and after.ran_ns > before.ran_ns)
    assert running(2**22 + 1) is None


def test_process_with_nothing_to_say_is_not_silent() -> None:
    units = UnitQueue()
    reader = CameraReader(CameraRequest("units://", 16), units)
    with reader:
        assert reader.opened().codec == "h264"
        threading.Timer(3 * SILENCE_S, units.close).start()
        assert list(reader.frames()) == []


def test_process_whose_decoder_hangs_is_told_from_a_quiet_one(clips: Path) -> None:
    code = (
        "import sys, threading, magno.runtime.camera.process.worker as w\n"
        "w.DECODE_S = 0.1\n"
        "from magno.runtime.camera.decoding.decoder import Decoder\n"
        "Decoder.decode = lambda decoder, unit: threading.Event().wait()\n"
        f'sys.argv = [\'worker\', \'{{"url": "{clips / "car-detection.mp4"}", "picture_px": 16}}\']\n'
        "sys.exit(w.main())"
    )
    request = f'{{"url": "{clips / "car-detection.mp4"}", "picture_px": 16}}'
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=_asking(request))
    assert process.stdout is not None
    try:
        told = [_news(process.stdout) for _ in range(2)]
        assert isinstance(told[0], Opened) and isinstance(told[1], Failed)
        assert "decoded within 0.1 s" in told[1].error
    finally:
        process.kill()
        process.wait(WAIT_S)
        process.stdout.close()


def test_outbox_says_that_all_is_well_unless_its_thread_is_stuck() -> None:
    reading, writing = os.pipe()
    clock = ReplayClock()
    pulse = Pulse(clock)
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb") as end:
        outbox = Outbox(end, pulse, live=True)
        assert read_message(pipe) == Alive() == read_message(pipe)
        pulse.wait_for("the camera", 1.0)
        clock.sleep_until_ns(2 * NS_PER_S)
        message = _news(pipe)
        assert isinstance(message, Failed) and "stuck" in message.error
        outbox.close()
        assert outbox.is_gone


def test_kill_from_another_thread_ends_the_wait(clips: Path) -> None:
    reader = CameraReader(CameraRequest(str(clips / "car-detection.mp4"), 16, loop=True))
    reader.opened()
    threading.Timer(0.05, reader.kill).start()
    with reader, pytest.raises(CameraError, match="found it gone"):
        for _ in reader.frames():
            pass


def test_closing_leaves_no_process_and_no_descriptor(clips: Path) -> None:
    before = open_descriptors()
    for _ in range(3):
        with CameraReader(CameraRequest(str(clips / "car-detection.mp4"), 16, loop=True)) as reader:
            reader.opened()
            next(reader.frames())
        assert gone(reader.pid)
    assert open_descriptors() == before


def test_process_ends_quietly_when_the_engine_closes_the_pipe(clips: Path) -> None:
    request = f'{{"url": "{clips / "car-detection.mp4"}", "picture_px": 16, "loop": true}}'
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_asking(request),
    )
    assert process.stdout is not None and process.stderr is not None
    assert isinstance(_news(process.stdout), Opened)
    process.stdout.close()
    try:
        assert process.wait(WAIT_S) == 0
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.stderr.close()


def test_process_that_speaks_garbage_is_a_camera_error(clips: Path) -> None:
    reader = CameraReader(CameraRequest(str(clips / "car-detection.mp4"), 16))
    reader.kill()
    reader._pipe.close()
    reading, writing = os.pipe()
    os.write(writing, b"Traceback (most recent call last)")
    os.close(writing)
    reader._pipe = PatientPipe(reading, reader.pid, WAIT_S)
    with reader, pytest.raises(CameraError, match="found garbage"):
        reader.opened()


@pytest.mark.parametrize(
    "request_text", ["", "not JSON", '{"url": "a"}', '{"url": "a", "picture_px": 16, "x": 1}']
)
def test_worker_refuses_what_is_no_request(request_text: str) -> None:
    command = [sys.executable, "-c", WORKER]
    done = subprocess.run(command, capture_output=True, timeout=WAIT_S, env=_asking(request_text))
    assert done.returncode == 2 and done.stdout == b""
    assert b"wants a camera request" in done.stderr and b"Traceback" not in done.stderr


class Pipe(io.BytesIO):
    """A pipe whose reader may not take: what is written waits until `taking` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.taking = threading.Event()
        self.writing = threading.Event()
        self.closed_by_reader = False

    def write(self, data: object) -> int:  # type: ignore[override]
        self.writing.set()
        assert self.taking.wait(WAIT_S)
        if self.closed_by_reader:
            raise BrokenPipeError
        return super().write(data)  # type: ignore[arg-type]

    def messages(self) -> list[Message]:
        stream, found = io.BytesIO(self.getvalue()), []
        while (message := read_message(stream)) is not None:
            if not isinstance(message, Alive):
                found.append(message)
        return found


def test_live_outbox_drops_and_counts_when_nobody_reads() -> None:
    pipe = Pipe()
    outbox = Outbox(pipe, Pulse(WallClock()), live=True)
    assert outbox.put(codec_frame(0))
    assert pipe.writing.wait(WAIT_S)  # the first is on its way, the queue is empty
    for sequence in range(1, 21):
        assert outbox.put(codec_frame(sequence))
    assert outbox.dropped == 20 - outboxes.QUEUE_PICTURES
    pipe.taking.set()
    outbox.put(Ended(outbox.dropped))
    outbox.close()
    *frames, ended = pipe.messages()
    sequences = [frame.sequence for frame in frames if isinstance(frame, CodecFrame)]
    assert sequences == list(range(outboxes.QUEUE_PICTURES + 1)) and ended == Ended(outbox.dropped)


def test_fast_outbox_waits_and_drops_nothing() -> None:
    pipe = Pipe()
    outbox = Outbox(pipe, Pulse(WallClock()), live=False)

    def fill() -> None:
        for sequence in range(30):
            outbox.put(codec_frame(sequence))

    thread = threading.Thread(target=fill)
    thread.start()
    assert pipe.writing.wait(WAIT_S) and thread.is_alive()
    pipe.taking.set()
    thread.join(WAIT_S)
    outbox.close()
    assert len(pipe.messages()) == 30 and outbox.dropped == 0


@pytest.mark.parametrize("live", [True, False])
def test_outbox_says_when_the_engine_has_gone(live: bool) -> None:
    pipe = Pipe()
    pipe.closed_by_reader = True
    pipe.taking.set()
    outbox = Outbox(pipe, Pulse(WallClock()), live=live)
    for sequence in range(1000):
        if not outbox.put(codec_frame(sequence)):
            break
        outbox._writer.join(0.01)
    else:
        pytest.fail("the outbox goes on as if somebody read")
    outbox.close()


def test_fault_of_the_worker_itself_is_told() -> None:
    """Whatever a source raises, the engine hears one sentence."""
    read_end, write_end = os.pipe()
    code = (
        "import sys, magno.runtime.camera.process.worker as w\n"
        "def fail(camera): raise RuntimeError('two\\nlines')\n"
        "w.Camera.read = fail\n"
        "sys.exit(w.main())"
    )
    environment = _asking('{"url": "a", "picture_px": 16}')
    done = subprocess.run([sys.executable, "-c", code], stdout=write_end, timeout=WAIT_S, env=environment)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        message = _news(pipe)
    assert done.returncode == 0 and isinstance(message, Failed)
    assert "RuntimeError: two lines" in message.error
