"""`magno watch SOURCE`: a camera in the terminal, and a prompt to ask it; recorded for Rerun where wanted. No ROS."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from magno.runtime.clock import WallClock
from magno.runtime.commands.ask import DEFAULT_BUNDLE, ENGINE_LOG, add_past
from magno.runtime.commands.keyboard import Keyboard
from magno.runtime.commands.watch_view import View
from magno.runtime.config import BYTES_PER_MB, EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.questions.ticket import Ticket
from magno.runtime.trace import NO_TRACE
from magno.runtime.units import MagnoError, Query
from magno.runtime.viz.recorder import Recorder
from magno.runtime.viz.tap import Tap

CAMERA = "camera"
LOOK_S = 0.1
TOLD_S = 1.0  # how often a line is printed where there is no terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument("source", metavar="SOURCE", help="a file, rtsp://..., v4l2:///dev/video0, ...")
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--loop", action="store_true", help="begin a file again at its end")
    parser.add_argument(
        "--deadline-ms",
        type=float,
        default=2000.0,
        metavar="N",
        help="of each question; default: %(default)s",
    )
    add_past(parser)
    parser.add_argument("--rerun", metavar="FILE.rrd", help="record it for Rerun's viewer (magno[viz])")
    parser.add_argument(
        "--rerun-mb", type=int, default=1000, metavar="N", help="of that file at most; default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines; questions come from stdin")
    parser.epilog = (
        "Exit code: 0 the source or the input ended, 2 bad input. Without a terminal it prints JSON lines, and every "
        "line of stdin is a question."
    )


def run(args: argparse.Namespace) -> int:
    """Watch until the source or the input ends."""
    logging.getLogger(ENGINE_LOG).setLevel(logging.ERROR)
    drawn = not args.json and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        config = EngineConfig(args.bundle, max_cameras=1, past_dir=args.past_dir, past_mb=args.past_mb)
        with _recorded(args, drawn) as tap, Engine.open(config, tracer=tap or NO_TRACE) as engine:
            if tap is not None:
                tap.budget_tokens = engine.config.budget_tokens
            engine.watch(CAMERA, args.source, loop=args.loop, gate=tap)
            watching = _Watching(engine, args.deadline_ms, tap)
            (_in_terminal if drawn else _in_lines)(watching)
    except MagnoError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


@contextmanager
def _recorded(args: argparse.Namespace, drawn: bool) -> Iterator[Tap | None]:
    """What hands on to the file that was asked for, None where none was; tells in the end what is in it."""
    if args.rerun is None:
        yield None
        return
    from magno.runtime.viz.rerun_file import RerunFile  # wants a library that few have

    path = Path(args.rerun)
    recorder = Recorder(RerunFile(path, args.rerun_mb * BYTES_PER_MB))
    try:
        yield Tap(recorder, WallClock())
    finally:
        recorder.close()
        if drawn:
            said = f"{path}: {recorder.pictures} pictures, {recorder.dropped} items dropped"
            print(f"{said}. {recorder.error}".rstrip(), file=sys.stderr)
        else:
            found = {"pictures": recorder.pictures, "dropped": recorder.dropped, "error": recorder.error}
            print(json.dumps({"recording": str(path), **found}), flush=True)


class _Watching:
    """One camera, its view, and the questions under way."""

    def __init__(self, engine: Engine, deadline_ms: float, tap: Tap | None = None) -> None:
        self._engine, self._deadline_ms, self._clock, self._tap = engine, deadline_ms, WallClock(), tap
        self.view = View(engine.config.budget_tokens)
        self._open: list[tuple[str, Ticket]] = []
        self._asked_ns: dict[Ticket, int] = {}  # in the stream's time, where it is recorded

    @property
    def now_ns(self) -> int:
        return self._clock.now_ns()

    def ask(self, question: str) -> None:
        if not question.strip():
            return
        ticket = self._engine.submit(Query(question, CAMERA, self._deadline_ms))
        if self._tap is not None:
            self._asked_ns[ticket] = self._tap.asked(question)
        self._open.append((question, ticket))

    def look(self, told: Callable[[str, Ticket], None] = lambda question, ticket: None) -> bool:
        """Take what is new; False: the source has ended, and all questions are answered."""
        status = self._engine.status()[CAMERA]
        self.view.look(status)
        for question, ticket in [pair for pair in self._open if pair[1].done]:
            self._open.remove((question, ticket))
            self.view.answered(question, ticket.result())
            if self._tap is not None:
                self._tap.answered(question, ticket.result(), self._asked_ns.pop(ticket))
            told(question, ticket)
        self.view.waiting = [question for question, _ in self._open]
        return status.state != "ended" or bool(self._open)


def _in_terminal(watching: _Watching) -> None:
    with Keyboard() as keyboard, Live(console=Console(), auto_refresh=False, transient=False) as live:
        while True:
            watching.look()  # a source that has ended may still be asked about
            live.update(watching.view.drawn(keyboard.line.text, watching.now_ns), refresh=True)
            lines = keyboard.lines(LOOK_S)
            if lines is None:
                return
            for line in lines:
                watching.ask(line)


def _in_lines(watching: _Watching) -> None:
    def read() -> None:
        for line in sys.stdin:
            watching.ask(line.rstrip("\n"))

    def told(question: str, ticket: Ticket) -> None:
        answer = ticket.result()
        line = {"question": question, "answer": answer.text, "outcome": answer.outcome.value}
        print(json.dumps({**line, "ttft_ms": answer.ttft_ms, "error": answer.error}), flush=True)

    threading.Thread(target=read, name="magno-stdin", daemon=True).start()
    pause, looks = threading.Event(), 0
    while True:
        goes_on = watching.look(told)
        if not goes_on or looks % round(TOLD_S / LOOK_S) == 0:
            print(json.dumps(watching.view.as_json(watching.now_ns)), flush=True)
        if not goes_on:
            return
        looks += 1
        pause.wait(LOOK_S)
